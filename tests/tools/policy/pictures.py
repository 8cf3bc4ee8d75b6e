"""Images made for tests, and policies of one operation."""

import cv2
import numpy as np
import torch

from tools.policy.built_policy import BuiltPolicy, build
from tools.policy.catalogue import default_operation
from tools.policy.policy import Parameter, Policy


def picture(side: int, seed: int = 0) -> np.ndarray:
    """Smooth coloured blobs, uint8 (side, side, 3), with neither black nor white."""
    coarse = np.random.default_rng(seed).integers(30, 226, (5, 5, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)


def grey_picture(side: int, seed: int = 0) -> np.ndarray:
    """The same without colour: three equal channels."""
    return np.repeat(picture(side, seed)[..., :1], 3, axis=2)


def alone(name: str, side: int = 32, **numbers: float) -> BuiltPolicy:
    """One operation with its defaults, but for `numbers`."""
    operation = default_operation(name)
    values = {parameter.name: parameter.value for parameter in operation.parameters} | numbers
    parameters = [Parameter(name=key, value=value) for key, value in values.items()]
    return build(
        Policy(operations=[operation.model_copy(update={"parameters": parameters})]), side, classes=3
    )


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Six images of three classes, float (6, 3, 16, 16), and their labels."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(6, 3, 16, 16, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2])

"""From a policy to callables for the training loop: one for an image, one for a batch.

All randomness comes from torch's global CPU generator: after the same `torch.manual_seed` the same images
come out. One image is one core's work, so OpenCV's own threads are switched off: they would fight with the
loader's processes and hang after a fork.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import PIL.Image
import torch
from torch.nn.functional import one_hot
from torchvision.transforms import v2

from tools.policy.policy import Policy
from tools.policy.specification import Stage
from tools.policy.steps import PlacedStep, steps_of
from tools.policy.transforms import as_tensor

cv2.setNumThreads(1)


class BuiltPolicy:
    """A policy made ready. Picklable, so that loader processes may hold it."""

    def __init__(self, steps: list[PlacedStep], classes: int) -> None:
        on_image = [placed for placed in steps if placed.stage != "batch"]
        on_batch = [placed for placed in steps if placed.stage == "batch"]
        self._classes = classes
        self._chain = _chain(on_image)
        self._mixer = make_transform(on_batch[0]) if on_batch else None
        self.is_identity: bool = not steps
        """Whether neither images nor labels are ever changed."""
        self.has_mix: bool = self._mixer is not None
        """Whether `mix` may change a batch."""

    def augment(self, image: np.ndarray) -> torch.Tensor:
        """One augmented image.

        Args:
            image: uint8 (S, S, 3), RGB; may be read-only, is never changed.

        Returns:
            uint8 (3, S, S) that shares no memory with `image`. Its strides are channels-last, as PIL's and
            OpenCV's memory is: `torch.stack` or `.contiguous()` settle them.
        """
        result: Any = image
        for step in self._chain:
            result = step(result)
        return result

    def mix(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch operation, with its probability drawn once; each image meets its predecessor.

        Args:
            images: float (B, 3, S, S), on any device.
            labels: int64 (B,), on the same device.

        Returns:
            images float (B, 3, S, S) and soft labels float32 (B, classes), each row a distribution; one-hot
            where nothing was mixed.
        """
        if self._mixer is not None:
            images, labels = self._mixer(images, labels)
        if labels.ndim == 1:
            labels = one_hot(labels, self._classes).float()
        return images, labels


def build(policy: Policy, image_size: int, classes: int) -> BuiltPolicy:
    """Makes the canonical form of `policy` ready for square images of `image_size` pixels.

    Raises:
        ConfigurationError: the policy is not valid (see `check_policy`).
    """
    return BuiltPolicy(steps_of(policy, image_size, classes), classes)


def make_transform(placed: PlacedStep) -> Callable[..., Any]:
    """The torchvision transform of a step, applied with its probability."""
    step = placed.step
    if step.draws_itself:
        return step.transform(**step.arguments, p=placed.probability)
    transform = step.transform(**step.arguments)
    return transform if placed.probability == 1 else v2.RandomApply([transform], p=placed.probability)


def _chain(steps: list[PlacedStep]) -> list[Callable[[Any], Any]]:
    """The transforms, with conversions only where two neighbours differ in what they run on."""
    stage: Stage = steps[0].stage if steps else "tensor"
    chain: list[Callable[[Any], Any]] = [PIL.Image.fromarray if stage == "image" else _tensor_copy]
    for placed in steps:
        if placed.stage != stage:
            chain.append(
                v2.functional.to_pil_image if placed.stage == "image" else v2.functional.pil_to_tensor
            )
            stage = placed.stage
        chain.append(make_transform(placed))
    if stage == "image":
        chain.append(v2.functional.pil_to_tensor)
    return chain


def _tensor_copy(image: np.ndarray) -> torch.Tensor:
    return as_tensor(image.copy())

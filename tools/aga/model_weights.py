"""Loads the weights of a trained model into it, all of them. Imports torch only where it is used."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import ConfigurationError, first_line

if TYPE_CHECKING:
    from torch import nn


def read_checkpoint(file: Path, setting: str) -> Any:
    """What a .pth file holds, on the CPU; code in it is never run.

    Raises:
        ConfigurationError: it is cut off, is no checkpoint of PyTorch, or holds more than tensors and plain values.
    """
    import pickle

    import torch

    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise ConfigurationError(
            f"{file} ({setting}) cannot be read as a checkpoint of PyTorch ({first_line(error)}): "
            "fetch it again and compare its size"
        ) from error


def put_weights(model: "nn.Module", state: Mapping[str, Any], what: str, *, others: bool = False) -> None:
    """Load `state` into `model`, all of it.

    Args:
        model: is changed in place.
        state: name → tensor.
        what: the file and its setting, for the error.
        others: let the file also have weights that the model has not.

    Raises:
        ConfigurationError: it does not fit.
    """
    expected = model.state_dict()
    complaints: list[str] = []
    missing = [name for name in expected if name not in state]
    if missing:
        complaints.append(f"{len(missing)} of {len(expected)} weights are missing (such as {missing[0]})")
    shapes = {name: tuple(getattr(state[name], "shape", ())) for name in expected if name in state}
    other = [name for name, shape in shapes.items() if shape != tuple(expected[name].shape)]
    if other:
        name = other[0]
        complaints.append(
            f"{len(other)} have another shape ({name}: {shapes[name]}, not {tuple(expected[name].shape)})"
        )
    unknown = [name for name in state if name not in expected]
    if unknown and not others:
        complaints.append(f"{len(unknown)} are unknown (such as {unknown[0]})")
    if complaints:
        raise ConfigurationError(f"{what} does not fit the model: {'; '.join(complaints)}")
    model.load_state_dict(state, strict=False)

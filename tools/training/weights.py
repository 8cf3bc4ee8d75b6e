"""Weights that training starts from: torchvision's, or a local file; never anything that can run code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tools.errors import ConfigurationError, first_line
from tools.training.stems import first_convolution, shrunk_kernel
from tools.training.trial_store import TORCHVISION_WEIGHTS

_WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Keys under which training scripts (torchvision's `model`, Lightning's `state_dict`) keep the weights."""

_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Training-only heads of GoogLeNet and Inception, which are not built here."""


def load_pretrained(model: nn.Module, name: str, weights: str) -> None:
    """Load pretrained weights into `model`, which was built as `name`.

    The head keeps its initial weights where its shape differs (another number of classes), and a 7x7 first kernel is
    resampled where the model has a small stem; everything else must match exactly.

    Args:
        model: changed in place.
        name: its name in torchvision.models.
        weights: 'torchvision', or a path to a .safetensors, .pth or .pt file with a state dict.

    Raises:
        ConfigurationError: the weights cannot be fetched or read, do not fit the model, or are not finite.
    """
    model.load_state_dict(_fitting_state(model, name, weights))


def check_weights_file(model: nn.Module, name: str, file: str) -> None:
    """Read a weights file and compare it with `model`, built as `name` on any device, which stays as it is.

    Raises:
        ConfigurationError: as `load_pretrained`.
    """
    _fitting_state(model, name, file)


def _fitting_state(model: nn.Module, name: str, weights: str) -> dict[str, Any]:
    if weights == TORCHVISION_WEIGHTS:
        state, origin = _torchvision_state(name), f"torchvision's weights of {name}"
    else:
        state, origin = _file_state(Path(weights)), weights
    own = model.state_dict()
    state = {key: value for key, value in state.items() if key in own or not key.startswith(_AUXILIARY)}
    head = head_of(model)
    stem = first_convolution(name)
    for key, value in list(state.items()):
        if key not in own or own[key].shape == value.shape:
            continue
        if key.rpartition(".")[0] == head:
            state[key] = own[key]
        elif key == f"{stem}.weight" and own[key].shape[:2] == value.shape[:2]:
            height, width = own[key].shape[-2:]
            state[key] = shrunk_kernel(value, (height, width))
    _refuse_mismatch(own, state, name, origin)
    broken = [key for key, value in state.items() if not value.is_meta and not torch.isfinite(value).all()]
    if broken:
        shown = ", ".join(broken[:3]) + (", …" if len(broken) > 3 else "")
        raise ConfigurationError(
            f"{origin} has weights that are NaN or infinite ({shown}): the file is damaged, or its training diverged; "
            "give another one (model.weights)"
        )
    return state


def head_of(model: nn.Module) -> str:
    """Path of the classifying layer: the last linear one, or the last convolution where none is linear."""
    for kind in (nn.Linear, nn.Conv2d):
        paths = [path for path, module in model.named_modules() if isinstance(module, kind)]
        if paths:
            return paths[-1]
    raise ConfigurationError(f"{type(model).__name__} has no linear or convolutional layer to classify with")


def _torchvision_state(name: str) -> Mapping[str, Any]:
    from torchvision.models import get_model_weights

    weights = next(iter(get_model_weights(name)), None)
    if weights is None:
        raise ConfigurationError(f"torchvision has no weights for {name!r}: leave model.weights unset")
    weights = getattr(get_model_weights(name), "DEFAULT", weights)
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True))
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(
            f"torchvision's weights of {name!r} could not be fetched from {weights.url}: {error}. Offline, "
            "copy the file to this machine and set model.weights to its path, "
            f"or place it in {Path(torch.hub.get_dir()) / 'checkpoints'}"
        ) from error


def _file_state(file: Path) -> dict[str, torch.Tensor]:
    if not file.is_file():
        raise ConfigurationError(
            f"there is no weights file {file} (model.weights): give 'torchvision', or the path of a "
            ".safetensors or .pth file"
        )
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # both libraries raise many kinds for a bad file
        raise ConfigurationError(
            f"the weights file {file} cannot be read ({type(error).__name__}: {first_line(error)}). "
            "Only plain tensors are read, never pickled code: save it as model.state_dict()"
        ) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise ConfigurationError(
            f"the weights file {file} holds no state dict: save it as torch.save(model.state_dict(), …)"
        )
    return {key.removeprefix("module."): value for key, value in content.items()}


def _refuse_mismatch(
    own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], name: str, origin: str
) -> None:
    missing = sorted(own.keys() - state.keys())
    unknown = sorted(state.keys() - own.keys())
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in sorted(own.keys() & state.keys())
        if own[key].shape != state[key].shape
    ]
    problems = [
        f"{len(keys)} {what} ({', '.join(keys[:3])}{', …' if len(keys) > 3 else ''})"
        for what, keys in (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
        if keys
    ]
    if problems:
        raise ConfigurationError(
            f"{origin} does not fit {name!r}: {'; '.join(problems)}. Was it saved from that model?"
        )

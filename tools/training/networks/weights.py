"""Weights that training starts from: published ones, or a local file; never anything that can run code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tools.errors import ConfigurationError, first_line
from tools.training.config import ModelConfig
from tools.training.networks.names import no_weights_file
from tools.training.networks.published import published_state, timm_heads
from tools.training.networks.stems import first_convolution, shrunk_kernel

_WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Keys under which training scripts (torchvision's `model`, Lightning's `state_dict`) keep the weights."""

_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
"""Training-only heads of GoogLeNet and Inception, which are not built here."""


_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.", "encoder.")
"""What training scripts (DataParallel, torch.compile, Lightning, self-supervision) put before the model's own names."""


@dataclass(frozen=True)
class Fitting:
    """Weights that fit a model, and what was not taken."""

    state: dict[str, Any]
    new_head: str = ""
    """Path of the head that keeps its initial weights; empty where it was taken."""
    left_out: tuple[str, ...] = ()
    """Modules of the file that the model does not have."""


def load_pretrained(model: nn.Module, config: ModelConfig, of_timm: Callable[[], nn.Module]) -> None:
    """Load the weights that `config` names into `model`, which was built from it.

    The head keeps its initial weights where its shape differs (another number of classes) or the file has none, and a
    7x7 first kernel is resampled where the model has a small stem; modules that the model does not have at all are left
    out (`told` says so); everything else must match exactly.

    Args:
        model: changed in place.
        config: its weights are set, and not 'auto'.
        of_timm: builds the same model with timm's own weights, which timm fits to the size of the images.

    Raises:
        ConfigurationError: the weights cannot be fetched or read, do not fit the model, or are not finite.
    """
    found, file = config.named, config.weights_file
    if file is not None:
        given, origin = _file_state(file), str(file)
    else:
        given, origin = published_state(found, of_timm), f"the published weights of {found.title}"
    model.load_state_dict(_fitting(model, config, given, origin).state)


def check_weights_file(model: nn.Module, config: ModelConfig) -> str:
    """Read a weights file and compare it with `model`, on any device, which stays as it is; what is taken, in words.

    Raises:
        ConfigurationError: as `load_pretrained`.
    """
    file = config.weights_file
    assert file is not None
    return told(config, _fitting(model, config, _file_state(file), str(file)))


def told(config: ModelConfig, found: Fitting) -> str:
    """What of a file the training starts from."""
    words = f"weights of {config.weights}: {len(found.state)} tensors"
    if found.new_head:
        words += f"; the head ({found.new_head}) is for other classes or missing there, and starts anew"
    if found.left_out:
        words += f"; left out, because the model has no such module: {', '.join(found.left_out[:5])}"
        words += ", …" if len(found.left_out) > 5 else ""
    return words


def _fitting(model: nn.Module, config: ModelConfig, state: Mapping[str, Any], origin: str) -> Fitting:
    own, name, is_file = model.state_dict(), config.title, config.weights_file is not None
    state = _without_prefix(
        {key: value for key, value in state.items() if key in own or not _is_auxiliary(key)}, own
    )
    tops = {key.partition(".")[0] for key in own}
    unknown = [key for key in state if key not in own and key.partition(".")[0] not in tops]
    left_out = tuple(dict.fromkeys(key.partition(".")[0] for key in unknown)) if is_file else ()
    state = {key: value for key, value in state.items() if not is_file or key not in unknown}
    heads = (timm_heads(config.named.where) if config.named.kind == "timm" else ()) or (head_of(model),)
    new_head = ""
    stem = first_convolution(name)
    for key, value in own.items():
        module = key.rpartition(".")[0]
        if module in heads and (key not in state or state[key].shape != value.shape):
            state[key], new_head = value, module
        elif key.endswith(".num_batches_tracked") and key not in state:  # of files before torch 0.4.1
            state[key] = value
        elif key == f"{stem}.weight" and key in state and state[key].shape[:2] == value.shape[:2]:
            height, width = value.shape[-2:]
            if state[key].shape != value.shape:
                state[key] = shrunk_kernel(state[key], (height, width))
    _refuse_mismatch(own, state, name, origin)
    _refuse_broken(state, origin)
    return Fitting(state, new_head, left_out)


def _is_auxiliary(key: str) -> bool:
    return key.startswith(_AUXILIARY)


def _without_prefix(state: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`state` with the names of the model, where a script has put a word before all or some of them."""
    while True:
        known = sum(key in own for key in state)
        for prefix in _PREFIXES:
            shorter = {key.removeprefix(prefix): value for key, value in state.items()}
            if len(shorter) == len(state) and sum(key in own for key in shorter) > known:
                state = shorter
                break
        else:
            return state


def _refuse_broken(state: Mapping[str, Any], origin: str) -> None:
    broken = [key for key, value in state.items() if not value.is_meta and not torch.isfinite(value).all()]
    if broken:
        shown = ", ".join(broken[:3]) + (", …" if len(broken) > 3 else "")
        raise ConfigurationError(
            f"{origin} has weights that are NaN or infinite ({shown}): the file is damaged, or its training diverged; "
            "give another one (model.weights)"
        )


def head_of(model: nn.Module) -> str:
    """Path of the classifying layer: the last linear one, or the last convolution where none is linear."""
    for kind in (nn.Linear, nn.Conv2d):
        paths = [path for path, module in model.named_modules() if isinstance(module, kind)]
        if paths:
            return paths[-1]
    raise ConfigurationError(f"{type(model).__name__} has no linear or convolutional layer to classify with")


def _file_state(file: Path) -> dict[str, torch.Tensor]:
    if not file.is_file():
        raise no_weights_file(file)
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
    return dict(content)


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

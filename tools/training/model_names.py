"""The names of torchvision's classifiers without importing torchvision, which takes seconds: a typo answers at once."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tools.errors import ConfigurationError, did_you_mean
from tools.training.config import ModelConfig
from tools.training.trial_store import TORCHVISION_WEIGHTS

_REGISTERED = re.compile(
    r"^@register_model\(\)\n"  # its name is that of the function
    r"(?:@.*\n(?:[ )].*\n)*)*"  # further decorators, with their arguments on lines of their own
    r"def (\w+)\(",
    re.MULTILINE,
)


@cache
def model_names() -> tuple[str, ...]:
    """Every classification model of the installed torchvision, sorted, as its source files register them."""
    package = find_spec("torchvision")
    folders = package.submodule_search_locations if package is not None else None
    files = Path(next(iter(folders or ()), "."), "models").glob("*.py")
    return tuple(sorted(name for file in files for name in _REGISTERED.findall(file.read_text("utf-8"))))


def check_names(config: ModelConfig) -> None:
    """Check that the model and its file of weights exist.

    Raises:
        ConfigurationError: one of them does not.
    """
    if config.name not in model_names():
        raise unknown_model(config.name)
    weights = config.weights
    if weights is not None and weights != TORCHVISION_WEIGHTS and not Path(weights).is_file():
        raise ConfigurationError(
            f"there is no weights file {weights} (model.weights): give 'torchvision', or the path of a "
            ".safetensors or .pth file"
        )


def unknown_model(name: str) -> ConfigurationError:
    """The error for a name that is no model, with those that are like it."""
    hint = did_you_mean(name.lower(), model_names(), most=3, cutoff=0.4) or "resnet18 is one"
    return ConfigurationError(f"there is no model {name!r} in torchvision.models (model.name); {hint}")

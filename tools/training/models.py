"""Classifiers of torchvision.models by name, ready for any image size and number of classes."""

import warnings
from typing import Any

import torch
from torch import nn
from torchvision import models as torchvision_models

from tools.errors import ConfigurationError, first_line
from tools.training.config import ModelConfig
from tools.training.model_names import check_names, unknown_model
from tools.training.seeds import Stream, derived_seed
from tools.training.stems import apply_stem, stem_for
from tools.training.trial_store import TORCHVISION_WEIGHTS
from tools.training.weights import check_weights_file, load_pretrained


def check_model(config: ModelConfig, classes: int, image_size: int) -> None:
    """Refuse a model that no trial could train, without a download, in little more than the time to read its weights.

    Builds it and passes one empty image through it on torch's `meta` device, which computes shapes only. A weights file
    is read and compared with it.

    Raises:
        ConfigurationError: unknown name, no such stem, images too small for it, or a weights file that is missing,
            damaged, of another model, or not finite.
    """
    check_names(config)
    # RegNet computes its widths with tensors, which must be real ones
    with torch.device("cpu" if config.name.startswith("regnet") else "meta"):
        model = architecture(config, classes, image_size).to("meta").eval()
    try:
        with torch.no_grad():
            model(torch.empty(2, 3, image_size, image_size, device="meta"))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise _unsuitable(config, image_size, error) from error
    if config.weights is not None and config.weights != TORCHVISION_WEIGHTS:
        check_weights_file(model, config.name, config.weights)


def build_model(config: ModelConfig, classes: int, image_size: int, seed: int) -> nn.Module:
    """A classifier: float32 images (B, 3, S, S) to logits (B, classes). On CPU, in training mode.

    The initial weights depend on `config`, `classes`, `image_size` and `seed` only; the caller's random
    state is neither used nor changed. For the small stems see `tools.training.stems`, for pretrained weights
    `tools.training.weights`.

    Args:
        config: name, weights and stem.
        classes: at least 2.
        image_size: S, in pixels.
        seed: the trial's.

    Raises:
        ConfigurationError: unknown name, stem or weights, or weights that do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, Stream.WEIGHTS))
        model = architecture(config, classes, image_size)
    if config.weights is not None:
        load_pretrained(model, config.name, config.weights)
    return model.train()


def architecture(config: ModelConfig, classes: int, image_size: int) -> nn.Module:
    """The classifier with torchvision's own random weights, drawn from torch's global generator.

    Raises:
        ConfigurationError: unknown name or stem, or an image size that it cannot take.
    """
    name = config.name
    if name not in torchvision_models.list_models(module=torchvision_models):
        raise unknown_model(name)
    stem = stem_for(config, image_size)
    options: dict[str, Any] = {"num_classes": classes}
    if name in ("googlenet", "inception_v3"):
        # their ImageNet weights expect inputs in another scale, which transform_input gives
        options |= {"aux_logits": False, "transform_input": config.weights is not None, "init_weights": True}
    elif name.startswith("vit_"):
        options["image_size"] = image_size
    elif name.startswith("maxvit"):
        options["input_size"] = (image_size, image_size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model = torchvision_models.get_model(name, weights=None, **options)
    except (ValueError, AssertionError) as error:  # not RuntimeError: that may be memory that ran out
        raise _unsuitable(config, image_size, error) from error
    apply_stem(model, name, stem)
    return model


def _unsuitable(config: ModelConfig, image_size: int, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"{config.name!r} cannot take images of {image_size} px ({first_line(error)}): choose another data.image_size "
        "(224 suits every model but inception_v3, which needs 299) or another model.name"
    )

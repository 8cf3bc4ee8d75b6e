"""Classifiers of torchvision, of timm and of the user's own, ready for any image size and number of classes."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torchvision import models as torchvision_models

from tools.errors import ConfigurationError, first_line
from tools.machine import is_out_of_memory
from tools.training.config import ModelConfig
from tools.training.networks.code import check_made, make_with
from tools.training.networks.names import check_names, unknown_model
from tools.training.networks.published import published, timm_entry
from tools.training.networks.stems import apply_stem, stem_for
from tools.training.networks.weights import check_weights_file, load_pretrained
from tools.training.seeds import Stream, derived_seed


def check_model(
    config: ModelConfig, classes: int, image_size: int, devices: Sequence[str] = ("cpu",)
) -> list[str]:
    """Refuse a model that no trial could train, without a download, in little more than the time to read its weights.

    Builds it and passes one empty image through it on torch's `meta` device, which computes shapes only; the model of a
    user's function is run for real. A weights file is read and compared with it.

    Args:
        config: the model; its weights are not 'auto'.
        classes: at least 2.
        image_size: in pixels.
        devices: of the workers.

    Returns:
        What is to be told about it: what of a weights file is used.

    Raises:
        ConfigurationError: unknown name, no such stem, images too small for it, a function that fails, and a weights
            file that is missing, damaged, of another model, or not finite.
    """
    check_names(config)
    found = config.named
    if config.weights == "pretrained" and published(found) is None:
        raise ConfigurationError(
            f"there are no published weights of {found.title!r}: leave model.weights unset"
        )
    if found.is_code:
        away = [device for device in devices if device != "cpu"]
        blank = config.model_copy(update={"weights": None})
        check_made(
            found, lambda seed: build_model(blank, classes, image_size, seed), classes, image_size, away
        )
    model = _on_meta(config, classes, image_size)
    if not found.is_code:
        try:
            with torch.no_grad():
                made = model(torch.empty(2, 3, image_size, image_size, device="meta"))
        except (RuntimeError, ValueError, AssertionError) as error:
            raise _unsuitable(config, image_size, error) from error
        if not isinstance(made, torch.Tensor) or tuple(made.shape) != (2, classes):
            raise ConfigurationError(f"{found.title!r} (model.name) is no classifier: choose another")
    return [check_weights_file(model, config)] if config.weights_file is not None else []


def _on_meta(config: ModelConfig, classes: int, image_size: int) -> nn.Module:
    # RegNet computes its widths with tensors, which must be real ones, and what a user's function does is unknown
    real = config.name.startswith("regnet") or config.named.is_code
    try:
        with torch.device("cpu" if real else "meta"):
            return architecture(config, classes, image_size).to("meta").eval()
    except (NotImplementedError, RuntimeError):
        if config.named.kind != "timm":
            raise
        return architecture(config, classes, image_size).to("meta").eval()


def build_model(config: ModelConfig, classes: int, image_size: int, seed: int) -> nn.Module:
    """A classifier: float32 images (B, 3, S, S) to logits (B, classes). On CPU, in training mode.

    The initial weights depend on `config`, `classes`, `image_size` and `seed` only; the caller's random
    state is neither used nor changed. For the small stems see `tools.training.networks.stems`, for pretrained weights
    `tools.training.networks.weights`.

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
        load_pretrained(model, config, lambda: _timm(config, classes, image_size, pretrained=True))
    return model.train()


def architecture(config: ModelConfig, classes: int, image_size: int) -> nn.Module:
    """The classifier with its own random weights, drawn from torch's global generator.

    Raises:
        ConfigurationError: unknown name or stem, an image size that it cannot take, or a function that fails.
    """
    model = _as_named(config, classes, image_size)
    if config.norm_momentum != "auto":
        for norm in _norms(model):
            norm.momentum = config.norm_momentum
    return model


def slowest_norm(config: ModelConfig, classes: int, image_size: int) -> float | None:
    """The lowest momentum of the model's batch normalisations, 0..1; None where it has none, or no such model exists.

    Their statistics are averages over about 1/momentum steps: a training of fewer steps than that ends with statistics
    of weights that are long gone, and predicts accordingly, however well it has learnt.
    """
    try:
        check_names(config)
        norms = _norms(_on_meta(config, classes, image_size))
    except ConfigurationError:  # told when the model is checked
        return None
    return min((norm.momentum for norm in norms if norm.momentum is not None), default=None)


def _norms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [each for each in model.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]


def _as_named(config: ModelConfig, classes: int, image_size: int) -> nn.Module:
    found = config.named
    match found.kind:
        case "torchvision":
            return _torchvision(config, classes, image_size)
        case "timm":
            model = _timm(config, classes, image_size)
        case "lite":
            from efficientnet_lite_pytorch import EfficientNet

            model = EfficientNet.from_name("efficientnet-lite0", num_classes=classes, image_size=image_size)
        case _:
            model = make_with(found, classes)
    stem_for(config, image_size)  # refuses a small stem, which none of these has
    return model


def _timm(config: ModelConfig, classes: int, image_size: int, pretrained: bool = False) -> nn.Module:
    import timm

    entry = timm_entry(config.named.where)
    # transformers have a grid of positions, made for one size
    options: dict[str, Any] = {"img_size": image_size} if entry is not None and entry.fixed_input_size else {}
    try:
        return timm.create_model(config.named.where, pretrained=pretrained, num_classes=classes, **options)
    except (ValueError, AssertionError, TypeError, RuntimeError) as error:
        if pretrained or is_out_of_memory(error) or isinstance(error, NotImplementedError):
            raise
        raise _unsuitable(config, image_size, error) from error


def _torchvision(config: ModelConfig, classes: int, image_size: int) -> nn.Module:
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
        f"{config.title!r} cannot take images of {image_size} px ({first_line(error)}): choose another data.image_size "
        "(224 suits every model but inception_v3, which needs 299) or another model.name"
    )

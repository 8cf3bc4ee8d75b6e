"""First layers for small images: a network made for 224 px halves a 32 px image until nothing is left of it.

'small' removes a network's first two halvings, 'small-pool' only the first, and a 7x7 first kernel becomes 3x3 (as He
et al. 2016, section 4.2, do for CIFAR). Images of 32 px and of 64 px then both end as 4x4 features.
"""

import torch
import torch.nn.functional as F
from torch import nn

from tools.errors import ConfigurationError
from tools.training.config import ModelConfig

SMALL_IMAGE = 32
SMALL_POOL_IMAGE = 64

HALVINGS: dict[str, tuple[str, str]] = {
    "resnet": ("conv1", "maxpool"),
    "resnext": ("conv1", "maxpool"),
    "wide_resnet": ("conv1", "maxpool"),
    "densenet": ("features.conv0", "features.pool0"),
    "shufflenet_v2": ("conv1.0", "maxpool"),
    "mobilenet_v2": ("features.0.0", "features.2.conv.1.0"),
    "mobilenet_v3_large": ("features.0.0", "features.2.block.1.0"),
    "mobilenet_v3_small": ("features.0.0", "features.1.block.0.0"),
    "efficientnet_b": ("features.0.0", "features.2.0.block.1.0"),
    "efficientnet_v2": ("features.0.0", "features.2.0.block.0.0"),
}
"""By the start of a model's name: the modules that halve first and second. The first is always a convolution."""


def stem_for(config: ModelConfig, image_size: int) -> str:
    """The stem that `config` means at `image_size` pixels: 'imagenet', 'small' or 'small-pool'.

    Raises:
        ConfigurationError: the setting asks for a small stem, but the family has none.
    """
    halvings = _halvings(config.name)
    if config.stem == "auto":
        if halvings is None or image_size > SMALL_POOL_IMAGE:
            return "imagenet"
        return "small" if image_size <= SMALL_IMAGE else "small-pool"
    if config.stem != "imagenet" and halvings is None:
        raise ConfigurationError(
            f"{config.name!r} has no stem {config.stem!r} (model.stem): only models have one whose names start with "
            f"{', '.join(sorted(HALVINGS))}; use 'imagenet' or 'auto'"
        )
    return config.stem


def first_convolution(name: str) -> str | None:
    """Path of the first convolution of the model `name`; None if its stem never changes."""
    halvings = _halvings(name)
    return None if halvings is None else halvings[0]


def apply_stem(model: nn.Module, name: str, stem: str) -> None:
    """Changes `model`, built by torchvision as `name`, in place."""
    halvings = _halvings(name)
    if stem == "imagenet" or halvings is None:
        return
    convolution = model.get_submodule(halvings[0])
    assert isinstance(convolution, nn.Conv2d)
    if convolution.kernel_size == (3, 3):
        convolution.stride = (1, 1)
    else:
        smaller = nn.Conv2d(
            convolution.in_channels, convolution.out_channels, 3, padding=1, bias=convolution.bias is not None
        )
        # torchvision's own initialisation of ResNet and DenseNet
        nn.init.kaiming_normal_(smaller.weight, mode="fan_out", nonlinearity="relu")
        _replace(model, halvings[0], smaller)
    if stem == "small":
        second = model.get_submodule(halvings[1])
        if isinstance(second, nn.Conv2d):
            second.stride = (1, 1)
        else:
            _replace(model, halvings[1], nn.Identity())


def shrunk_kernel(kernel: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """A (O, I, 7, 7) kernel of stride 2 as a (O, I, *size) kernel of stride 1.

    The kernel is resampled with anti-aliasing and scaled to keep its sum: what the small kernel sees in an
    image is about what the large one sees in the same image at twice the size. Pretrained filters carry over so.
    """
    resampled = F.interpolate(kernel.float(), size=size, mode="bilinear", antialias=True, align_corners=False)
    area = kernel.shape[-1] * kernel.shape[-2] / (size[0] * size[1])
    return (resampled * area).to(kernel.dtype)


def _halvings(name: str) -> tuple[str, str] | None:
    return next((paths for start, paths in HALVINGS.items() if name.startswith(start)), None)


def _replace(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, child = path.rpartition(".")
    setattr(model.get_submodule(parent), child, module)

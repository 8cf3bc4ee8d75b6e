"""AIC and SIC: how fast a classifier recovers as the pixels that a map calls important are revealed.

The performance information curves of Kapishnikov et al. 2019 (XRAI: Better Attributions Through Regions), computed as
PAIR's package `saliency` does: an image is blurred down to a random 1% of its pixels, the most important pixels are
revealed in steps, and the score is drawn over the information in the image, the bytes of a lossless WebP. SIC scores by
the softmax of the explained class, AIC by whether it is the one predicted.

What depends on the image alone is done once for all maps (`Blurring`), one triangulation serves the three channels,
AIC and SIC come from the same revealed images, and those are made in parallel.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from tools.machine import usable_cores

THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)
"""Shares of the pixels that are revealed, as in PAIR's own experiments."""
REVEALED_AT_FIRST = 0.01
"""Share of the pixels that the blurred image is made of."""
MINIMUM = 0.8
"""Least score on the image as it is: others are skipped."""
POINTS = 1000
"""Of a curve, besides the last."""

UNSURE = "the score on the image itself is too low"
NO_LESS_INFORMATION = "the blurred image holds no less information"
NO_WORSE_BLURRED = "the score on the blurred image is no lower"


@dataclass(frozen=True)
class Skipped:
    """An image that has no curve."""

    reason: str


@dataclass(frozen=True)
class Revealed:
    """An image, blurred, then revealed in steps."""

    images: np.ndarray
    """uint8 (T + 2, H, W, 3): fully blurred first, the image itself last."""
    information: np.ndarray
    """float (T + 2,), bytes of each."""


def random_mask(height: int, width: int, seed: Sequence[int]) -> np.ndarray:
    """bool (H, W): the pixels that the blurred image is made of. The same for all classifiers and maps of an image."""
    mask = np.zeros(height * width, dtype=bool)
    chosen = np.random.default_rng(seed).choice(mask.size, int(mask.size * REVEALED_AT_FIRST), replace=False)
    mask[chosen] = True
    return mask.reshape(height, width)


class Blurring:
    """One image and the pixels that its blurred version is made of; reveals what a map calls important."""

    def __init__(self, image: np.ndarray, mask: np.ndarray) -> None:
        """`image`: uint8 (H, W, 3); `mask`: bool (H, W), as of `random_mask`."""
        if image.dtype != np.uint8 or image.ndim != 3:
            raise ValueError(f"an image must be uint8 (H, W, 3); got {image.dtype} {image.shape}")
        self._image, self._mask = image, mask

    @cached_property
    def _ends(self) -> tuple[tuple[np.ndarray, int], int]:
        """(fully blurred, its bytes), bytes of the image."""
        blurred = interpolated(self._image, self._mask)
        return (blurred, information(blurred)), information(self._image)

    def reveal(self, importance: np.ndarray, thresholds: Sequence[float] = THRESHOLDS) -> Revealed:
        """Reveal the most important pixels in steps.

        Args:
            importance: float (H, W), higher for pixels that matter more.
            thresholds: shares of the pixels, ascending.
        """
        if importance.shape != self._mask.shape or not np.isfinite(importance).all():
            raise ValueError(
                f"a map must be finite and of the image's size; got {importance.shape} for {self._mask.shape}"
            )
        levels = np.quantile(importance, 1 - np.asarray(thresholds))
        masks = [(importance >= level) | self._mask for level in levels]

        def step(mask: np.ndarray) -> tuple[np.ndarray, int]:
            image = interpolated(self._image, mask)
            return image, information(image)

        with ThreadPoolExecutor(usable_cores()) as pool:
            # Qhull and the WebP encoder release Python's lock; the longest steps come first.
            steps = list(pool.map(step, reversed(masks)))[::-1]
        blurred, whole = self._ends
        images, sizes = zip(blurred, *steps, (self._image, whole), strict=True)
        return Revealed(np.stack(images), np.array(sizes, dtype=np.float64))


def interpolated(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The image with all but the known pixels interpolated linearly over a Delaunay triangulation of these.

    Args:
        image: uint8 (H, W, 3).
        known: bool (H, W); the four corners always count as known.
    """
    from scipy.interpolate import LinearNDInterpolator

    known = known.copy()
    known[[0, 0, -1, -1], [0, -1, 0, -1]] = True
    if known.all():
        return image
    # All known points, in this order: which way Qhull cuts a square in two depends on it.
    found = LinearNDInterpolator(np.argwhere(known), image[known].astype(np.float64))(np.argwhere(~known))
    outside = np.isnan(found)
    if outside.any():  # by rounding, at the border
        found[outside] = np.broadcast_to(image.mean(axis=(0, 1)), found.shape)[outside]
    filled = image.copy()
    filled[~known] = np.round(found.astype(np.float32)).astype(np.uint8)
    return filled


def information(image: np.ndarray) -> int:
    """Bytes of the image, uint8 (H, W, 3), as a lossless WebP."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "WEBP", lossless=True, quality=100)
    return stream.tell()


def information_curve(
    scores: np.ndarray, found: np.ndarray, minimum: float = MINIMUM
) -> np.ndarray | Skipped:
    """The curve of one image, or why it has none.

    Args:
        scores: float (T + 2,), the classifier's on the images of a `Revealed`.
        found: float (T + 2,), their information.
        minimum: least score on the image itself.

    Returns:
        float (POINTS + 1,): the normalised score over the normalised information, rising from 0 to 1.
    """
    first, last = float(scores[0]), float(scores[-1])
    if last < minimum:
        return Skipped(UNSURE)
    if found[0] >= found[-1]:
        return Skipped(NO_LESS_INFORMATION)
    if first >= last:
        return Skipped(NO_WORSE_BLURRED)
    x = np.clip((found[1:-1] - found[0]) / (found[-1] - found[0]), 0, 1)
    y = np.maximum.accumulate(np.clip((scores[1:-1] - first) / (last - first), 0, 1))
    x, y = np.append(x, (0.0, 1.0)), np.append(y, (0.0, 1.0))
    order = np.argsort(x, kind="stable")
    at = np.linspace(0, 1, POINTS, endpoint=False)
    return np.append(np.interp(at, x[order], y[order]), 1.0)


def area(curves: Iterable[np.ndarray]) -> float | None:
    """Area under the median of some curves; None without any."""
    every = list(curves)
    if not every:
        return None
    x = np.append(np.linspace(0, 1, POINTS, endpoint=False), 1.0)
    return float(np.trapezoid(np.median(np.stack(every), axis=0), x))


@dataclass(frozen=True)
class InformationCurves:
    """AIC and SIC of one image under one classifier and map."""

    aic: np.ndarray | Skipped
    sic: np.ndarray | Skipped


def information_curves(
    revealed: Revealed,
    probabilities: Callable[[np.ndarray], np.ndarray],
    label: int,
    minimum: float = MINIMUM,
) -> InformationCurves:
    """Both curves, from one batch of predictions.

    Args:
        revealed: as of `Blurring.reveal`, by a map of this classifier.
        probabilities: uint8 (B, H, W, 3) → float (B, C), rows sum to 1.
        label: the class that the map explains.
        minimum: least score on the image itself.
    """
    found = np.asarray(probabilities(revealed.images), dtype=np.float64)
    correct = (found.argmax(axis=1) == label).astype(np.float64)
    return InformationCurves(
        information_curve(correct, revealed.information, minimum),
        information_curve(found[:, label], revealed.information, minimum),
    )

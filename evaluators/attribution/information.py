"""AIC and SIC: how fast a classifier recovers as the pixels that a map calls important are revealed.

The performance information curves of Kapishnikov et al. 2019 (XRAI: Better Attributions Through Regions), computed as
PAIR's package `saliency` does: an image is blurred down to a random 1% of its pixels, the most important pixels are
revealed in steps, and the score is drawn over the information in the image, the bytes of a lossless WebP. SIC scores by
the softmax of the explained class, AIC by whether it is the one predicted.

What depends on the image alone is done once for all maps (`Blurring`), one triangulation serves the three channels,
AIC and SIC come from the same revealed images, and those are made in parallel: all of them, the blurred one and the
image itself included, the longest first. Equal steps are made once, and no step of an image that has no curve.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

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
    def ends(self) -> "Revealed":
        """The fully blurred image and the image itself, without steps between."""
        return self._made([self._mask], encode_image=True)

    def reveal(self, importance: np.ndarray, thresholds: Sequence[float] = THRESHOLDS) -> "Revealed":
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
        steps = self._made([(importance >= level) | self._mask for level in levels])
        return Revealed(
            np.concatenate([self.ends.images[:1], steps.images, self.ends.images[1:]]),
            np.concatenate([self.ends.information[:1], steps.information, self.ends.information[1:]]),
        )

    def _made(self, masks: Sequence[np.ndarray], encode_image: bool = False) -> "Revealed":
        """The images of which these pixels are known, bool (H, W) each, the least known first; and the image itself."""

        def made(mask: np.ndarray) -> tuple[np.ndarray, int]:
            image = interpolated(self._image, mask)
            return image, information(image)

        distinct = {mask.tobytes(): mask for mask in masks}
        # scipy inverts small matrices for each triangle; the threads of OpenBLAS would wait for each other, spinning.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(usable_cores()) as pool:
            # Qhull and the WebP encoder release Python's lock; what takes longest comes first.
            last = [pool.submit(information, self._image)] if encode_image else []
            steps = {name: pool.submit(made, mask) for name, mask in reversed(distinct.items())}
            found = [steps[mask.tobytes()].result() for mask in masks]
            found += [(self._image, each.result()) for each in last]
        images, sizes = zip(*found, strict=True)
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
    if (why := _why_none(scores, found, minimum)) is not None:
        return why
    first, last = float(scores[0]), float(scores[-1])
    x = np.clip((found[1:-1] - found[0]) / (found[-1] - found[0]), 0, 1)
    y = np.maximum.accumulate(np.clip((scores[1:-1] - first) / (last - first), 0, 1))
    x, y = np.append(x, (0.0, 1.0)), np.append(y, (0.0, 1.0))
    order = np.argsort(x, kind="stable")
    at = np.linspace(0, 1, POINTS, endpoint=False)
    return np.append(np.interp(at, x[order], y[order]), 1.0)


def _why_none(scores: np.ndarray, found: np.ndarray, minimum: float) -> Skipped | None:
    """Why there is no curve, by the blurred image, which comes first, and the image itself, which comes last."""
    first, last = float(scores[0]), float(scores[-1])
    if last < minimum:
        return Skipped(UNSURE)
    if found[0] >= found[-1]:
        return Skipped(NO_LESS_INFORMATION)
    return Skipped(NO_WORSE_BLURRED) if first >= last else None


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
    blurring: Blurring,
    importance: np.ndarray,
    probabilities: Callable[[np.ndarray], np.ndarray],
    label: int,
    minimum: float = MINIMUM,
) -> InformationCurves:
    """Both curves, from the same images; where neither exists, nothing is revealed.

    Args:
        blurring: of the image.
        importance: float (H, W), a map of this classifier.
        probabilities: uint8 (B, H, W, 3) → float (B, C), rows sum to 1.
        label: the class that the map explains.
        minimum: least score on the image itself.
    """
    ends = blurring.ends
    of_ends = np.asarray(probabilities(ends.images), dtype=np.float64)
    no_aic, no_sic = (_why_none(scores, ends.information, minimum) for scores in _scores(of_ends, label))
    if no_aic is not None and no_sic is not None:
        return InformationCurves(no_aic, no_sic)
    revealed = blurring.reveal(importance)
    of_steps = np.asarray(probabilities(revealed.images[1:-1]), dtype=np.float64)
    found = np.concatenate([of_ends[:1], of_steps, of_ends[1:]])
    aic, sic = (information_curve(scores, revealed.information, minimum) for scores in _scores(found, label))
    return InformationCurves(aic, sic)


def _scores(probabilities: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Those of AIC and of SIC: whether `label` is predicted, and its softmax."""
    return (probabilities.argmax(axis=1) == label).astype(np.float64), probabilities[:, label]

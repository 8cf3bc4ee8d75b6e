"""Which pixels are the subject: the segmenters that need no weights, and the choice among all of them."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from tools.aga.config import SegmenterConfig
from tools.aga.segmenters.masks import read_mask
from tools.aga.segmenters.saliency import (
    distance_from_surroundings,
    inner,
    is_all,
    nearness_to_middle,
    saliency,
    whole_subject,
)
from tools.aga.types import Box, Segmenter, SourceImage
from tools.errors import ConfigurationError, DataError

WORKING_SIDE = 448
"""Longest side in pixels at which GrabCut and Otsu run: beyond it they take longer and find no more."""

FEWEST_PIXELS = 8
"""Of subject and of surroundings, for GrabCut's mixtures of five Gaussians to mean anything."""

SMALLEST_SHARE = 0.005
LARGEST_SHARE = 0.99
"""Of the box: below the one, dust was found; above the other, no edge was."""

JUST_VISIBLE = 2.0
"""Distance in CIELAB below which an eye sees one colour."""

BAND = 0.06
"""Of the box's sides: how far the subject may reach out of it."""


def make_segmenter(config: SegmenterConfig, masks: Mapping[str, Path] | None = None) -> Segmenter:
    """The segmenter that `config.kind` names. Weights are looked for now, and loaded when they are first used.

    Args:
        config: the settings `aga.segmenter`.
        masks: file (as the data set names it) → its mask, a picture brighter where the subject is, for kind 'dataset'.

    Raises:
        ConfigurationError: weights are missing, or kind is 'dataset' and there are no masks.
    """
    if config.kind == "grabcut":
        return GrabCutSegmenter(config.iterations)
    if config.kind == "otsu":
        return OtsuSegmenter()
    if config.kind == "dataset":
        if not masks:
            raise ConfigurationError(
                "this data set brings no masks (aga.segmenter.kind: dataset): use sam, grabcut or otsu"
            )
        return GivenMasks(masks)
    from tools.aga.segmenters.sam import SamSegmenter

    return SamSegmenter(config)


class _InBox(ABC):
    """Looks at the image at `WORKING_SIDE`, and gives masks at its own size."""

    def segment(self, image: SourceImage, boxes: Sequence[Box]) -> list[np.ndarray]:
        """For each box a mask, bool (H, W); all False where nothing stands out in the box, or everything does."""
        height, width = image.pixels.shape[:2]
        scale = min(1.0, WORKING_SIDE / max(height, width))
        small = image.pixels
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
        masks: list[np.ndarray] = []
        for box in boxes:
            window = inner(box, small.shape[1] / width, small.shape[0] / height, small.shape[:2])
            mask = self._within(np.ascontiguousarray(small), window)
            share = mask.sum() / ((window[1] - window[0]) * (window[3] - window[2]))
            if not SMALLEST_SHARE <= share <= LARGEST_SHARE:
                mask = np.zeros_like(mask)
            if scale < 1:
                mask = (
                    cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
                )
            masks.append(mask)
        return masks

    @abstractmethod
    def _within(self, pixels: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
        """The subject in the window (top, bottom, left, right) of the image, as a mask of the whole image."""


class GrabCutSegmenter(_InBox):
    """GrabCut (Rother et al. 2004), started from what stands out in the box.

    Started from the box alone, as in the paper, it takes whatever differs from outside the box, and on photographs of
    small animals that is leaves and petals as often as the animal. So it starts from what differs in colour from all
    that surrounds the box, is sharp, and is near the middle of the box; and it is free to leave the box a little.
    """

    def __init__(self, iterations: int = 5):
        self._iterations = iterations

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on."""
        return f"grabcut-1:{self._iterations}"

    def _within(self, pixels: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
        top, bottom, left, right = window
        nothing = np.zeros(pixels.shape[:2], dtype=np.bool_)
        standing_out = saliency(pixels, window)
        seeds = _above_otsu(standing_out[top:bottom, left:right])
        if seeds is None:
            return nothing
        labels = np.full(pixels.shape[:2], cv2.GC_BGD, dtype=np.uint8)
        down, across = round((bottom - top) * BAND), round((right - left) * BAND)
        band = slice(max(0, top - down), bottom + down), slice(max(0, left - across), right + across)
        labels[band] = cv2.GC_PR_BGD
        labels[top:bottom, left:right] = np.where(seeds, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
        if min(seeds.sum(), labels.size - seeds.sum()) < FEWEST_PIXELS:
            return nothing
        cv2.setRNGSeed(0)  # its mixtures start from k-means, which starts at random
        # OpenCV works in BGR; GrabCut is the same in any order of the channels.
        cv2.grabCut(
            pixels,
            labels,
            None,  # pyright: ignore[reportArgumentType, reportCallIssue]
            np.zeros((1, 65)),
            np.zeros((1, 65)),
            self._iterations,
            cv2.GC_INIT_WITH_MASK,
        )
        return whole_subject((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), standing_out)


class OtsuSegmenter(_InBox):
    """Otsu's threshold (1979) on how far a pixel's colour is from what surrounds the box, less so towards its edge.

    Where the box is the whole image, the commonest colour of the image's edge is the ground.

    On grey levels alone it would have to be told whether the subject is dark or bright. Best where one thing lies on a
    plain ground, as in microscopy and dermoscopy; many times faster than GrabCut.
    """

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on."""
        return "otsu-2"

    def _within(self, pixels: np.ndarray, window: tuple[int, int, int, int]) -> np.ndarray:
        top, bottom, left, right = window
        mask = np.zeros(pixels.shape[:2], dtype=np.bool_)
        distance = distance_from_surroundings(pixels, window)
        fills_the_frame = is_all(window, *pixels.shape[:2])
        if not fills_the_frame:
            distance *= nearness_to_middle(window, *pixels.shape[:2]).astype(np.float32)
        above = _above_otsu(distance[top:bottom, left:right], JUST_VISIBLE)
        if above is None:
            return mask
        mask[top:bottom, left:right] = above
        # A subject that fills the frame is a shape on a plain ground: its holes belong to it (a zero, a ring).
        return whole_subject(mask, distance, largest_hole=0 if fills_the_frame else 1)


class GivenMasks:
    """The masks that the data set brings. An image without one has no subject."""

    def __init__(self, masks: Mapping[str, Path]):
        """`masks`: file → its mask as a picture, of the image's own size or larger or smaller in proportion."""
        self._masks = masks

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on: the masks' content."""
        return f"dataset:{self._digest}"

    def segment(self, image: SourceImage, boxes: Sequence[Box]) -> list[np.ndarray]:
        """The given mask, bool (H, W), whole, for each box that it reaches into; all False for the others.

        Raises:
            DataError: the mask is missing, unreadable, or of other proportions than the image.
        """
        height, width = image.pixels.shape[:2]
        nothing = np.zeros((height, width), dtype=np.bool_)
        file = self._masks.get(image.file)
        if file is None or not boxes:
            return [nothing.copy() for _ in boxes]
        mask = read_mask(file)
        if mask.shape != (height, width):
            ratio = mask.shape[1] / mask.shape[0] * height / width
            # Either side of a photo that was made smaller is rounded to a pixel.
            if abs(ratio - 1) > 1.5 / min(height, width, *mask.shape):
                raise DataError(
                    f"the mask {file} is {mask.shape[1]} x {mask.shape[0]} pixels, and {image.file} is {width} x "
                    f"{height}: it belongs to another image, or one of them is turned"
                )
            mask = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        masks: list[np.ndarray] = []
        for box in boxes:
            top, bottom, left, right = inner(box, 1, 1, (height, width))
            masks.append((mask if mask[top:bottom, left:right].any() else nothing).copy())
        return masks

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for file in sorted(self._masks):
            try:
                content = self._masks[file].read_bytes()
            except OSError as error:
                raise DataError(
                    f"the mask {self._masks[file]} of {file} cannot be read ({error.strerror})"
                ) from error
            digest.update(f"{file}\0{len(content)}\n".encode() + content)
        return digest.hexdigest()


def _above_otsu(values: np.ndarray, least: float = 1e-6) -> np.ndarray | None:
    """Where `values` (H, W), 0 or more, are above Otsu's threshold; None where they differ by `least` at most."""
    low, high = float(values.min()), float(values.max())
    if high - low <= least:
        return None
    levels = ((values - low) / (high - low) * 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return levels > threshold

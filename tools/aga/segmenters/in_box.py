"""What GrabCut and Otsu share: the size they work at, and which masks are too small or too large."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import cv2
import numpy as np

from tools.aga.segmenters.saliency import Window, window_of
from tools.aga.types import Box, SourceImage

WORKING_SIDE = 448
"""Longest side in pixels of what they work on: a larger one takes longer and finds no more."""

SMALLEST_SHARE = 0.005
LARGEST_SHARE = 0.99
"""Shares of the box: a smaller mask is dust, and a larger one means that no edge was found."""


class InBoxSegmenter(ABC):
    """Works on the image shrunk to `WORKING_SIDE`; its masks have the image's own size."""

    in_threads = True

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
            window = window_of(box, small.shape[1] / width, small.shape[0] / height, small.shape[:2])
            mask = self.mask_in_window(np.ascontiguousarray(small), window)
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
    def mask_in_window(self, pixels: np.ndarray, window: Window) -> np.ndarray:
        """The subject in the window (top, bottom, left, right) of the image, as a mask of the whole image."""


def above_otsu(values: np.ndarray, least: float = 1e-6) -> np.ndarray | None:
    """Where `values` (H, W), 0 or more, exceed Otsu's threshold; None where their range is at most `least`."""
    low, high = float(values.min()), float(values.max())
    if high - low <= least:
        return None
    levels = ((values - low) / (high - low) * 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return levels > threshold

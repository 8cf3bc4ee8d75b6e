"""Subjects by U²-Netp: it looks for them itself, or outlines what is in a box."""

from collections.abc import Sequence

import cv2
import numpy as np

from tools.aga.segmenters.saliency import Window, is_all, whole_subject, window_of
from tools.aga.segmenters.u2netp.network import DIGEST, LARGEST_SIDE, U2Netp
from tools.aga.types import Box, SourceImage

SALIENT = 0.5
"""Saliency from which on a pixel is the subject's."""

MARGIN = 0.15
"""What is shown to the network around a box, as a share of the box's sides: an outline needs its surroundings."""

SECOND_LOOK = 1.5
"""Sides of the network's input from which on a picture is looked at twice."""

SMALLEST_SHARE = 0.0005
"""Of the image: a smaller mask is dust."""

LARGEST_HOLE = 0.01
"""Share of the subject: a larger hole shows the background."""


class U2NetpSegmenter:
    """U²-Netp, which finds what stands out by itself.

    Asked for the subject of a whole picture it needs no detector. Separate subjects that weigh about the same are cut
    out together, so that they stay as far from each other as they were. A picture much larger than the network's
    input is looked at twice, the second time where something was found, so that its outline is as fine as the picture.
    """

    identity = f"u2netp-1:{DIGEST[:16]}"
    in_threads = True

    def __init__(self, network: U2Netp | None = None) -> None:
        self._network = network or U2Netp()

    def load(self) -> None:
        """Check the weights now: damaged ones are then found before the work begins.

        Raises:
            ConfigurationError: they are missing or damaged.
        """
        self._network.check()

    def segment(self, image: SourceImage, boxes: Sequence[Box]) -> list[np.ndarray]:
        """For each box a mask, bool (H, W); all False where nothing stands out in it.

        A box that is the whole picture is searched for its subject.
        """
        return [_mask(self._look(image.pixels, window), window) for window in _windows(image, boxes)]

    def find(self, image: SourceImage) -> tuple[np.ndarray, Box | None]:
        """What the picture shows: its mask, bool (H, W), and its box, which is None where nothing stands out.

        The box's score is the mean saliency in the mask.
        """
        height, width = image.pixels.shape[:2]
        window = (0, height, 0, width)
        saliency = self._look(image.pixels, window)
        mask = _mask(saliency, window)
        if not mask.any():
            return mask, None
        left, top, wide, high = cv2.boundingRect(mask.astype(np.uint8))
        score = round(float(saliency[mask].mean()), 4)
        return mask, Box(left, top, left + wide, top + high, score)

    def _look(self, pixels: np.ndarray, window: Window) -> np.ndarray:
        """How salient each pixel is, float32 (H, W), for a subject that is in the window."""
        height, width = pixels.shape[:2]
        if not is_all(window, height, width):
            return self._of_part(pixels, window)
        saliency = self._network.saliency(pixels)
        salient = saliency > SALIENT
        if max(height, width) < SECOND_LOOK * LARGEST_SIDE or not salient.any():
            return saliency
        left, top, wide, high = cv2.boundingRect(salient.astype(np.uint8))
        return (saliency + self._of_part(pixels, (top, top + high, left, left + wide))) / 2

    def _of_part(self, pixels: np.ndarray, window: Window) -> np.ndarray:
        """Saliency of the window and a margin around it, 0 elsewhere."""
        top, bottom, left, right = window
        down, across = round((bottom - top) * MARGIN), round((right - left) * MARGIN)
        rows = slice(max(0, top - down), min(pixels.shape[0], bottom + down))
        columns = slice(max(0, left - across), min(pixels.shape[1], right + across))
        saliency = np.zeros(pixels.shape[:2], np.float32)
        saliency[rows, columns] = self._network.saliency(np.ascontiguousarray(pixels[rows, columns]))
        return saliency


def _windows(image: SourceImage, boxes: Sequence[Box]) -> list[Window]:
    return [window_of(box, 1, 1, image.pixels.shape) for box in boxes]


def _mask(saliency: np.ndarray, window: Window) -> np.ndarray:
    """The subject, bool (H, W); all False where it is dust, or not in the window."""
    mask = saliency > SALIENT
    if not mask.any():
        return mask
    subject = whole_subject(mask, saliency, LARGEST_HOLE)
    top, bottom, left, right = window
    if subject.mean() < SMALLEST_SHARE or not subject[top:bottom, left:right].any():
        return np.zeros_like(mask)
    return subject

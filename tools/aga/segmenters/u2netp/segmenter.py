"""Subjects by U²-Netp: it looks for them itself, or outlines what is in a box."""

from collections.abc import Sequence

import cv2
import numpy as np

from tools.aga.segmenters.saliency import Window, is_all, whole_subject, window_of
from tools.aga.segmenters.u2netp.network import DIGEST, U2Netp
from tools.aga.types import Box, SourceImage

SALIENT = 0.5
"""Saliency from which on a pixel is the subject's."""

MARGIN = 0.15
"""What is shown to the network around a given box, as a share of the box's sides: an outline needs its surroundings."""

ZOOM_MARGIN, CLOSE_MARGIN = 0.4, 0.2
"""The same around all that it found itself, and around the heaviest piece of that, for two closer looks."""

SMALLEST_SHARE = 0.0005
"""Of the image: a smaller mask is dust."""

LARGEST_HOLE = 0.01
"""Share of the subject: a larger hole shows the background."""


class U2NetpSegmenter:
    """U²-Netp, which finds what stands out by itself.

    Asked for the subject of a whole picture it needs no detector, and looks four times: at the picture, at its mirror
    image, closer at where it found something, and closer still at the heaviest piece of that. The mask is cut from the
    first three, and all four tell how far it can be trusted: a network that is unsure of what stands out takes another
    thing, or another part of it, each time.
    Separate subjects that weigh about the same are cut out together, so that they stay as far from each other as they
    were.
    """

    identity = f"u2netp-3:{DIGEST[:16]}"
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
        return [_mask(self._of_window(image.pixels, window), window) for window in _windows(image, boxes)]

    def find(self, image: SourceImage) -> tuple[np.ndarray, Box | None]:
        """What the picture shows: its mask, bool (H, W), and its box, which is None where nothing stands out.

        The box's score says how far the looks agree, 0..1: the saliency that they have in common, as a share of all
        that any of them has.
        """
        height, width = image.pixels.shape[:2]
        looks = self._looks(image.pixels)
        mask = _mask(_together(looks), (0, height, 0, width))
        if not mask.any():
            return mask, None
        left, top, wide, high = cv2.boundingRect(mask.astype(np.uint8))
        return mask, Box(left, top, left + wide, top + high, agreement(looks))

    def _looks(self, pixels: np.ndarray) -> list[np.ndarray]:
        """How salient each pixel is, float32 (H, W), in each look at the whole picture."""
        mirrored = self._network.saliency(np.ascontiguousarray(pixels[:, ::-1]))[:, ::-1]
        looks = [self._network.saliency(pixels), mirrored]
        salient = np.mean(looks, axis=0) > SALIENT
        if salient.any():
            left, top, wide, high = cv2.boundingRect(salient.astype(np.uint8))
            looks.append(self._of_part(pixels, (top, top + high, left, left + wide), ZOOM_MARGIN))
            if (heaviest := _heaviest(looks[-1])) is not None:
                looks.append(self._of_part(pixels, heaviest, CLOSE_MARGIN))
        return looks

    def _of_window(self, pixels: np.ndarray, window: Window) -> np.ndarray:
        """How salient each pixel is, float32 (H, W), for a subject that is in the window."""
        if is_all(window, *pixels.shape[:2]):
            return _together(self._looks(pixels))
        return self._of_part(pixels, window, MARGIN)

    def _of_part(self, pixels: np.ndarray, window: Window, margin: float) -> np.ndarray:
        """Saliency of the window and a margin around it (a share of its sides), 0 elsewhere."""
        top, bottom, left, right = window
        down, across = round((bottom - top) * margin), round((right - left) * margin)
        rows = slice(max(0, top - down), min(pixels.shape[0], bottom + down))
        columns = slice(max(0, left - across), min(pixels.shape[1], right + across))
        saliency = np.zeros(pixels.shape[:2], np.float32)
        saliency[rows, columns] = self._network.saliency(np.ascontiguousarray(pixels[rows, columns]))
        return saliency


def _together(looks: Sequence[np.ndarray]) -> np.ndarray:
    """What the looks say together: those at the whole picture for one half, the closer one for the other."""
    whole = (looks[0] + looks[1]) / 2
    return (whole + looks[2]) / 2 if len(looks) > 2 else whole


def _heaviest(saliency: np.ndarray) -> Window | None:
    """The window of the heaviest piece of what is salient; None where nothing is."""
    count, labels = cv2.connectedComponents((saliency > SALIENT).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    weight = np.bincount(labels.ravel(), weights=saliency.ravel(), minlength=count)
    weight[0] = 0
    left, top, wide, high = cv2.boundingRect((labels == weight.argmax()).astype(np.uint8))
    return top, top + high, left, left + wide


def agreement(looks: Sequence[np.ndarray]) -> float:
    """How far looks at a picture agree, 0..1: the sum of the least saliency of each pixel over that of the largest.

    Args:
        looks: float32 (H, W) each, 0..1.
    """
    least, most = np.min(looks, axis=0).sum(), np.max(looks, axis=0).sum()
    return round(float(least / most), 4) if most > 0 else 0.0


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

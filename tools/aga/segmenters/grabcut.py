"""GrabCut by OpenCV, started from what stands out in the box."""

import cv2
import numpy as np

from tools.aga.segmenters.in_box import InBoxSegmenter, above_otsu
from tools.aga.segmenters.saliency import Window, saliency, whole_subject

FEWEST_PIXELS = 8
"""Of the subject and of the surroundings: with fewer, GrabCut's mixtures of five Gaussians mean nothing."""

BAND = 0.06
"""How far the subject may reach out of the box, as a share of the box's sides."""


class GrabCutSegmenter(InBoxSegmenter):
    """GrabCut (Rother et al. 2004), started from what stands out in the box.

    Started from the box alone, as in the paper, it takes whatever differs from the outside of the box: on photographs
    of small animals, leaves and petals as often as the animal. So it starts from what differs in colour from everything
    around the box, is sharp, and is near the middle of the box; and it may extend a little beyond the box.
    """

    def __init__(self, iterations: int = 5):
        self._iterations = iterations
        self.identity = f"grabcut-1:{iterations}"

    def mask_in_window(self, pixels: np.ndarray, window: Window) -> np.ndarray:
        """See `InBoxSegmenter`."""
        top, bottom, left, right = window
        nothing = np.zeros(pixels.shape[:2], dtype=np.bool_)
        standing_out = saliency(pixels, window)
        seeds = above_otsu(standing_out[top:bottom, left:right])
        if seeds is None:
            return nothing
        labels = np.full(pixels.shape[:2], cv2.GC_BGD, dtype=np.uint8)
        down, across = round((bottom - top) * BAND), round((right - left) * BAND)
        band = slice(max(0, top - down), bottom + down), slice(max(0, left - across), right + across)
        labels[band] = cv2.GC_PR_BGD
        labels[top:bottom, left:right] = np.where(seeds, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
        if min(seeds.sum(), labels.size - seeds.sum()) < FEWEST_PIXELS:
            return nothing
        cv2.setRNGSeed(0)  # it initialises by k-means, which is random
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

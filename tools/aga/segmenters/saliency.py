"""What stands out in a box, and how a ragged mask becomes a whole subject; for the segmenters without weights.

A window is (top, bottom, left, right) in whole pixels, bottom and right exclusive.
"""

import cv2
import numpy as np

from tools.aga.types import Box

Window = tuple[int, int, int, int]

REACH = 0.25
"""How far the surroundings extend, as a share of the box's sides. Further away may be another such subject."""
COLOURS = 6
"""Groups of colours in the surroundings; those with less than `RARE` of their pixels do not count."""
RARE = 0.03
SAMPLE = 4000
"""Pixels of the surroundings from which the groups are found."""

MIDDLE = 0.3
"""Standard deviation, in sides of the box, of the subject's distance from the middle of the box."""

GAP = 5
"""Pieces closer than this, in pixels, belong together: a leg and its body, for example."""
LESSER_PIECE = 0.3
"""Smallest weight of a piece that is kept, as a share of the heaviest."""
LARGEST_HOLE = 0.05
"""Share of the subject: a larger hole is a gap that shows the background, between a leg and the body, for example."""


def window_of(box: Box, across: float, down: float, size: tuple[int, ...]) -> Window:
    """The window of `box`, at least one pixel each way, scaled by `across` and `down`, in an image of `size` (H, W)."""
    height, width = size[:2]
    left = min(max(0, round(box.left * across)), width - 1)
    top = min(max(0, round(box.top * down)), height - 1)
    right = min(max(left + 1, round(box.right * across)), width)
    bottom = min(max(top + 1, round(box.bottom * down)), height)
    return top, bottom, left, right


def saliency(pixels: np.ndarray, window: Window) -> np.ndarray:
    """How much each pixel stands out by colour, sharpness and place, float32 (H, W), 0 or more.

    In a photograph of something small the subject is what is in focus.
    """
    height, width = pixels.shape[:2]
    light = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = np.abs(light - cv2.GaussianBlur(light, (0, 0), 2))
    detail = cv2.GaussianBlur(detail, (0, 0), max(1.0, max(height, width) / 60))
    colour = _stretched(distance_from_surroundings(pixels, window), window)
    return ((colour + _stretched(detail, window)) * nearness_to_middle(window, height, width)).astype(
        np.float32
    )


def nearness_to_middle(window: Window, height: int, width: int) -> np.ndarray:
    """1 in the middle of the window, falling like a Gaussian, over the image: float (H, W)."""
    top, bottom, left, right = window
    rows = (np.arange(height) - (top + bottom) / 2) / (MIDDLE * (bottom - top))
    columns = (np.arange(width) - (left + right) / 2) / (MIDDLE * (right - left))
    return np.exp(-(rows[:, None] ** 2 + columns[None, :] ** 2) / 2)


def distance_from_surroundings(pixels: np.ndarray, window: Window) -> np.ndarray:
    """How far each pixel's colour is from the nearest of the colours around the window, float32 (H, W).

    In CIELAB, where 2 is about the smallest difference an eye can see; slightly blurred, against noise.
    """
    height, width = pixels.shape[:2]
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    lab = cv2.GaussianBlur(lab, (0, 0), max(0.5, max(height, width) / 120))
    around = lab[_around(window, height, width)]
    if len(around) > SAMPLE:
        around = around[np.linspace(0, len(around) - 1, SAMPLE).astype(int)]
    cv2.setRNGSeed(0)  # k-means starts at random
    groups = min(COLOURS, len(around))
    _, labels, centres = cv2.kmeans(
        around,
        groups,
        None,  # pyright: ignore[reportArgumentType, reportCallIssue]
        (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5),
        1,
        cv2.KMEANS_PP_CENTERS,
    )
    share = np.bincount(labels.ravel(), minlength=groups) / len(around)
    # Where only the edge of the image is left, the subject may touch it: only its commonest colour is the background.
    common = share.max() if is_all(window, height, width) else min(RARE, share.max())
    nearest = np.full((height, width), np.inf, dtype=np.float32)
    for centre in centres[share >= common]:
        nearest = np.minimum(nearest, np.linalg.norm(lab - centre, axis=2))
    return nearest


def is_all(window: Window, height: int, width: int) -> bool:
    """Whether the window is the whole image (H, W)."""
    return window == (0, height, 0, width)


def whole_subject(mask: np.ndarray, weights: np.ndarray, largest_hole: float = LARGEST_HOLE) -> np.ndarray:
    """The heaviest piece of `mask`, those close to it, and others nearly as heavy; small holes are filled.

    Args:
        mask: bool (H, W).
        weights: saliency of each pixel (H, W), so that a small sharp animal outweighs a large blurred leaf.
        largest_hole: size of the largest hole that is filled, as a share of the subject.
    """
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((GAP, GAP), dtype=np.uint8))
    count, labels = cv2.connectedComponents(closed, connectivity=8)
    labels = np.where(mask, labels, 0)
    weight = np.bincount(labels.ravel(), weights=weights.ravel(), minlength=count)
    weight[0] = 0
    if weight.max() <= 0:
        return np.zeros_like(mask)
    kept = weight >= LESSER_PIECE * weight.max()
    kept[0] = False
    return _filled(kept[labels], largest_hole)


def _filled(mask: np.ndarray, largest_hole: float) -> np.ndarray:
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    hole = stats[:count, cv2.CC_STAT_AREA] <= largest_hole * mask.sum()
    hole[0] = False  # the mask itself
    hole[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = False
    return mask | hole[labels]


def _around(window: Window, height: int, width: int) -> np.ndarray:
    """The surroundings, bool (H, W): what is around the window, or the edge of the image where nothing is."""
    top, bottom, left, right = window
    down, across = round((bottom - top) * REACH), round((right - left) * REACH)
    outside = np.zeros((height, width), dtype=np.bool_)
    outside[max(0, top - down) : bottom + down, max(0, left - across) : right + across] = True
    outside[top:bottom, left:right] = False
    if outside.mean() < 0.02:
        margin = max(1, round(0.02 * max(height, width)))
        outside[:margin] = outside[-margin:] = True
        outside[:, :margin] = outside[:, -margin:] = True
    return outside


def _stretched(values: np.ndarray, window: Window) -> np.ndarray:
    """Scaled from 0 at the window's 5th percentile to 1 at its 97th, so that a single glint does not set the scale."""
    top, bottom, left, right = window
    low, high = np.percentile(values[top:bottom, left:right], (5, 97))
    if high - low < 1e-6:
        return np.zeros_like(values)
    return np.clip((values - low) / (high - low), 0, 1)

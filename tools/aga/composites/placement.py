"""Where a subject goes on its new background, at which angle and size. Light: imports NumPy.

Coordinates are continuous: pixel (row i, column j) covers [j, j + 1] x [i, i + 1], x to the right, y downwards.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

_RIGHT_ANGLES: dict[float, tuple[float, float]] = {
    0: (1.0, 0.0),
    90: (0.0, 1.0),
    180: (-1.0, 0.0),
    270: (0.0, -1.0),
}
"""Cosine and sine without rounding, so that right angles map the grid of pixels onto itself."""


@dataclass(frozen=True)
class Placement:
    """What is done to a subject, in this order, about the centre of its mask's bounding box; nothing by default."""

    flip: bool = False
    """Mirrored left to right."""
    rotation: float = 0.0
    """Degrees, counter-clockwise."""
    scale: float = 1.0
    """Above 0."""
    dx: float = 0.0
    """Pixels to the right. Rounded to whole pixels where nothing is interpolated."""
    dy: float = 0.0
    """Pixels downwards, likewise."""

    @property
    def keeps_pixels(self) -> bool:
        """Whether pixels only change places: scale 1 and a right angle or none."""
        return self.scale == 1 and self.rotation % 90 == 0

    @property
    def linear(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The linear part, by rows, for column vectors (x, y)."""
        turn = self.rotation % 360
        right = _RIGHT_ANGLES.get(turn)
        if right is None:
            radians = math.radians(turn)
            right = math.cos(radians), math.sin(radians)
        cosine, sine = self.scale * right[0], self.scale * right[1]
        return (-cosine, sine) if self.flip else (cosine, sine), (sine, cosine) if self.flip else (
            -sine,
            cosine,
        )

    @property
    def matrix(self) -> np.ndarray:
        """The same, float64 (2, 2)."""
        return np.array(self.linear)


def draw_placement(
    rng: np.random.Generator,
    mask: np.ndarray,
    flip_probability: float,
    max_rotation: float,
    min_scale: float,
    max_scale: float,
    place: Literal["keep", "random"],
) -> Placement:
    """A random placement that keeps the whole subject within the frame wherever it fits.

    A subject that its rotation or zoom would push beyond the frame is zoomed less, though not below `min_scale`, and
    moved back. Where even that is too large, it is centred in the direction in which it does not fit.

    Args:
        rng: each call draws five numbers from it, used or not.
        mask: bool (H, W); the frame is H by W.
        flip_probability: of mirroring, 0..1.
        max_rotation: largest turn in degrees either way, 0..180; turns are uniform.
        min_scale: smallest zoom, above 0; zooms are uniform.
        max_scale: largest zoom, at least `min_scale`.
        place: 'keep' leaves the centre where it was, as far as the frame allows; 'random' takes any place that holds
            the whole subject.
    """
    flip = bool(rng.random() < flip_probability)
    rotation = float(rng.uniform(-max_rotation, max_rotation)) + 0.0  # -0.0 is 0
    scale = float(rng.uniform(min_scale, max_scale))
    spot = rng.random(2)
    outline = _outline(mask)
    if not len(outline):
        return Placement(flip, rotation, scale)
    centre = (outline.min(axis=0) + outline.max(axis=0)) / 2
    turned = (outline - centre) @ Placement(flip, rotation).matrix.T
    low, extent = turned.min(axis=0), np.ptp(turned, axis=0)
    frame = np.array(mask.shape[::-1])
    scale = max(min(scale, float((frame / extent).min())), min_scale)
    placement = Placement(flip, rotation, scale)
    corner = centre + scale * low
    room = frame - scale * extent
    if place == "keep":
        target = np.clip(corner, 0, np.maximum(room, 0))
    else:
        target = np.floor(spot * (room + 1)) if placement.keeps_pixels else spot * room
    target = np.where(room < 0, room / 2, target)
    if placement.keeps_pixels:
        target = np.floor(target + 0.5)
    dx, dy = (target - corner).tolist()
    return Placement(flip, rotation, scale, dx, dy)


def _outline(mask: np.ndarray) -> np.ndarray:
    """The corners of each row's first and last pixel of the subject, float64 (N, 2) as (x, y): they have its hull."""
    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    x = np.concatenate([left, left, right, right])
    y = np.concatenate([rows, rows + 1, rows, rows + 1])
    return np.stack([x, y], axis=1).astype(np.float64)

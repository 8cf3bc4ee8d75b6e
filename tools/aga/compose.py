"""Paste a subject onto a background: cut by its mask, flip, turn, scale, place. Light: imports NumPy and OpenCV.

The soft edge lies inside the mask. From the outline inwards the subject's opacity rises from 0 to 1 over `edge`
pixels of the result; outside the mask it is 0, deeper inside it is 1. So no pixel that the mask calls background is
ever shown, and the pixels that masks most often get wrong, the outermost, are shown the least. Colours are
interpolated after they were multiplied by their opacity (Porter and Duff 1984), so that neither turning nor scaling
draws the old background in as a halo. Where the subject is neither scaled nor turned by other than right angles,
nothing is interpolated: at full opacity its pixels are the source's, to the bit.

Coordinates are continuous: pixel (row i, column j) covers [j, j + 1] x [i, i + 1], x to the right, y downwards.
"""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
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
    """Pixels to the right. Rounded to a whole pixel's place where nothing is interpolated."""
    dy: float = 0.0
    """Pixels downwards, likewise."""

    @property
    def is_identity(self) -> bool:
        """Whether the subject stays as and where it was."""
        return self == Placement()

    @property
    def keeps_pixels(self) -> bool:
        """Whether pixels only change places: scale 1 and a right angle or none."""
        return self.scale == 1 and self.rotation % 90 == 0

    @property
    def matrix(self) -> np.ndarray:
        """The linear part, float64 (2, 2), for column vectors (x, y)."""
        turn = self.rotation % 360
        radians = math.radians(turn)
        cosine, sine = _RIGHT_ANGLES.get(turn, (math.cos(radians), math.sin(radians)))
        mirror = -1.0 if self.flip else 1.0
        return self.scale * np.array([[mirror * cosine, sine], [-mirror * sine, cosine]])


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

    A subject that its turn or zoom would push over the frame is zoomed less, though not below `min_scale`, and
    moved back. Where even that is too large, it is put in the middle of the direction in which it does not fit.

    Args:
        rng: each call draws five numbers from it, whatever they are used for.
        mask: bool (H, W); the frame is H by W.
        flip_probability: of mirroring, 0..1.
        max_rotation: largest turn in degrees either way, 0..180; turns are uniform.
        min_scale: smallest zoom, above 0; zooms are uniform.
        max_scale: largest zoom, at least `min_scale`.
        place: 'keep' leaves the centre where it was, as far as the frame allows; 'random' takes any place that holds
            the subject whole.
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


def composite(
    subject: np.ndarray, mask: np.ndarray, background: np.ndarray, placement: Placement, edge: float
) -> tuple[np.ndarray, np.ndarray]:
    """The subject on the background, and where it lies now.

    An empty mask, or a placement beyond the frame, gives the background alone and an empty mask.

    Args:
        subject: uint8 (H, W, 3), the picture that shows it.
        mask: bool (H, W), True on the subject.
        background: uint8 of any height and width (h, w, 3), fitted by `fit_background`.
        placement: what is done to the subject. What lies beyond the frame is cut off.
        edge: width of the soft edge in pixels of the result, 0 or more. A side along which the frame cuts the subject
            off has none as long as it stays on the frame.

    Returns:
        The picture, uint8 (H, W, 3), and the placed mask, bool (H, W). Both are new arrays.
    """
    height, width = mask.shape
    picture = fit_background(background, height, width)
    placed = np.zeros((height, width), dtype=bool)
    levels = np.ascontiguousarray(mask).view(np.uint8)
    left, top, wide, high = cv2.boundingRect(levels)
    if wide == 0:
        return picture, placed
    corners = np.array([[left, top], [left + wide, top + high]], dtype=np.float64)
    centre = corners.mean(axis=0)
    matrix = placement.matrix
    offset = centre + np.array([placement.dx, placement.dy])
    cut = levels[top : top + high, left : left + wide]
    on_frame = _sides_on_frame(corners, matrix, offset, (width, height))
    layer = _layer(subject[top : top + high, left : left + wide], cut, edge / placement.scale, on_frame)
    shape = 255 * cut
    # the box of the placed subject: half its extent either way
    reach = np.abs(matrix) @ (corners[1] - corners[0]) / 2
    if placement.keeps_pixels:
        layer, shape = _turned(layer, placement), _turned(shape, placement)
        start = np.floor(offset - reach + 0.5).astype(int)
    else:
        start = np.maximum(np.floor(offset - reach - placement.scale).astype(int), 0)
        stop = np.minimum(np.ceil(offset + reach + placement.scale).astype(int), (width, height))
        if (stop <= start).any():
            return picture, placed
        if any(on_frame):  # or interpolation would fade it out along the frame
            layer, shape = _continued(layer, on_frame), _continued(shape, on_frame)
        corner = corners[0] - centre - (on_frame[2], on_frame[0])
        layer, shape = _resampled(layer, shape, matrix, corner, offset - start, stop - start)
    seen, within = _overlap(start, layer.shape, (height, width))
    _lay(picture[within], layer[seen])
    placed[within] = shape[seen] >= 128
    return picture, placed


def fit_background(background: np.ndarray, height: int, width: int) -> np.ndarray:
    """The largest centred part of `background` that has the asked-for proportions, resized to (height, width, 3).

    Shrinks by area, enlarges linearly. Always a new array.
    """
    tall, wide = background.shape[:2]
    if (tall, wide) == (height, width):
        return background.copy()
    ratio = min(tall / height, wide / width)
    part_tall, part_wide = max(1, round(ratio * height)), max(1, round(ratio * width))
    top, left = (tall - part_tall) // 2, (wide - part_wide) // 2
    part = np.ascontiguousarray(background[top : top + part_tall, left : left + part_wide])
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if ratio > 1 else cv2.INTER_LINEAR)


def _outline(mask: np.ndarray) -> np.ndarray:
    """The corners of each row's first and last pixel of the subject, float64 (N, 2) as (x, y): their hull is its."""
    rows = np.flatnonzero(mask.any(axis=1))
    left = mask[rows].argmax(axis=1)
    right = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    x = np.concatenate([left, left, right, right])
    y = np.concatenate([rows, rows + 1, rows, rows + 1])
    return np.stack([x, y], axis=1).astype(np.float64)


def _sides_on_frame(
    corners: np.ndarray, matrix: np.ndarray, offset: np.ndarray, frame: tuple[int, int]
) -> list[bool]:
    """For top, bottom, left, right of the mask's box (2, 2): does it lie on the frame (width, height), and stay there?

    Such a side is no outline of the subject: it goes on outside the picture.
    """
    half = (corners[1] - corners[0]) / 2
    sides = []
    for axis, end in ((1, 0), (1, 1), (0, 0), (0, 1)):
        outward = matrix[:, axis] * (2 * end - 1)
        to = int(np.abs(outward).argmax())
        touches = corners[end, axis] == (0, frame[axis])[end]
        if not touches or outward[1 - to] != 0:
            sides.append(False)
            continue
        position = offset[to] + outward[to] * half[axis]
        sides.append(bool(position <= 0.5 if outward[to] < 0 else position >= frame[to] - 0.5))
    return sides


def _layer(pixels: np.ndarray, cut: np.ndarray, edge: float, on_frame: list[bool]) -> np.ndarray:
    """The subject as RGBA uint8 (h, w, 4), colours multiplied by opacity.

    Args:
        pixels: uint8 (h, w, 3).
        cut: uint8 (h, w), 1 on the subject and 0 elsewhere.
        edge: width of the soft edge in pixels of the source.
        on_frame: for top, bottom, left, right: the subject goes on beyond this side.
    """
    if edge == 0:
        opacity = 255 * cut
    else:
        top, bottom, left, right = (0 if free else 1 for free in on_frame)
        padded = cv2.copyMakeBorder(cut, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(0,))
        # to the centre of the nearest pixel outside, within 2%; the outline lies half a pixel before it
        distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5)
        # where nothing is outside, the distance is as large as a float can be
        depth = np.minimum(distance[top : top + cut.shape[0], left : left + cut.shape[1]] - 0.5, edge)
        opacity = np.maximum(depth * (255 / edge) + 0.5, 0).astype(np.uint8)
    layer = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    cv2.insertChannel(opacity, layer, 3)
    return cv2.cvtColor(layer, cv2.COLOR_RGBA2mRGBA)


def _continued(image: np.ndarray, sides: list[bool]) -> np.ndarray:
    top, bottom, left, right = (int(side) for side in sides)
    return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE)


def _turned(image: np.ndarray, placement: Placement) -> np.ndarray:
    mirrored = image[:, ::-1] if placement.flip else image
    return np.ascontiguousarray(np.rot90(mirrored, round(placement.rotation / 90)))


def _resampled(
    layer: np.ndarray,
    shape: np.ndarray,
    matrix: np.ndarray,
    corner: np.ndarray,
    offset: np.ndarray,
    size: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Layer and mask through the affine map x -> matrix (x + corner) + offset, as images of `size` (width, height)."""
    scale = math.sqrt(abs(np.linalg.det(matrix)))
    shrink = int(1 / scale)
    if shrink > 1:  # linear interpolation would skip pixels
        layer, shape = _shrunk(layer, shrink), _shrunk(shape, shrink)
        matrix = matrix * shrink
        corner = corner / shrink
    # from the centre of one pixel to the centre of another
    shift = matrix @ (corner + 0.5) + offset - 0.5
    affine = np.column_stack([matrix, shift])
    width, height = size.tolist()
    return (
        cv2.warpAffine(layer, affine, (width, height), flags=cv2.INTER_LINEAR),
        cv2.warpAffine(shape, affine, (width, height), flags=cv2.INTER_LINEAR),
    )


def _shrunk(image: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of `factor` pixels; what is missing of the last ones is transparent."""
    height, width = (-(-side // factor) for side in image.shape[:2])
    missing = (height * factor - image.shape[0], width * factor - image.shape[1])
    padded = cv2.copyMakeBorder(image, 0, missing[0], 0, missing[1], cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    return cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA)


def _overlap(
    start: np.ndarray, shape: tuple[int, ...], frame: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Of an image whose corner lies at `start` (x, y), the part within the frame (H, W): in its own rows and columns,
    and in the frame's."""
    limit = frame[::-1]
    x, y = np.clip(start, 0, limit).tolist()
    right, bottom = np.clip(start + np.array(shape[1::-1]), 0, limit).tolist()
    from_x, from_y = start.tolist()
    within = slice(y, bottom), slice(x, right)
    return (slice(y - from_y, bottom - from_y), slice(x - from_x, right - from_x)), within


def _lay(region: np.ndarray, layer: np.ndarray) -> None:
    """Lays RGBA multiplied by opacity, uint8 (h, w, 4), over the picture's region, uint8 (h, w, 3), in place."""
    if region.size == 0:
        return
    shown = cv2.cvtColor(255 - layer[..., 3], cv2.COLOR_GRAY2RGB)
    behind = cv2.multiply(region, shown, scale=1 / 255)
    region[...] = cv2.add(cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), behind)

"""Paste a subject onto a background: cut by its mask, flip, turn, scale, place. Light: imports NumPy and OpenCV.

The soft edge lies inside the mask. From the outline inwards the subject's opacity rises from 0 to 1 over `edge`
pixels of the result; outside the mask it is 0, deeper inside it is 1. So no pixel that the mask calls background is
ever shown, and the pixels that masks most often get wrong, the outermost, are shown the least. Colours are
interpolated after they are multiplied by their opacity (Porter and Duff 1984), so that neither turning nor scaling
draws the old background in as a halo. Where the subject is neither scaled nor turned by other than right angles,
nothing is interpolated: at full opacity its pixels are the source's, to the bit.
"""

import math

import cv2
import numpy as np

from tools.aga.composites.placement import Placement

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_SQUARE = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))


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
    levels = mask.astype(np.uint8)  # a mask read by Pillow may hold 255 for True
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
    # Half the extent of the placed subject's box.
    reach = np.abs(matrix) @ (corners[1] - corners[0]) / 2
    if placement.keeps_pixels:
        layer, shape = _turned(layer, placement), _turned(shape, placement)
        start = np.floor(offset - reach + 0.5).astype(int)
    else:
        start = np.maximum(np.floor(offset - reach - placement.scale).astype(int), 0)
        stop = np.minimum(np.ceil(offset + reach + placement.scale).astype(int), (width, height))
        if (stop <= start).any():
            return picture, placed
        if any(on_frame):  # otherwise interpolation would fade it out along the frame
            layer, shape = _continued(layer, on_frame), _continued(shape, on_frame)
        corner = corners[0] - centre - (on_frame[2], on_frame[0])
        layer, shape = _resampled(layer, shape, matrix, corner, offset - start, stop - start)
    seen, within = _overlap(start, layer.shape, (height, width))
    _paint_over(picture[within], layer[seen])
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


def _sides_on_frame(
    corners: np.ndarray, matrix: np.ndarray, offset: np.ndarray, frame: tuple[int, int]
) -> list[bool]:
    """For top, bottom, left, right of the mask's box (2, 2): does it lie on the frame (width, height), and stay there?

    Such a side is not an outline of the subject, which continues outside the picture.
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
        on_frame: for top, bottom, left, right: whether the subject continues beyond this side.
    """
    layer = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    cv2.insertChannel(_opacity(cut, edge, on_frame), layer, 3)
    return cv2.cvtColor(layer, cv2.COLOR_RGBA2mRGBA)


def _opacity(cut: np.ndarray, edge: float, on_frame: list[bool]) -> np.ndarray:
    """uint8 (h, w), by the distance to the nearest pixel outside: the outline lies half a pixel before its centre."""
    if edge == 0:
        return 255 * cut
    top, bottom, left, right = (0 if free else 1 for free in on_frame)
    padded = cv2.copyMakeBorder(cut, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(0,))
    inner = (slice(top, top + cut.shape[0]), slice(left, left + cut.shape[1]))
    if edge <= 1.5:  # only two distances below 2 are possible: 1 and, across a corner, the root of 2
        rings = padded + cv2.erode(padded, _CROSS) + cv2.erode(padded, _SQUARE)
        ramp = np.zeros(256, dtype=np.uint8)
        for ring, distance in enumerate((1, math.sqrt(2), 2), start=1):
            ramp[ring] = round(255 * min((distance - 0.5) / edge, 1))
        return cv2.LUT(rings[inner], ramp)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5)[inner]  # within 2%
    # Where nothing is outside, the distance is the largest float.
    depth = np.minimum(distance - 0.5, edge)
    return np.maximum(depth * (255 / edge) + 0.5, 0).astype(np.uint8)


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
    shrink = int(1 / math.hypot(*matrix[0]) + 1e-6)
    if shrink > 1:  # linear interpolation would skip pixels
        layer, shape = _shrunk(layer, shrink), _shrunk(shape, shrink)
        matrix = matrix * shrink
        corner = corner / shrink
    # From the centre of one pixel to the centre of another.
    shift = matrix @ (corner + 0.5) + offset - 0.5
    affine = np.column_stack([matrix, shift])
    width, height = size.tolist()
    return (
        cv2.warpAffine(layer, affine, (width, height), flags=cv2.INTER_LINEAR),
        cv2.warpAffine(shape, affine, (width, height), flags=cv2.INTER_NEAREST),
    )


def _shrunk(image: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of `factor` pixels; the missing part of the last ones is transparent."""
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


def _paint_over(region: np.ndarray, layer: np.ndarray) -> None:
    """Paint RGBA multiplied by opacity, uint8 (h, w, 4), over the picture's region, uint8 (h, w, 3), in place."""
    if region.size == 0:
        return
    shown = cv2.cvtColor(255 - layer[..., 3], cv2.COLOR_GRAY2RGB)
    behind = cv2.multiply(region, shown, scale=1 / 255)
    region[...] = cv2.add(cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB), behind)

"""Paste a subject onto a background: cut by its mask, flip, turn, scale, place. Light: imports NumPy and OpenCV.

The soft edge lies inside the mask. From the outline inwards the subject's opacity rises from 0 to 1 over `edge`
pixels of the result; outside the mask it is 0, deeper inside it is 1. So no pixel that the mask calls background is
ever shown, and the pixels that masks most often get wrong, the outermost, are shown the least. Colours are
interpolated after they are multiplied by their opacity (Porter and Duff 1984), so that neither turning nor scaling
draws the old background in as a halo. Where the subject is neither scaled nor turned by other than right angles,
nothing is interpolated: at full opacity its pixels are the source's, to the bit.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from tools.aga.composites.placement import Placement
from tools.aga.composites.scratch import Scratch

_scratch = Scratch()


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
    placed = np.zeros(mask.shape, dtype=bool)
    return _pasted(subject, mask, background, placement, edge, placed), placed


def paste(
    subject: np.ndarray,
    mask: np.ndarray,
    background: np.ndarray,
    placement: Placement,
    edge: float,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """The picture of `composite` alone, which is faster: the mask is not moved.

    Args:
        subject, mask, background, placement, edge: as for `composite`.
        out: uint8 (H, W, 3), C-contiguous, that the picture is written to, for memory that is used again.
    """
    return _pasted(subject, mask, background, placement, edge, None, out)


def _pasted(
    subject: np.ndarray,
    mask: np.ndarray,
    background: np.ndarray,
    placement: Placement,
    edge: float,
    placed: np.ndarray | None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """The picture; the placed mask is written to `placed`, bool (H, W), unless that is None."""
    height, width = mask.shape
    picture = fit_background(background, height, width, out)
    # A mask read by Pillow may hold 255 for True.
    levels = mask.view(np.uint8) if mask.flags.c_contiguous else mask.astype(np.uint8)
    left, top, wide, high = cv2.boundingRect(levels)
    if wide == 0:
        return picture
    cut = (levels[top : top + high, left : left + wide] != 0).view(np.uint8)
    linear = placement.linear
    centre = left + wide / 2, top + high / 2
    offset = centre[0] + placement.dx, centre[1] + placement.dy
    on_frame = _sides_on_frame((left, top, wide, high), linear, offset, (width, height))
    layer = _layer(subject[top : top + high, left : left + wide], cut, edge / placement.scale, on_frame)
    shape = None if placed is None else 255 * cut
    # Half the extent of the placed subject's box.
    reach_x = (abs(linear[0][0]) * wide + abs(linear[0][1]) * high) / 2
    reach_y = (abs(linear[1][0]) * wide + abs(linear[1][1]) * high) / 2
    if placement.keeps_pixels:
        layer = _turned(layer, placement)
        shape = None if shape is None else _turned(shape, placement)
        start = math.floor(offset[0] - reach_x + 0.5), math.floor(offset[1] - reach_y + 0.5)
    else:
        grown = placement.scale
        start = (
            max(math.floor(offset[0] - reach_x - grown), 0),
            max(math.floor(offset[1] - reach_y - grown), 0),
        )
        stop = (
            min(math.ceil(offset[0] + reach_x + grown), width),
            min(math.ceil(offset[1] + reach_y + grown), height),
        )
        size = stop[0] - start[0], stop[1] - start[1]
        if size[0] <= 0 or size[1] <= 0:
            return picture
        if any(on_frame):  # otherwise interpolation would fade it out along the frame
            layer = _continued(layer, on_frame)
            shape = None if shape is None else _continued(shape, on_frame)
        # From the box's corner to the centre about which it turns, and from there to where it goes.
        corner = left - centre[0] - on_frame[2], top - centre[1] - on_frame[0]
        target = offset[0] - start[0], offset[1] - start[1]
        room = _scratch("placed", size[1], size[0], 4)
        layer = _resampled(layer, linear, corner, target, size, cv2.INTER_LINEAR, room)
        if shape is not None:
            shape = _resampled(shape, linear, corner, target, size, cv2.INTER_NEAREST)
    overlap = _overlap(start, layer.shape, (height, width))
    if overlap is None:
        return picture
    seen, within = overlap
    _paint_over(picture[within], layer[seen])
    if placed is not None and shape is not None:
        placed[within] = shape[seen] >= 128
    return picture


def fit_background(
    background: np.ndarray, height: int, width: int, out: np.ndarray | None = None
) -> np.ndarray:
    """The largest centred part of `background` that has the asked-for proportions, resized to (height, width, 3).

    Shrinks by area, enlarges linearly. Always a new array, or `out`.
    """
    tall, wide = background.shape[:2]
    if out is None:
        out = np.empty((height, width, 3), np.uint8)
    if (tall, wide) == (height, width):
        np.copyto(out, background)
        return out
    ratio = min(tall / height, wide / width)
    part_tall, part_wide = max(1, round(ratio * height)), max(1, round(ratio * width))
    top, left = (tall - part_tall) // 2, (wide - part_wide) // 2
    part = np.ascontiguousarray(background[top : top + part_tall, left : left + part_wide])
    way = cv2.INTER_AREA if ratio > 1 else cv2.INTER_LINEAR
    return cv2.resize(part, (width, height), dst=out, interpolation=way)


def _sides_on_frame(
    box: tuple[int, int, int, int],
    linear: tuple[tuple[float, float], tuple[float, float]],
    offset: tuple[float, float],
    frame: tuple[int, int],
) -> tuple[bool, bool, bool, bool]:
    """For top, bottom, left, right of the mask's box (left, top, width, height): is it on the frame, and stays there?

    Such a side is not an outline of the subject, which continues outside the picture of size `frame` (width, height).
    """
    left, top, wide, high = box
    touches = top == 0, top + high == frame[1], left == 0, left + wide == frame[0]
    if not any(touches):
        return False, False, False, False
    sides = []
    for touching, axis, sign, half in zip(
        touches, (1, 1, 0, 0), (-1, 1, -1, 1), (high, high, wide, wide), strict=True
    ):
        outward = linear[0][axis] * sign, linear[1][axis] * sign
        to = int(abs(outward[1]) > abs(outward[0]))
        if not touching or outward[1 - to] != 0:
            sides.append(False)
            continue
        position = offset[to] + outward[to] * half / 2
        sides.append(position <= 0.5 if outward[to] < 0 else position >= frame[to] - 0.5)
    return sides[0], sides[1], sides[2], sides[3]


def _layer(pixels: np.ndarray, cut: np.ndarray, edge: float, on_frame: Sequence[bool]) -> np.ndarray:
    """The subject as RGBA uint8 (h, w, 4), colours multiplied by opacity.

    Args:
        pixels: uint8 (h, w, 3).
        cut: uint8 (h, w), 1 on the subject and 0 elsewhere.
        edge: width of the soft edge in pixels of the source.
        on_frame: for top, bottom, left, right: whether the subject continues beyond this side.
    """
    height, width = cut.shape
    layer = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA, dst=_scratch("plain", height, width, 4))
    cv2.insertChannel(_opacity(cut, edge, on_frame), layer, 3)
    return cv2.cvtColor(layer, cv2.COLOR_RGBA2mRGBA, dst=_scratch("layer", height, width, 4))


def _opacity(cut: np.ndarray, edge: float, on_frame: Sequence[bool]) -> np.ndarray:
    """uint8 (h, w), by the distance to the nearest pixel outside: the outline lies half a pixel before its centre."""
    if edge == 0:
        return 255 * cut
    if edge <= _NARROW and not any(on_frame):
        return _rim(cut, edge)
    top, bottom, left, right = (0 if free else 1 for free in on_frame)
    padded = cv2.copyMakeBorder(cut, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(0,))
    inner = (slice(top, top + cut.shape[0]), slice(left, left + cut.shape[1]))
    if edge <= _NARROW:
        return _rim(padded, edge)[inner]
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5)[inner]  # within 2%
    # Where nothing is outside, the distance is the largest float.
    depth = np.minimum(distance - 0.5, edge)
    return np.maximum(depth * (255 / edge) + 0.5, 0).astype(np.uint8)


_NARROW = 1.5
"""Soft edges up to this width need only the two distances below 2: 1 and, across a corner, the root of 2."""


def _rim(cut: np.ndarray, edge: float) -> np.ndarray:
    """The opacity for a narrow edge, uint8 (h, w); beyond the borders of `cut`, uint8 (h, w) of 0 and 1, is nothing."""
    near = cv2.filter2D(
        cut, cv2.CV_8U, _NEIGHBOURS, dst=_scratch("near", *cut.shape), borderType=cv2.BORDER_CONSTANT
    )
    return cv2.LUT(near, _ramp(edge), dst=_scratch("rim", *cut.shape))


_SELF, _SIDE = 100, 10
_NEIGHBOURS = np.array([[1, _SIDE, 1], [_SIDE, _SELF, _SIDE], [1, _SIDE, 1]], np.float32)
"""Weights by which a pixel and its neighbours on the subject add up to a number that tells the pixel's distance."""


@lru_cache(maxsize=16)
def _ramp(edge: float) -> np.ndarray:
    """Opacity, uint8 (256,), by what `_NEIGHBOURS` adds up to."""
    ramp = np.zeros(256, dtype=np.uint8)
    starts = (
        _SELF,
        _SELF + 4 * _SIDE,
        _SELF + 4 * _SIDE + 4,
    )  # something; all four sides; all eight neighbours
    for start, distance in zip(starts, (1, math.sqrt(2), 2), strict=True):
        ramp[start:] = round(255 * min((distance - 0.5) / edge, 1))
    return ramp


def _continued(image: np.ndarray, sides: Sequence[bool]) -> np.ndarray:
    top, bottom, left, right = (int(side) for side in sides)
    return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REPLICATE)


def _turned(image: np.ndarray, placement: Placement) -> np.ndarray:
    mirrored = image[:, ::-1] if placement.flip else image
    return np.ascontiguousarray(np.rot90(mirrored, round(placement.rotation / 90)))


def _resampled(
    image: np.ndarray,
    linear: tuple[tuple[float, float], tuple[float, float]],
    corner: tuple[float, float],
    offset: tuple[float, float],
    size: tuple[int, int],
    interpolation: int,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """An image through the affine map x -> linear (x + corner) + offset, as one of `size` (width, height)."""
    (a, b), (c, d) = linear
    x, y = corner
    shrink = int(1 / math.hypot(a, b) + 1e-6)
    if shrink > 1:  # linear interpolation would skip pixels
        image = _shrunk(image, shrink)
        a, b, c, d = a * shrink, b * shrink, c * shrink, d * shrink
        x, y = x / shrink, y / shrink
    # From the centre of one pixel to the centre of another.
    x, y = x + 0.5, y + 0.5
    affine = np.array([[a, b, a * x + b * y + offset[0] - 0.5], [c, d, c * x + d * y + offset[1] - 0.5]])
    return cv2.warpAffine(image, affine, size, dst=out, flags=interpolation)


def _shrunk(image: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of `factor` pixels; the missing part of the last ones is transparent."""
    height, width = (-(-side // factor) for side in image.shape[:2])
    missing = (height * factor - image.shape[0], width * factor - image.shape[1])
    padded = cv2.copyMakeBorder(image, 0, missing[0], 0, missing[1], cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    return cv2.resize(padded, (width, height), interpolation=cv2.INTER_AREA)


def _overlap(
    start: tuple[int, int], shape: tuple[int, ...], frame: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Of an image whose corner lies at `start` (x, y), the part within the frame (H, W), in its own rows and columns
    and in the frame's; None where there is none."""
    x, y = start
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + shape[1], frame[1]), min(y + shape[0], frame[0])
    if left >= right or top >= bottom:
        return None
    within = slice(top, bottom), slice(left, right)
    return (slice(top - y, bottom - y), slice(left - x, right - x)), within


def _paint_over(region: np.ndarray, layer: np.ndarray) -> None:
    """Paint RGBA multiplied by opacity, uint8 (h, w, 4), over the picture's region, uint8 (h, w, 3), in place."""
    height, width = region.shape[:2]
    opacity = cv2.extractChannel(layer, 3, dst=_scratch("opacity", height, width))
    cv2.bitwise_not(opacity, dst=opacity)
    shown = cv2.cvtColor(opacity, cv2.COLOR_GRAY2RGB, dst=_scratch("shown", height, width, 3))
    behind = cv2.multiply(region, shown, dst=shown, scale=1 / 255)
    colours = cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB, dst=_scratch("colours", height, width, 3))
    cv2.add(colours, behind, dst=region)

"""Building blocks of procedural backgrounds: coordinates, noise, stones, light and colour, as float32 fields (S, S).

Coordinates run from 0 to 1 across the picture and noise lives on lattices of fixed size, so that the same draw shows
the same scene at every size.
"""

from collections.abc import Sequence

import cv2
import numpy as np

Field = np.ndarray
"""float32 (S, S)."""
Colour = tuple[int, int, int]
"""RGB, 0..255."""
Palette = tuple[Colour, ...]


def grid(size: int) -> tuple[Field, Field]:
    """x (from left) and y (from top) of each pixel's centre, 0..1."""
    along = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(along, along)
    return x, y


def fractal_noise(
    rng: np.random.Generator,
    size: int,
    cells: tuple[float, float],
    octaves: int = 5,
    persistence: float = 0.5,
) -> Field:
    """Value noise (Perlin's sum of octaves over random lattices, smoothly interpolated), stretched to 0..1.

    Args:
        rng: for the lattices; as much is drawn from it at every size.
        size: side in pixels.
        cells: lattice cells across the picture, along y and x, in the first octave; twice as many in each later one.
        octaves: how many are summed.
        persistence: amplitude of an octave relative to the one before; small is smooth.
    """
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        rows, columns = (max(1, round(each * 2**octave)) + 3 for each in cells)
        lattice = rng.random((rows, columns), np.float32)
        if octave and max(rows, columns) > 2 * size:
            continue  # finer than the pixels
        total += persistence**octave * cv2.resize(lattice, (size, size), interpolation=cv2.INTER_CUBIC)
    return stretched(total)


def stretched(field: Field) -> Field:
    """Shifted and scaled so that its smallest value is 0 and its largest 1."""
    low, high = float(field.min()), float(field.max())
    return (field - low) / (high - low) if high > low else np.zeros_like(field)


def smoothstep(low: float, high: float, field: Field) -> Field:
    """0 below `low`, 1 above `high`, and smooth between (Hermite)."""
    t = np.clip((field - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bent(field: Field, dx: Field, dy: Field) -> Field:
    """`field` displaced by `dx`, `dy` (in sides of the picture); mirrored beyond the edge."""
    size = len(field)
    at = np.arange(size, dtype=np.float32)
    return cv2.remap(
        field,
        at[None, :] + dx * size,
        at[:, None] + dy * size,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )


def lit(height: Field, strength: float, angle: float) -> Field:
    """How bright a surface of this height is under light from `angle` (radians), around 1; flat is exactly 1."""
    size = len(height)
    right = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=size / 8)
    down = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=size / 8)
    slope = right * np.cos(angle) + down * np.sin(angle)
    return 1 + np.tanh(slope * strength) * 0.6


def stones(rng: np.random.Generator, size: int, across: int, looseness: float) -> tuple[Field, np.ndarray]:
    """Voronoi cells of a jittered hexagonal-like grid (Worley 1996).

    Args:
        rng: for the centres.
        size: side in pixels.
        across: cells along a side.
        looseness: how irregular the centres are, 0 (regular) to 1.

    Returns:
        The distance to the nearest border as a share of a cell's width, 0 on the border and about 0.5 in the middle;
        and the number of each pixel's cell, int32 (S, S), from 0.
    """
    side = across + 4
    rows, columns = np.mgrid[:side, :side]
    jitter = (rng.random((2, side, side), np.float32) - 0.5) * looseness
    centre_x = (columns - 2 + 0.5 * (rows % 2) + jitter[0]).astype(np.float32)
    centre_y = (rows - 2 + jitter[1]).astype(np.float32)
    x, y = grid(size)
    x, y = x * across, y * across
    row, column = np.floor(y).astype(np.int32) + 2, np.floor(x).astype(np.int32) + 2
    nearest = np.full((size, size), np.inf, np.float32)
    second = nearest.copy()
    number = np.zeros((size, size), np.int32)
    # A grid knows the few centres that can be nearest; a search tree takes ten times as long.
    for down in range(-1, 3):
        for right in range(-2, 3):
            at = np.clip(row + down, 0, side - 1) * side + np.clip(column + right, 0, side - 1)
            dx, dy = x - centre_x.ravel()[at], y - centre_y.ravel()[at]
            distance = dx * dx + dy * dy
            closer = distance < nearest
            second = np.where(closer, nearest, np.minimum(second, distance))
            nearest = np.where(closer, distance, nearest)
            number = np.where(closer, at, number)
    return (np.sqrt(second) - np.sqrt(nearest)) / 2, number


def coloured(field: Field, stops: Sequence[Colour]) -> np.ndarray:
    """float32 (S, S, 3), 0..255: `field` 0..1 through evenly spaced colours."""
    at = np.linspace(0, 255, len(stops))
    table = np.stack(
        [np.interp(np.arange(256), at, channel) for channel in zip(*stops, strict=True)], axis=-1
    ).astype(np.float32)
    return table[np.clip(field * 255, 0, 255).astype(np.uint8)]


def mixed(below: np.ndarray, above: np.ndarray | Colour, share: Field) -> np.ndarray:
    """`above` laid over `below` (S, S, 3), as opaque as `share` (S, S) says."""
    top = np.asarray(above, np.float32)
    return below + (top - below) * share[..., None]

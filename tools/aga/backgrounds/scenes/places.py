"""Places of kind `scenes`: whatever has a horizon.

A place is drawn in plain daylight together with where its sky is and how far each pixel is away; the sky and the light
come later (`maker.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from tools.aga.backgrounds.scenes.vocabulary import Colour, Palette
from tools.aga.backgrounds.textures.fields import Field, coloured, fractal_noise, grid, mixed, smoothstep


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture before light and weather."""

    picture: np.ndarray
    """float32 (S, S, 3), in plain daylight."""
    sky: Field | None = None
    """Where the sky is, 0..1; None where there is none."""
    distance: Field | None = None
    """0 near to 1 far; None for a surface."""
    glow: np.ndarray | None = None
    """Lights of its own, float32 (S, S, 3), that the hour does not darken; None for none."""


Surface = Callable[[np.random.Generator, int, Palette], np.ndarray]

_BEHIND: dict[str, tuple[Colour, Colour, float, float]] = {
    "trees": ((40, 66, 36), (84, 112, 66), 0.09, 26),
    "trunks": ((44, 52, 36), (92, 96, 70), 0.16, 30),
    "hills": ((104, 120, 112), (142, 152, 140), 0.13, 3),
    "dunes": ((196, 162, 116), (222, 192, 146), 0.07, 2),
    "shore": ((74, 92, 84), (110, 126, 112), 0.035, 9),
    "houses": ((120, 112, 106), (176, 164, 150), 0.12, 12),
}
"""What stands on a horizon: its two colours, its height as a share of the side, how jagged it is."""


def standing(rng: np.random.Generator, size: int, surface: np.ndarray, behind: str, low: bool) -> Drawn:
    """A surface as the ground of a place: it runs to a horizon, on which something stands.

    Args:
        rng: for the horizon and what stands on it.
        size: side in pixels.
        surface: float32 (S, S, 3), the ground from above.
        behind: a name of the table above.
        low: the camera is near the ground.
    """
    x, y = grid(size)
    horizon = rng.uniform(0.3, 0.4) - (0.06 if low else 0.0)
    depth = np.clip((y - horizon) / (1 - horizon), 0, 1)
    away = 0.22 / (depth + 0.03)
    nearest = 0.22 / 1.03
    u = 0.5 + (x - 0.5) * away / nearest * 0.8
    v = (away - nearest) * 1.5
    ground = cv2.remap(
        surface,
        (u * size).astype(np.float32),
        (size * (1 - v)).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    # What would be smaller than a pixel fades to its mean.
    mean = surface.mean(axis=(0, 1))
    ground = mixed(ground, mean, 0.85 * (1 - smoothstep(0.03, 0.3, depth)))
    broad = fractal_noise(rng, size, (3, 2), 3)
    ground = ground * (0.88 + 0.24 * broad)[..., None]
    return _horizon(rng, size, ground, horizon, behind, x, y)


def _horizon(
    rng: np.random.Generator, size: int, ground: np.ndarray, horizon: float, behind: str, x: Field, y: Field
) -> Drawn:
    first, second, height, jagged = _BEHIND[behind]
    line = fractal_noise(rng, size, (1, jagged), 4 if behind in ("trees", "trunks") else 3, 0.6)[size // 2]
    if behind == "houses":
        line = _steps(rng, size, int(jagged))
    top = horizon - height * (0.35 + 0.65 * line)
    grain = fractal_noise(rng, size, (18, 18), 3, 0.7)
    strip = coloured(np.clip(0.25 + 0.75 * grain, 0, 1), (first, second))
    edge = 1.5 / size
    is_ground = smoothstep(horizon - edge, horizon + edge, y)
    is_strip = smoothstep(-edge, edge, y - top[None, :]) * (1 - is_ground)
    picture = mixed(ground, strip, is_strip)
    sky = (1 - is_ground) * (1 - smoothstep(-edge, edge, y - top[None, :]))
    depth = np.clip((y - horizon) / (1 - horizon), 0, 1)
    distance = np.where(y < horizon, 0.9, np.exp(-depth * 3.5)).astype(np.float32)
    return Drawn(picture, sky.astype(np.float32), distance)


def _steps(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    """A skyline: `count` heights, 0..1, side by side."""
    heights = rng.uniform(0.2, 1.0, count).astype(np.float32)
    return heights[np.minimum((np.arange(size) * count) // size, count - 1)]


def lake(rng: np.random.Generator, size: int, surface: np.ndarray, low: bool) -> Drawn:
    """Water up to a horizon: the surface is drawn at a slant already and only pressed together."""
    x, y = grid(size)
    horizon = rng.uniform(0.3, 0.42) - (0.06 if low else 0.0)
    height = max(1, round(size * (1 - horizon)))
    pressed = cv2.resize(surface, (size, height), interpolation=cv2.INTER_AREA)
    ground = np.vstack([np.repeat(pressed[:1], size - height, axis=0), pressed])
    return _horizon(rng, size, ground, horizon, "shore", x, y)


def hills(rng: np.random.Generator, size: int, palette: Palette) -> Drawn:
    """Ranges, the farther the paler. Colours: far, near, ground."""
    far, near, ground = palette
    _, y = grid(size)
    horizon = rng.uniform(0.32, 0.46)
    picture = np.broadcast_to(np.asarray(far, np.float32), (size, size, 3)).copy()
    covered = np.zeros((size, size), np.float32)
    distance = np.full((size, size), 1.0, np.float32)
    grain = fractal_noise(rng, size, (12, 9), 5, 0.68)
    ranges = 4
    for number in range(ranges):
        depth = (number + 1) / ranges
        ridge = fractal_noise(rng, size, (1, 2 + 2.5 * rng.random()), 6, 0.52)[size // 2]
        top = horizon + (depth - 0.6) * 0.5 - (0.26 - 0.12 * depth) * (ridge - 0.3)
        inside = np.clip((y - top[None, :]) * size + 0.5, 0, 1)
        slope = np.clip((y - top[None, :]) * 2.2, 0, 1)
        colour = coloured(np.full_like(y, depth), (far, near))
        if number == ranges - 1:
            colour = coloured(slope, (near, ground))
        relief = 1 + (grain - 0.5) * 0.7 * depth + 0.12 * (1 - slope)
        picture = mixed(picture, colour * relief[..., None], inside)
        covered = np.maximum(covered, inside)
        distance = distance + (1.05 - depth - distance) * inside
    return Drawn(picture, 1 - covered, distance)

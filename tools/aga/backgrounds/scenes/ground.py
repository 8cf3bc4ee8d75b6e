"""Surfaces of kind `scenes` that kind `textures` does not have: soil, rock, bark, snow, asphalt, cloth, paper, metal, …

Each function draws one picture, float32 (S, S, 3) that may leave 0..255 a little, in plain daylight, from a generator,
a size and a palette whose colours its docstring names.
"""

import cv2
import numpy as np

from tools.aga.backgrounds.scenes.vocabulary import Palette
from tools.aga.backgrounds.textures.fields import (
    Field,
    bent,
    coloured,
    fractal_noise,
    grid,
    lit,
    mixed,
    smoothstep,
    stones,
)


def speckle(rng: np.random.Generator, size: int, spread: float, cells: int = 256) -> Field:
    """Grains that are the same at every size: normal, standard deviation `spread` at `cells` pixels a side."""
    noise = rng.normal(0, spread, (cells, cells)).astype(np.float32)
    return cv2.resize(noise, (size, size), interpolation=cv2.INTER_AREA if size < cells else cv2.INTER_LINEAR)


def soil(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Crumbs of all sizes, lit from one side. Colours: gap, dark crumb, crumb, light crumb."""
    angle = rng.uniform(0, 2 * np.pi)
    height = np.zeros((size, size), np.float32)
    for across, share in ((11, 1.0), (23, 0.75), (41, 0.45)):
        border, numbers = stones(rng, size, across, 1.0)
        tall = rng.random(int(numbers.max()) + 1, np.float32)
        height = np.maximum(
            height, share * np.sqrt(np.clip(border * 2, 0, 1)) * (0.35 + 0.65 * tall[numbers])
        )
    rough = fractal_noise(rng, size, (14, 14), 4, 0.75)
    height = height * 0.8 + 0.3 * rough
    picture = coloured(np.clip(height, 0, 1), palette)
    return picture * lit(cv2.GaussianBlur(height, (0, 0), max(0.4, size / 200)), 0.22, angle)[..., None]


def rock(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Weathered stone with cracks and stains. Colours: crack, dark, stone, light."""
    angle = rng.uniform(0.5, 1.2)
    layers = fractal_noise(rng, size, (2, 2), 6, 0.62)
    first, second = (fractal_noise(rng, size, (3, 3), 4) - 0.5 for _ in range(2))
    border, numbers = stones(rng, size, int(rng.integers(3, 5)), 1.0)
    facets = rng.random(int(numbers.max()) + 1, np.float32)[numbers]
    facets = bent(facets, first * 0.25, second * 0.25)
    crack = bent(border, first * 0.25, second * 0.25)
    height = 0.55 * layers + 0.45 * cv2.GaussianBlur(facets, (0, 0), max(0.5, size / 60))
    picture = coloured(0.15 + 0.55 * layers + 0.3 * facets + speckle(rng, size, 0.1), palette[1:])
    picture = picture * lit(height, 0.36, angle)[..., None]
    return mixed(picture, palette[0], (1 - smoothstep(0.0, 0.035, crack)) * 0.8)


def bark(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Upright ridges with deep furrows. Colours: furrow, dark, bark, light."""
    x, _ = grid(size)
    waver = fractal_noise(rng, size, (2.5, 2.5), 4, 0.5) - 0.5
    ridge = fractal_noise(rng, size, (2.2, 11), 4, 0.6)
    ridge = bent(ridge, waver * 0.09, waver * 0.05)
    plates = bent(fractal_noise(rng, size, (7, 9), 3, 0.6), waver * 0.2, waver * 0.1)
    height = np.clip(0.75 * ridge + 0.35 * plates, 0, 1)
    round_trunk = 0.72 + 0.4 * np.sin(np.pi * np.clip(x * 0.9 + 0.05, 0, 1))
    picture = coloured(np.clip((height - 0.22) * 1.5 + speckle(rng, size, 0.09), 0, 1), palette[1:])
    picture = picture * (lit(height, 0.26, 0.0) * round_trunk)[..., None]
    return mixed(picture, palette[0], (1 - smoothstep(0.22, 0.46, height)) * 0.9)


def birch(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """White bark that curls, with dark lines across. Colours: line, shadow, bark, light."""
    x, _ = grid(size)
    smooth = fractal_noise(rng, size, (9, 2), 4, 0.5)
    picture = coloured(0.2 + 0.8 * smooth + speckle(rng, size, 0.05), palette[1:])
    picture = np.ascontiguousarray(picture * (0.78 + 0.32 * np.sin(np.pi * x))[..., None])
    marks = np.zeros((size, size), np.float32)
    for at_x, at_y, length, thick in rng.random((46, 4)).tolist():
        half = (0.02 + 0.11 * length**3) * size
        axes = (max(8, int(half * 16)), max(4, int((0.0025 + 0.012 * thick**4) * size * 16)))
        cv2.ellipse(
            marks, (int(at_x * size * 16), int(at_y * size * 16)), axes, 0, 0, 360, 1.0, -1, cv2.LINE_AA, 4
        )
    return mixed(picture, palette[0], np.clip(marks, 0, 1) * 0.85)


def snow(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Soft drifts with blue shadows and a sparkle. Colours: shadow, snow, light."""
    drift = fractal_noise(rng, size, (1.6, 1.3), 4, 0.42)
    grain = speckle(rng, size, 0.05)
    picture = coloured(np.clip(0.2 + 0.75 * drift + grain, 0, 1), palette)
    picture = picture * lit(drift, 0.09, rng.uniform(0.3, 2.8))[..., None]
    sparkle = speckle(rng, size, 1.0, 160) > (2.6 if size >= 160 else 1.6)
    return mixed(picture, (255, 255, 255), sparkle.astype(np.float32) * 0.7)


def asphalt(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Grit in tar, or concrete; stains and a crack. Colours: dark grain, ground, light grain."""
    stain = fractal_noise(rng, size, (2, 2), 4, 0.5)
    grain = speckle(rng, size, 0.26, 200) + speckle(rng, size, 0.1, 90)
    picture = coloured(np.clip(0.5 + 0.22 * (stain - 0.5) + grain, 0, 1), palette)
    line = fractal_noise(rng, size, (1.4, 1.4), 5, 0.55)
    crack = np.exp(-np.abs(line - rng.uniform(0.4, 0.6)) * 130)
    return mixed(picture, tuple(round(each * 0.45) for each in palette[0]), crack * 0.75)  # type: ignore[arg-type]


def road(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Asphalt from above with a broken line in the middle and one at each side, for a road that runs away."""
    x, y = grid(size)
    picture = asphalt(rng, size, palette)
    worn = 0.65 + 0.35 * fractal_noise(rng, size, (8, 8), 3, 0.7)
    middle = (1 - smoothstep(0.014, 0.02, np.abs(x - 0.5))) * (np.abs((y * 3) % 1.0 - 0.5) < 0.28)
    sides = 1 - smoothstep(0.012, 0.018, np.abs(np.abs(x - 0.5) - 0.42))
    return mixed(picture, (226, 226, 220), np.clip(middle + sides, 0, 1) * worn)


def fabric(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Woven cloth of one colour, with folds. Colours: cloth."""
    x, y = grid(size)
    folds = fractal_noise(rng, size, (1.4, 1.8), 3, 0.4)
    sway = fractal_noise(rng, size, (1.5, 1.5), 2) - 0.5
    u, v = x + 0.05 * folds, y + 0.05 * sway
    count = 44
    over, along = np.sin(u * count * np.pi), np.sin(v * count * np.pi)
    weave = np.where((np.floor(u * count) + np.floor(v * count)) % 2 == 0, np.abs(over), np.abs(along))
    slub = fractal_noise(rng, size, (40, 3), 2) + fractal_noise(rng, size, (3, 40), 2) - 1
    shade = lit(folds, 0.16, rng.uniform(0, 2 * np.pi)) * (0.84 + 0.18 * weave + 0.1 * slub)
    return np.asarray(palette[0], np.float32) * shade[..., None]


def paper(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """A backdrop that runs from light to shade. Colours: shade, light."""
    x, y = grid(size)
    lamp = rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.5)
    away = np.hypot(x - lamp[0], y - lamp[1])
    fibre = fractal_noise(rng, size, (24, 24), 3, 0.7) - 0.5
    return coloured(np.clip(1.05 - 1.0 * away + 0.05 * fibre, 0, 1), palette) + 6 * fibre[..., None]


def plaster(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """A painted wall with trowel marks. Colours: shade, wall."""
    coarse = fractal_noise(rng, size, (3, 4), 5, 0.62)
    fine = fractal_noise(rng, size, (22, 22), 4, 0.75)
    picture = coloured(np.clip(0.3 + 0.7 * coarse, 0, 1), palette)
    picture = picture * lit(0.5 * coarse + 0.1 * fine, 0.055, rng.uniform(0, 2 * np.pi))[..., None]
    line = fractal_noise(rng, size, (1.2, 1.6), 4, 0.5)
    crack = np.exp(-np.abs(line - rng.uniform(0.3, 0.7)) * 170)
    return mixed(picture, tuple(round(each * 0.55) for each in palette[0]), crack * 0.5)  # type: ignore[arg-type]


def tiles(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Glazed squares with joints. Colours: joint, dark tile, light tile."""
    x, y = grid(size)
    across = rng.uniform(3.6, 6.5)
    u, v = x * across + rng.random(), y * across + rng.random()
    column, row = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    tones = rng.random((12, 12), np.float32)[row, column]
    sheen = fractal_noise(rng, size, (2, 2), 3, 0.4)
    picture = coloured(np.clip(0.15 + 0.55 * tones + 0.3 * sheen, 0, 1), palette[1:])
    edge = np.minimum(np.minimum(u % 1, 1 - u % 1), np.minimum(v % 1, 1 - v % 1))
    picture = picture * lit(smoothstep(0.03, 0.09, edge), 0.025, 0.8)[..., None]
    return mixed(picture, palette[0], 1 - smoothstep(0.02, 0.045, edge))


def metal(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Brushed along, with a reflection across. Colours: dark, metal, light."""
    x, y = grid(size)
    lines = speckle(rng, 256, 0.14).mean(axis=1, keepdims=True) * 9
    lines = cv2.resize(
        lines.astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_AREA if size < 256 else cv2.INTER_LINEAR,
    )
    shine = np.sin((y * 0.5 + x * rng.uniform(0.8, 1.6)) * 5 + rng.uniform(0, 6))
    return coloured(
        np.clip(0.5 + 0.28 * shine + lines + 0.05 * fractal_noise(rng, size, (2, 30), 2), 0, 1), palette
    )


def rust(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Corroded sheet with bare spots. Colours: dark, rust, light."""
    patches = fractal_noise(rng, size, (3, 3), 6, 0.62)
    grain = fractal_noise(rng, size, (24, 24), 4, 0.8)
    picture = coloured(np.clip(0.6 * patches + 0.5 * grain - 0.05, 0, 1), palette)
    picture = picture * lit(grain, 0.14, 0.8)[..., None]
    return mixed(picture, (112, 118, 122), smoothstep(0.72, 0.84, patches) * 0.8)

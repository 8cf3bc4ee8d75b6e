"""Procedural surfaces seen from near: stones, wood, bricks, tiles, sand, cloth, marble.

Each function draws one picture, float32 (S, S, 3) that may leave 0..255 a little, from a generator, a size and a
palette (three or four colours, in the order that its function says).
"""

import cv2
import numpy as np

from tools.aga.backgrounds.textures.fields import (
    Palette,
    bent,
    coloured,
    fractal_noise,
    grid,
    lit,
    mixed,
    smoothstep,
    stones,
)


def pebbles(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Rounded stones. Colours: gap, then those of the stones."""
    border, numbers = stones(rng, size, int(rng.integers(6, 14)), rng.uniform(0.6, 1.0))
    tones = rng.random(int(numbers.max()) + 1, np.float32)
    grain = fractal_noise(rng, size, (12, 12), 5, 0.7)
    dome = np.sqrt(np.clip(border * 2.2, 0, 1))
    light = lit(cv2.GaussianBlur(dome, (0, 0), max(0.5, size / 130)), 0.16, rng.uniform(0, 2 * np.pi))
    picture = coloured(0.8 * tones[numbers] + 0.2 * grain, palette[1:])
    picture = picture * ((0.72 + 0.28 * dome) * light * (0.85 + 0.3 * grain))[..., None]
    return mixed(picture, palette[0], 1 - smoothstep(0.02, 0.09, border))


def planks(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Wooden boards side by side with grain and joints. Colours: joint, dark grain, wood, light wood."""
    x, y = grid(size)
    upright = rng.random() < 0.5
    if not upright:
        x, y = y, x
    boards = int(rng.integers(3, 8))
    number = np.minimum((x * boards).astype(np.int32), boards - 1)
    tone = rng.uniform(-0.16, 0.16, boards).astype(np.float32)
    shift = rng.uniform(0, 40, boards).astype(np.float32)
    waver = fractal_noise(rng, size, (2, 2), 3)
    # Rings of a trunk cut along it: distance from an axis that wanders.
    ring = np.sin((x * boards * 7 + 5.5 * waver + shift[number]) * 4.2 + 2.5 * np.sin(y * 3 + shift[number]))
    fibre = fractal_noise(rng, size, (3, 60) if upright else (60, 3), 2, 0.8)
    picture = coloured(0.5 + 0.2 * ring + 0.35 * (fibre - 0.5) + tone[number], palette[1:])
    within = x * boards - number
    edge = np.minimum(within, 1 - within)
    end = np.abs((y * 1.5 + shift[number]) % 1.0 - 0.5)
    joint = np.maximum(1 - smoothstep(0.0, 0.045, edge), 1 - smoothstep(0.0, 0.012, end))
    return mixed(picture, palette[0], joint * 0.9)


def bricks(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """A wall. Colours: mortar, then those of the bricks."""
    x, y = grid(size)
    rows = int(rng.integers(6, 13))
    columns = rows * rng.uniform(0.35, 0.55)
    wobble = (fractal_noise(rng, size, (6, 6), 4) - 0.5) * 0.05
    row = np.floor(y * rows + wobble)
    along = x * columns + 0.5 * (row % 2) + wobble
    column = np.floor(along)
    tones = rng.random((rows + 3, int(columns) + 4), np.float32)
    tone = tones[row.astype(int) + 1, column.astype(int) + 1]
    u, v = along - column, y * rows + wobble - row
    edge = np.minimum(np.minimum(u, 1 - u) * rows / columns, np.minimum(v, 1 - v))
    rough = fractal_noise(rng, size, (20, 20), 4, 0.75)
    face = smoothstep(0.06, 0.13, edge)
    picture = coloured(0.75 * tone + 0.25 * rough, palette[1:]) * (0.78 + 0.44 * rough)[..., None]
    picture = mixed(np.broadcast_to(np.asarray(palette[0], np.float32), picture.shape), picture, face)
    return picture * lit(face + 0.12 * rough, 0.05, rng.uniform(0.6, 1.0))[..., None]


def floor(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """A tiled floor that runs to a plain wall. Colours: wall, dark tile, light tile, joint."""
    wall, dark, light, joint = palette
    x, y = grid(size)
    horizon = rng.uniform(0.22, 0.42)
    plaster = fractal_noise(rng, size, (3, 3), 5, 0.6)
    picture = np.asarray(wall, np.float32) * (0.82 + 0.3 * plaster * (0.5 + x))[..., None]
    below = np.maximum(y - horizon, 1e-3)
    away = rng.uniform(0.45, 0.7) / below
    side = (x - rng.uniform(0.2, 0.8)) * away * rng.uniform(1.6, 2.6)
    turn = rng.choice([0.0, np.pi / 4])
    u = side * np.cos(turn) - away * 2 * np.sin(turn)
    v = side * np.sin(turn) + away * 2 * np.cos(turn)
    checker = (np.floor(u) + np.floor(v)) % 2
    marbled = fractal_noise(rng, size, (8, 8), 4)
    tiles = coloured(checker * 0.85 + 0.15 * marbled, (dark, light))
    edge = np.minimum(np.abs(u - np.round(u)), np.abs(v - np.round(v)))
    tiles = mixed(tiles, joint, (1 - smoothstep(0.02, 0.05, edge)) * np.clip(below * 5, 0, 1))
    # Tiles smaller than a pixel would flicker: they fade to their mean.
    mean = (np.array(dark, np.float32) + np.array(light, np.float32)) / 2
    tiles = mixed(tiles, tuple(mean.tolist()), 1 - smoothstep(0.02, 0.12, below))
    tiles = tiles * (0.7 + 0.45 * np.clip(below * 1.6, 0, 1))[..., None]
    picture = mixed(picture, tiles, smoothstep(0, 1.5 / size, y - horizon))
    skirting = smoothstep(0.035, 0.03, horizon - y) * smoothstep(-1.5 / size, 0, horizon - y)
    return mixed(picture, joint, skirting * 0.8)


def sand(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Wind ripples. Colours: hollow, sand, crest."""
    x, y = grid(size)
    angle = rng.uniform(-0.7, 0.7)
    waver = fractal_noise(rng, size, (2, 2), 4, 0.45)
    fork = fractal_noise(rng, size, (4, 3), 2)
    across = (y * np.cos(angle) + x * np.sin(angle)) * rng.uniform(9, 17) + 2.6 * waver + 0.8 * fork
    phase = across % 1.0
    # Ripples are steep on the lee side.
    profile = np.where(phase < 0.72, phase / 0.72, (1 - phase) / 0.28)
    profile = cv2.GaussianBlur(profile.astype(np.float32), (0, 0), max(0.4, size / 160))
    speckle = rng.normal(0, 0.045, (256, 256)).astype(np.float32)
    speckle = cv2.resize(
        speckle, (size, size), interpolation=cv2.INTER_LINEAR if size > 256 else cv2.INTER_NEAREST
    )
    dune = fractal_noise(rng, size, (1, 1), 2)
    return coloured(0.25 + 0.42 * profile + 0.35 * (dune - 0.5) + speckle, palette)


def cloth(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Woven checks with folds. Colours: ground, two stripes, thread."""
    x, y = grid(size)
    folds = fractal_noise(rng, size, (1.5, 1.5), 3, 0.4)
    u, v = x + 0.07 * folds, y + 0.07 * fractal_noise(rng, size, (1.5, 1.5), 3, 0.4)
    repeats = rng.uniform(2.5, 5)
    picture = np.broadcast_to(np.asarray(palette[0], np.float32), (size, size, 3))
    for colour in palette[1:]:
        for stripe in (u, v):
            for _ in range(2):
                start, width = rng.random(), rng.uniform(0.03, 0.22)
                away = np.abs((stripe * repeats + start) % 1.0 - 0.5)
                picture = mixed(
                    picture, colour, (1 - smoothstep(width * 0.5, width * 0.5 + 0.02, away)) * 0.5
                )
    threads = 0.5 + 0.5 * np.sin(u * 420) * np.sin(v * 420)
    shade = lit(folds, 0.22, rng.uniform(0, 2 * np.pi)) * (0.9 + 0.14 * threads)
    return picture * shade[..., None]


def marble(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Polished stone with veins. Colours: stone, cloud in it, vein."""
    first, second = (fractal_noise(rng, size, (2, 2), 5, 0.55) for _ in range(2))
    cloud = bent(fractal_noise(rng, size, (2, 2), 5), (first - 0.5) * 0.6, (second - 0.5) * 0.6)
    picture = coloured(cloud, palette[:2])
    for share in (1.0, 0.55):
        line = bent(fractal_noise(rng, size, (1.5, 2.5), 4, 0.5), (second - 0.5) * 0.35, (first - 0.5) * 0.35)
        vein = np.exp(-np.abs(line - rng.uniform(0.4, 0.6)) * rng.uniform(28, 60))
        picture = mixed(picture, palette[2], vein * share * (0.3 + 0.7 * cloud))
    return picture

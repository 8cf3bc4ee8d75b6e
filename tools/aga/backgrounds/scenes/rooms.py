"""Buildings, rooms and a laboratory of kind `scenes`. As in `places.py`, in plain daylight and without a sky."""

import cv2
import numpy as np

from tools.aga.backgrounds.scenes.light import DARK
from tools.aga.backgrounds.scenes.places import Drawn
from tools.aga.backgrounds.scenes.reading import Scene
from tools.aga.backgrounds.scenes.vocabulary import Colour, Palette
from tools.aga.backgrounds.textures.fields import Field, coloured, fractal_noise, grid, mixed, smoothstep


def city(rng: np.random.Generator, size: int, palette: Palette, scene: Scene) -> Drawn:
    """Rows of buildings; their windows are lit in the dark. Colours: far wall, near wall, window."""
    far, near, pane = palette
    picture = np.empty((size, size, 3), np.float32)
    picture[:] = far
    solid, glow = np.zeros((size, size), np.float32), np.zeros((size, size, 3), np.float32)
    share = rng.uniform(0.35, 0.65)
    for row in range(3):
        depth, left = (row + 1) / 3, -0.05 * rng.random()
        while left < 1:
            width = rng.uniform(0.12, 0.23) * (0.55 + 0.45 * depth)
            top = rng.uniform(0.16, 0.46) + 0.22 * row * rng.uniform(0.5, 1)
            tone, hue = np.clip(depth + rng.normal(0, 0.18), 0, 1), rng.uniform(0.86, 1.12, 3)
            wall = (np.array(far) + (np.array(near) - np.array(far)) * tone) * hue
            lit = rng.random((40, 14)) < share
            warm = rng.uniform(0.75, 1.0, (40, 14))
            _building(picture, solid, glow, (left, top, width, depth), wall, pane, (lit, warm))
            left += width * rng.uniform(0.95, 1.2)
    return Drawn(picture, 1 - solid, None, glow if scene.time in DARK else None)


def _building(
    picture: np.ndarray,
    solid: Field,
    glow: np.ndarray,
    shape: tuple[float, float, float, float],
    wall: np.ndarray,
    pane: Colour,
    windows: tuple[np.ndarray, np.ndarray],
) -> None:
    left, top, width, depth = shape
    for box, colour in (
        ((left, top, left + width, 1.0), wall),
        ((left + width * 0.86, top, left + width, 1.0), wall * 0.78),
    ):
        picture[_area(picture, *box)] = colour
    area = _area(solid, left, top, left + width, 1.0)
    solid[area], glow[area] = 1.0, 0.0
    lit, warm = windows
    pitch = 0.036 * (0.62 + 0.5 * depth)
    for floor in range(int((0.98 - top) / (pitch * 1.5))):
        for column in range(int(width * 0.82 / pitch)):
            x, y = left + pitch * (column + 0.35), top + pitch * (1.5 * floor + 0.6)
            area = _area(picture, x, y, x + pitch * 0.55, y + pitch * 0.85)
            picture[area] = np.array(pane, np.float32) * (0.8 if lit[floor % 40, column % 14] else 1.1)
            if lit[floor % 40, column % 14]:
                glow[area] = np.array((255, 206, 124), np.float32) * warm[floor % 40, column % 14]


def _area(picture: np.ndarray, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    x0, x1, y0, y1 = (max(0, round(each * len(picture))) for each in (left, right, top, bottom))
    return slice(y0, y1), slice(x0, x1)


def room(rng: np.random.Generator, size: int, palette: Palette) -> Drawn:
    """A wall with a window or a picture, a skirting board and a floor of boards. Colours: shade, wall, dark floor,
    floor, frame."""
    shade, wall, dark, light, frame = palette
    x, y = grid(size)
    foot = rng.uniform(0.6, 0.72)
    corner = rng.uniform(0.12, 0.3) if rng.random() < 0.5 else rng.uniform(0.7, 0.88)
    falls = fractal_noise(rng, size, (2, 2), 3, 0.4)
    picture = coloured(
        np.clip(0.85 - 0.7 * np.abs(x - rng.uniform(0.3, 0.7)) + 0.25 * (falls - 0.5), 0, 1), (shade, wall)
    )
    picture = (
        picture
        * (1 - 0.14 * smoothstep(0, 1.5 / size, (x - corner) * (1 if corner > 0.5 else -1)))[..., None]
    )
    # Boards that run away from the eye.
    depth = np.clip((y - foot) / (1 - foot), 0, 1)
    along = (x - 0.5) / (0.5 + 0.6 * depth)
    board = np.floor(along * 11)
    tone = rng.random(64, np.float32)[(board.astype(np.int32) + 32) % 64]
    grain = fractal_noise(rng, size, (4, 30), 3, 0.6)
    boards = coloured(np.clip(0.35 + 0.45 * tone + 0.3 * (grain - 0.5) + 0.25 * depth, 0, 1), (dark, light))
    joint = np.abs(along * 11 - np.round(along * 11))
    boards = mixed(boards, dark, (1 - smoothstep(0.0, 0.06, joint)) * 0.7)
    picture = np.ascontiguousarray(mixed(picture, boards, smoothstep(foot - 1 / size, foot + 1 / size, y)))
    picture[_area(picture, 0, foot - 0.05, 1, foot)] = np.array(frame, np.float32) * 0.94
    picture[_area(picture, 0, foot - 0.008, 1, foot)] = np.array(frame, np.float32) * 0.6
    _window(picture, rng, frame)
    return Drawn(picture, None, None)


def _window(picture: np.ndarray, rng: np.random.Generator, frame: Colour) -> None:
    left, top = rng.uniform(0.34, 0.5), rng.uniform(0.06, 0.14)
    width, height = rng.uniform(0.24, 0.36), rng.uniform(0.28, 0.38)
    picture[_area(picture, left, top, left + width, top + height)] = frame
    inner = 0.022
    for column in range(2):
        for row in range(2):
            x0 = left + inner + column * (width - inner) / 2
            y0 = top + inner + row * (height - inner) / 2
            pane = _area(picture, x0, y0, x0 + (width - inner) / 2 - inner, y0 + (height - inner) / 2 - inner)
            tall = picture[pane].shape[0]
            fall = np.linspace(0, 1, max(tall, 1), dtype=np.float32)[:, None, None] * 0.5 + 0.5 * row
            picture[pane] = (
                np.array((176, 206, 232), np.float32) * (1 - fall)
                + np.array((150, 178, 140), np.float32) * fall
            )
    picture[_area(picture, left - 0.03, top + height, left + width + 0.03, top + height + 0.03)] = (
        np.array(frame) * 0.92
    )


def laboratory(rng: np.random.Generator, size: int, palette: Palette) -> Drawn:
    """A bench, and glassware out of focus behind it. Colours: wall, light wall, bench, liquid, glass."""
    wall, light, top, liquid, glass = palette
    x, y = grid(size)
    edge = rng.uniform(0.55, 0.68)
    picture = np.ascontiguousarray(coloured(np.clip(1.1 - 1.2 * y + 0.3 * x, 0, 1), (wall, light)))
    shelf = rng.uniform(0.16, 0.24)
    picture[_area(picture, 0, shelf, 1, shelf + 0.025)] = np.array(wall, np.float32) * 0.72
    liquids = [liquid, (196, 120, 60), (110, 168, 92), (196, 90, 110), (216, 190, 90)]
    for base, count in ((shelf, 7), (edge + 0.02, 5)):
        for number in range(count):
            at = (number + rng.uniform(0.15, 0.85)) / count
            tall, wide = rng.uniform(0.1, 0.15) * (1 if base == shelf else 2.0), rng.uniform(0.028, 0.05)
            wide *= 1 if base == shelf else 1.5
            _vessel(
                picture,
                at,
                base,
                tall,
                wide,
                glass,
                liquids[int(rng.integers(len(liquids)))],
                rng.uniform(0.25, 0.7),
                bool(rng.random() < 0.5),
            )
    picture = cv2.GaussianBlur(picture, (0, 0), max(0.3, size * 0.007))
    bench = coloured(np.clip((y - edge) / (1 - edge) * 0.7 + 0.3, 0, 1), ((200, 206, 212), top))
    bench = bench + 5 * (fractal_noise(rng, size, (30, 30), 2)[..., None] - 0.5)
    picture = mixed(picture, bench, smoothstep(edge - 1 / size, edge + 1 / size, y))
    front = smoothstep(edge, edge + 0.012, y) * (1 - smoothstep(edge + 0.012, edge + 0.02, y))
    return Drawn(mixed(picture, (150, 158, 166), front * 0.5), None, None)


def _vessel(
    picture: np.ndarray,
    at: float,
    base: float,
    tall: float,
    wide: float,
    glass: Colour,
    liquid: Colour,
    level: float,
    flask: bool,
) -> None:
    """A bottle, or a flask that is narrow above, with a coloured liquid in it."""
    size = len(picture)
    neck = 0.35 if flask else 0.8
    shoulder = 0.3

    def half(up: float) -> float:
        """Half the width at a height, 0..1."""
        return (
            1.0 - (1.0 - neck) * min(1.0, up / (1 - shoulder))
            if flask
            else (neck if up > 1 - shoulder * 0.6 else 1.0)
        )

    def outline(top: float) -> np.ndarray:
        ups = [0.0, top * 0.5, top * 0.9, top]
        left = [(at - wide * half(up), base - tall * up) for up in ups]
        right = [(at + wide * half(up), base - tall * up) for up in reversed(ups)]
        return np.round(np.array(left + right) * size * 16).astype(np.int32)

    cv2.fillPoly(picture, [outline(1.0)], tuple(map(float, glass)), cv2.LINE_AA, 4)
    cv2.fillPoly(picture, [outline(level)], tuple(map(float, liquid)), cv2.LINE_AA, 4)
    line = [(at - wide * 0.5, base - tall * 0.1), (at - wide * 0.5 * half(0.8), base - tall * 0.8)]
    ends = [tuple(int(each * size * 16) for each in end) for end in line]
    cv2.line(picture, ends[0], ends[1], (250.0, 252.0, 252.0), max(1, size // 110), cv2.LINE_AA, 4)

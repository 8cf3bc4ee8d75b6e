"""Plants of kind `scenes`: a leaf, blossoms, moss, leaf litter, a wood. Functions as in `ground.py`."""

import cv2
import numpy as np

from tools.aga.backgrounds.scenes.vocabulary import Colour, Palette
from tools.aga.backgrounds.textures.fields import coloured, fractal_noise, grid, lit, mixed, smoothstep


def _points(outline: np.ndarray, size: int) -> list[np.ndarray]:
    """A polygon in shares of the side as OpenCV takes it, with four bits below the pixel."""
    return [np.round(outline * size * 16).astype(np.int32)]


def _mix(first: Colour, second: Colour, share: float) -> tuple[float, float, float]:
    low, high = np.array(first, float), np.array(second, float)
    return tuple((low + (high - low) * float(np.clip(share, 0, 1))).tolist())


def leaf(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """One leaf that fills the picture, with midrib and side veins. Colours: shade, leaf, light leaf, vein."""
    x, y = grid(size)
    angle = rng.uniform(0, 2 * np.pi)
    u = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    v = -(x - 0.5) * np.sin(angle) + (y - 0.5) * np.cos(angle) + 0.06 * np.sin(u * 3 + rng.uniform(0, 6))
    v = v + rng.uniform(-0.12, 0.12)
    side = np.abs(v)
    pairs = rng.uniform(4.5, 6.5)
    phase = (u - 0.75 * side - 0.35 * side**2) * pairs + (v > 0) * 0.5
    near = np.abs(phase - np.round(phase)) / pairs
    width = 0.0075 * (1 - 0.6 * np.clip(side * 1.6, 0, 1))
    vein = np.exp(-((near / width) ** 2))
    branch = fractal_noise(rng, size, (26, 26), 2, 0.6)
    net = np.exp(-np.abs(branch - 0.5) * 22)
    midrib = np.exp(-((side / 0.016) ** 2))
    bulge = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    mottle = fractal_noise(rng, size, (3, 3), 4, 0.5)
    picture = coloured(np.clip(0.38 + 0.16 * bulge + 0.42 * mottle, 0, 1), palette[:3])
    picture = (
        picture
        * lit(cv2.GaussianBlur(bulge.astype(np.float32), (0, 0), max(0.4, size / 45)), 0.05, angle)[..., None]
    )
    picture = mixed(picture, palette[3], net * 0.3)
    return mixed(picture, palette[3], np.clip(0.75 * vein + midrib, 0, 1) * 0.85)


def flowers(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Blossoms before blurred green. Colours: dark green, green, petal, light petal, heart."""
    green = fractal_noise(rng, size, (5, 5), 4, 0.55)
    picture = np.ascontiguousarray(coloured(green, palette[:2]))
    petals = int(rng.integers(6, 14))
    heads = int(rng.integers(9, 14))
    scale = rng.uniform(0.085, 0.13)
    places = _apart(rng, heads)
    for number, (at_x, at_y) in enumerate(places):
        depth = number / heads
        radius = scale * (0.65 + 0.75 * depth)
        _stem(picture, size, at_x, at_y, palette, depth)
        _head(picture, rng, size, (at_x, at_y), radius, petals, palette, 0.7 + 0.3 * depth)
        if number == heads * 2 // 5:  # the farther ones are out of focus
            picture = np.ascontiguousarray(cv2.GaussianBlur(picture, (0, 0), max(0.4, size * 0.012)))
    return picture


def _apart(rng: np.random.Generator, count: int) -> list[tuple[float, float]]:
    """Places that keep off each other: of several, the one farthest from all before."""
    chosen = rng.uniform(0.1, 0.9, (1, 2))
    for options in rng.uniform(0.02, 0.98, (count - 1, 8, 2)):
        away = np.linalg.norm(options[:, None] - chosen[None], axis=2).min(axis=1)
        chosen = np.vstack([chosen, options[int(away.argmax())]])
    return [(float(x), float(y)) for x, y in chosen]


def _stem(picture: np.ndarray, size: int, x: float, y: float, palette: Palette, depth: float) -> None:
    head = (int(x * size * 16), int(y * size * 16))
    foot = (int((x + 0.05 * (x - 0.5)) * size * 16), int(1.1 * size * 16))
    thick = max(1, round(size * (0.006 + 0.006 * depth)))
    cv2.line(picture, head, foot, _mix(palette[0], palette[1], 0.5 + 0.3 * depth), thick, cv2.LINE_AA, 4)


def _head(
    picture: np.ndarray,
    rng: np.random.Generator,
    size: int,
    centre: tuple[float, float],
    radius: float,
    petals: int,
    palette: Palette,
    light: float,
) -> None:
    turn, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0.65, 1.0)
    around = np.linspace(0, 2 * np.pi, 13)
    tones = rng.uniform(0.0, 1.0, petals)
    half = np.pi / petals * 1.15
    for number in range(petals):
        direction = turn + 2 * np.pi * number / petals
        along, across = 0.58 + 0.42 * np.cos(around), half * 0.62 * np.sin(around)
        px = along * np.cos(direction) - across * np.sin(direction)
        py = (along * np.sin(direction) + across * np.cos(direction)) * tilt
        outline = np.stack([px, py], axis=-1) * radius + np.array(centre)
        colour = _mix(palette[2], palette[3], tones[number] * 0.85)
        cv2.fillPoly(picture, _points(outline, size), tuple(each * light for each in colour), cv2.LINE_AA, 4)
        inner = np.stack([px * 0.62, py * 0.62], axis=-1) * radius + np.array(centre)
        shade = tuple(
            each * light * 0.9 for each in _mix(palette[2], palette[3], tones[number] * 0.85 - 0.25)
        )
        cv2.fillPoly(picture, _points(inner, size), shade, cv2.LINE_AA, 4)
    at = (int(centre[0] * size * 16), int(centre[1] * size * 16))
    axes = (int(radius * 0.3 * size * 16), int(radius * 0.3 * tilt * size * 16))
    heart = tuple(each * light for each in palette[4])
    cv2.ellipse(picture, at, axes, 0, 0, 360, heart, -1, cv2.LINE_AA, 4)


def moss(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Cushions of tiny tufts. Colours: deep, dark, moss, tip."""
    cushion = fractal_noise(rng, size, (4, 4), 3, 0.5)
    picture = np.ascontiguousarray(coloured(0.1 + 0.5 * cushion, palette[:3]))
    count = 800
    where = rng.uniform(-0.02, 1.02, (count, 2))
    turn, tone = rng.uniform(0, 2 * np.pi, count), rng.normal(0, 0.16, count)
    length = rng.uniform(0.006, 0.016, count)
    for number in range(count):
        at_x, at_y = where[number]
        high = cushion[int(np.clip(at_y, 0, 0.999) * size), int(np.clip(at_x, 0, 0.999) * size)]
        level = 0.15 + 0.75 * high + tone[number]
        colour = (
            _mix(palette[1], palette[2], level * 2)
            if level < 0.5
            else _mix(palette[2], palette[3], level * 2 - 1)
        )
        dx, dy = np.cos(turn[number]) * length[number], np.sin(turn[number]) * length[number]
        start = (int((at_x - dx) * size * 16), int((at_y - dy) * size * 16))
        end = (int((at_x + dx) * size * 16), int((at_y + dy) * size * 16))
        cv2.line(picture, start, end, colour, max(1, round(size / 64)), cv2.LINE_AA, 4)
    return picture * lit(cushion, 0.14, rng.uniform(0, 2 * np.pi))[..., None]


def turf(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """A meadow from above, for one that runs away. Colours: distance, root, blade, tip."""
    tufts = fractal_noise(rng, size, (5, 5), 4, 0.6)
    picture = np.ascontiguousarray(coloured(0.2 + 0.6 * tufts, palette[1:]))
    count = 700
    where, tone = rng.uniform(-0.02, 1.02, (count, 2)), rng.normal(0.5, 0.22, count)
    lean, tall = rng.normal(0, 0.008, count), rng.uniform(0.008, 0.022, count)
    for number in range(count):
        at_x, at_y = where[number]
        ends = [(at_x, at_y), (at_x + lean[number], at_y - tall[number])]
        start, end = (tuple(int(each * size * 16) for each in point) for point in ends)
        cv2.line(
            picture,
            start,
            end,
            _mix(palette[1], palette[3], tone[number]),
            max(1, size // 150),
            cv2.LINE_AA,
            4,
        )
    return picture


def scattered(
    picture: np.ndarray, rng: np.random.Generator, palette: Palette, foot: float, top: float
) -> np.ndarray:
    """Blossoms in a meadow, the nearer the larger; it begins and ends at `top` and `foot`, in shares of the side."""
    size, picture = len(picture), np.ascontiguousarray(picture)
    petals = int(rng.integers(6, 12))
    for at_x, deep in zip(
        rng.uniform(0, 1, 44).tolist(), np.sort(rng.uniform(0.02, 1, 44)).tolist(), strict=True
    ):
        at_y = top + (foot - top) * deep**1.4
        radius = 0.005 + 0.055 * deep**1.6
        if radius < 0.016:
            at = (int(at_x * size * 16), int(at_y * size * 16))
            colour = tuple(map(float, palette[3]))
            cv2.circle(picture, at, max(8, int(radius * size * 16)), colour, -1, cv2.LINE_AA, 4)
        else:
            _head(picture, rng, size, (at_x, at_y), radius, petals, palette, 1.0)
    return picture


def litter(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Fallen leaves over each other. Colours: gap, dark, brown, light."""
    picture = np.ascontiguousarray(coloured(fractal_noise(rng, size, (8, 8), 4, 0.7), palette[:2]))
    around = np.linspace(0, 2 * np.pi, 17)[:-1]
    count = 110
    where = rng.uniform(-0.05, 1.05, (count, 2))
    turn, tone = rng.uniform(0, 2 * np.pi, count), rng.uniform(0, 1, count)
    radius = rng.uniform(0.06, 0.12, count)
    lobes = rng.integers(0, 3, count)
    for number in range(count):
        # Oval leaves, and lobed ones as of oak and maple.
        swing = (0.0, 0.16, 0.3)[lobes[number]] * np.cos(around * 5)
        along, across = np.cos(around) * (1 + swing), np.sin(around) * (0.55 + swing)
        cos, sin = np.cos(turn[number]), np.sin(turn[number])
        outline = (
            np.stack([along * cos - across * sin, along * sin + across * cos], -1) * radius[number]
            + where[number]
        )
        colour = (
            _mix(palette[1], palette[3], 0.25 + 0.75 * tone[number])
            if tone[number] > 0.35
            else _mix(palette[1], palette[2], tone[number] * 2)
        )
        shade = 0.62 + 0.38 * number / count
        cv2.fillPoly(
            picture,
            _points(outline + 0.008, size),
            tuple(float(each) * 0.6 for each in palette[0]),
            cv2.LINE_AA,
            4,
        )
        cv2.fillPoly(picture, _points(outline, size), tuple(each * shade for each in colour), cv2.LINE_AA, 4)
        rib = np.array([[-cos, -sin], [cos, sin]]) * radius[number] * 0.9 + where[number]
        ends = np.round(rib * size * 16).astype(int).tolist()
        cv2.line(
            picture,
            ends[0],
            ends[1],
            tuple(each * shade * 0.72 for each in colour),
            max(1, size // 200),
            cv2.LINE_AA,
            4,
        )
    return picture * (0.8 + 0.4 * fractal_noise(rng, size, (3, 3), 4))[..., None]


def needles(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Needles crossed over each other. Colours: gap, dark, brown, light."""
    picture = np.ascontiguousarray(coloured(fractal_noise(rng, size, (8, 8), 4, 0.7), palette[:2]))
    count = 640
    where, turn = rng.uniform(-0.05, 1.05, (count, 2)), rng.uniform(0, 2 * np.pi, count)
    length, tone = rng.uniform(0.04, 0.1, count), rng.uniform(0, 1, count)
    for number in range(count):
        half = np.array([np.cos(turn[number]), np.sin(turn[number])]) * length[number]
        ends = (
            np.round(np.stack([where[number] - half, where[number] + half]) * size * 16).astype(int).tolist()
        )
        colour = _mix(palette[1], palette[3], 0.15 + tone[number] * (0.35 + 0.65 * number / count))
        cv2.line(picture, ends[0], ends[1], colour, max(1, round(size / 90)), cv2.LINE_AA, 4)
    return picture


def trunks(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Upright trunks, the farther the paler, over a floor. Colours: dark, haze, trunk, light trunk, floor."""
    _, haze, dark, light, floor = palette
    x, y = grid(size)
    leaves = fractal_noise(rng, size, (6, 6), 5, 0.62)
    picture = coloured(
        np.clip(0.35 + 0.9 * leaves * (0.4 + 0.6 * (1 - np.abs(y - 0.5))), 0, 1), (palette[0], haze)
    )
    horizon = rng.uniform(0.58, 0.7)
    ground = coloured(
        np.clip(0.35 + 0.65 * fractal_noise(rng, size, (14, 6), 4, 0.65), 0, 1), (palette[0], floor)
    )
    grain = fractal_noise(rng, size, (3, 26), 4, 0.6)
    picture = mixed(picture, haze, 0.55 * np.exp(-(((y - horizon) / 0.22) ** 2)))
    for row, (count, width) in enumerate(((9, 0.016), (6, 0.034), (4, 0.075))):
        near = row / 2
        foot = horizon + 0.03 + 0.3 * near**1.5
        if row == 0:
            picture = mixed(picture, ground, smoothstep(horizon - 0.01, horizon + 0.06, y))
        for at, half, lean in zip(
            (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count,
            width * rng.uniform(0.6, 1.25, count),
            rng.normal(0, 0.03, count),
            strict=True,
        ):
            away = (x - at - lean * (y - 0.5)) / (half * (0.85 + 0.25 * y))
            edge = np.clip((1 - np.abs(away)) * half * size, 0, 1) * smoothstep(foot + 0.012, foot - 0.012, y)
            tone = np.clip(0.55 - 0.45 * away + 0.55 * (grain - 0.5), 0, 1)
            wood = coloured(tone, (dark, light))
            wood = wood + (np.array(haze, np.float32) - wood) * (0.55 - 0.5 * near)
            picture = mixed(picture, wood, edge)
    crown = smoothstep(0.52, 0.7, leaves + 0.5 * (0.35 - y))
    return mixed(picture, coloured(leaves, (palette[0], haze)) * 0.8, crown * 0.75 * smoothstep(0.5, 0.1, y))

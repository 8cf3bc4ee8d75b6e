"""Procedural views into the distance: sky, hills, water, leaves, lights, houses.

Each function draws one picture, float32 (S, S, 3) that may leave 0..255 a little, from a generator, a size and a
palette (three to five colours, in the order that its function says).
"""

import cv2
import numpy as np

from tools.aga.backgrounds.textures.fields import Palette, coloured, fractal_noise, grid, mixed, smoothstep


def sky(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Clouds. Colours: zenith, horizon, shaded cloud, lit cloud."""
    zenith, horizon, shade, light = palette
    _, y = grid(size)
    picture = coloured(y**0.8, (zenith, horizon))
    # Clouds are flatter towards the horizon.
    cloud = fractal_noise(rng, size, (rng.uniform(2.5, 4), rng.uniform(1.5, 2.5)), 6, 0.55)
    cover = smoothstep(*_between(rng, 0.40, 0.55, 0.25), cloud)
    thick = smoothstep(0.45, 0.95, cloud + 0.25 * (fractal_noise(rng, size, (4, 3), 5) - 0.5))
    return mixed(picture, coloured(1 - thick, (shade, light)), cover)


def hills(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Ranges of hills before a sky, paler the farther they are. Colours: sky above, sky below, far, near, ground."""
    above, below, far, near, ground = palette
    x, y = grid(size)
    horizon = rng.uniform(0.3, 0.5)
    picture = coloured(y / horizon, (above, below))
    sun = rng.uniform(0.1, 0.9), horizon * rng.uniform(0.3, 0.9)
    glow = np.exp(-((x - sun[0]) ** 2 + (y - sun[1]) ** 2) / 0.02)
    picture = mixed(picture, (255, 250, 230), glow * 0.8)
    ranges = int(rng.integers(3, 6))
    grain = fractal_noise(rng, size, (10, 6), 5, 0.65)
    for number in range(ranges):
        depth = (number + 1) / ranges
        roughness = 2 + 3 * rng.random()
        ridge = fractal_noise(rng, size, (1, roughness), 6, 0.5)[size // 2]
        top = horizon + (depth - 0.75) * 0.45 - (0.24 - 0.1 * depth) * (ridge - 0.35)
        inside = np.clip((y - top[None, :]) * size + 0.5, 0, 1)
        colour = coloured(np.full_like(y, depth), (far, near))
        if number == ranges - 1:
            colour = coloured((y - top[None, :]) * 1.6, (near, ground))
        relief = 1 + (grain - 0.5) * 0.75 * depth
        picture = mixed(picture, colour * relief[..., None], inside)
    return picture


def water(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """A rippled surface seen at a slant, with glints. Colours: deep, middle, sky's reflection, glint."""
    x, y = grid(size)
    depth = 0.12 / (y + 0.12)  # waves lie closer together in the distance
    phase = rng.uniform(0, 2 * np.pi, 8)
    tilt = rng.uniform(-0.5, 0.5, 8)
    noise = fractal_noise(rng, size, (7, 2), 4, 0.6)
    height = np.zeros_like(x)
    for number in range(8):
        rate = 14 * 1.55**number
        height += np.sin(
            rate * (depth * 6 + tilt[number] * (x - 0.5) * depth) + 9 * noise + phase[number]
        ) / (1.32**number)
    waves = 0.5 + height / 7
    waves = waves * (0.55 + 0.45 * (1 - depth)) + 0.4 * depth
    picture = coloured(np.clip(waves, 0, 1), palette[:3])
    path = np.exp(-(((x - rng.uniform(0.2, 0.8)) / (0.1 + 0.25 * y)) ** 2))
    return mixed(picture, palette[3], smoothstep(0.62, 0.85, waves + 0.25 * path * noise) * 0.8)


def foliage(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Leaves upon leaves, the lower ones in the dark. Colours: gap, dark leaf, leaf, light leaf."""
    picture = np.ascontiguousarray(coloured(fractal_noise(rng, size, (4, 4), 4), palette[:2]) * 0.75)
    length = rng.uniform(0.055, 0.12)
    slender = rng.uniform(0.28, 0.6)
    lean = rng.uniform(0, 2 * np.pi)
    clumps = fractal_noise(rng, 32, (3, 3), 3)
    outline = np.linspace(0, np.pi, 7)
    leaf = np.stack([-np.cos(outline), slender * np.sin(outline) ** 1.4], axis=-1)
    leaf = np.concatenate([leaf, leaf[1:-1][::-1] * (1, -1)])
    count = int(min(900, 2.6 / (length**2)))
    where = rng.uniform(-0.05, 1.05, (count, 2))
    turn = lean + rng.normal(0, 0.9, count)
    scale = length * rng.uniform(0.6, 1.25, count) * size
    tone = rng.normal(0, 0.13, count)
    for number in range(count):
        depth = number / count
        cos, sin = np.cos(turn[number]), np.sin(turn[number])
        points = leaf @ np.array([[cos, sin], [-sin, cos]]) * scale[number] * 0.5 + where[number] * size
        clump = clumps[
            int(np.clip(where[number, 1], 0, 0.99) * 32), int(np.clip(where[number, 0], 0, 0.99) * 32)
        ]
        light = 0.12 + 0.6 * depth + 0.45 * (clump - 0.5) + tone[number]
        colour = _shade(palette[1:], light)
        cv2.fillPoly(picture, [np.round(points * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)
        if depth > 0.5 and size >= 64:
            rib = np.round(
                (where[number] * size + np.array([[-cos, -sin], [cos, sin]]) * scale[number] * 0.4) * 16
            )
            ends = rib.astype(int).tolist()
            cv2.line(picture, ends[0], ends[1], _shade(palette[1:], light + 0.16), 1, cv2.LINE_AA, 4)
    return picture


def grass(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Blades that stand before a blurred meadow. Colours: distance, root, blade, tip."""
    _, y = grid(size)
    meadow = fractal_noise(rng, size, (5, 4), 3)
    picture = coloured(y * 0.8 + 0.3 * (meadow - 0.5), (palette[0], palette[2], palette[1]))
    picture = np.ascontiguousarray(picture)
    wind = rng.uniform(-0.25, 0.25)
    count = 420
    foot = np.sort(rng.uniform(0.35, 1.3, count))
    x = rng.uniform(-0.1, 1.1, count)
    tall = rng.uniform(0.12, 0.34, count) * (0.35 + 0.65 * foot)
    bend = wind + rng.normal(0, 0.14, count)
    tone = rng.normal(0, 0.16, count)
    for number in range(count):
        near = (foot[number] - 0.35) / 0.95
        width = (0.004 + 0.012 * near) * (0.7 + 0.6 * (tone[number] > 0))
        up, aside = tall[number], bend[number] * tall[number]
        middle = aside * 0.3, -up * 0.55
        outline = np.array(
            [
                (-width, 0),
                (middle[0] - width * 0.7, middle[1]),
                (aside, -up),
                (middle[0] + width * 0.7, middle[1]),
                (width, 0),
            ]
        )
        blade = outline + np.array((x[number], foot[number]))
        colour = _shade(palette[1:], 0.3 + 0.5 * near + tone[number])
        cv2.fillPoly(picture, [np.round(blade * size * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)
    return picture


def bokeh(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """Lights out of focus in the dark. Colours: dark, less dark, then those of the lights."""
    _, y = grid(size)
    dark = fractal_noise(rng, size, (2, 2), 3)
    picture = coloured(0.6 * dark + 0.4 * y, palette[:2])
    lights = palette[2:]
    radius = rng.uniform(0.03, 0.085)
    disc = np.zeros((size, size, 3), np.float32)
    for _ in range(int(rng.integers(26, 60))):
        colour = np.array(lights[int(rng.integers(len(lights)))], np.float32) * rng.uniform(0.25, 0.95)
        centre = np.round(rng.uniform(-0.05, 1.05, 2) * size * 16).astype(int).tolist()
        r = max(1.0, radius * rng.uniform(0.5, 1.5) * size)
        disc[:] = 0
        cv2.circle(disc, centre, round(r * 16), colour.tolist(), -1, cv2.LINE_AA, 4)
        cv2.circle(disc, centre, round(r * 14.4), (colour * 0.72).tolist(), -1, cv2.LINE_AA, 4)
        # Lights add up as light does: never beyond white.
        picture = picture + disc * (1 - picture / 280)
    return cv2.GaussianBlur(picture, (0, 0), max(0.3, size / 220))


def houses(rng: np.random.Generator, size: int, palette: Palette) -> np.ndarray:
    """A row of buildings with windows before a sky. Colours: sky above, sky below, far wall, near wall, window."""
    above, below, far, near, window = palette
    _, y = grid(size)
    haze = fractal_noise(rng, size, (2, 2), 4)
    picture = np.ascontiguousarray(coloured(y * 1.1 + 0.25 * (haze - 0.5), (above, below)))
    lit_share = rng.uniform(0.25, 0.8)
    for row in range(3):
        depth = (row + 1) / 3
        left = -0.05 * rng.random()
        while left < 1:
            width = rng.uniform(0.1, 0.22) * (0.55 + 0.45 * depth)
            top = rng.uniform(0.18, 0.5) + 0.22 * row * rng.uniform(0.5, 1)
            wall = np.array(_shade((far, near), depth + rng.normal(0, 0.12))) * rng.uniform(0.85, 1.1)
            _box(picture, left, top, left + width, 1.0, wall.tolist())
            _box(picture, left + width * 0.86, top, left + width, 1.0, (wall * 0.8).tolist())
            pitch = rng.uniform(0.026, 0.042) * (0.6 + 0.4 * depth)
            lights = rng.random((40, 12)) < lit_share
            for floor in range(int((0.98 - top) / (pitch * 1.5))):
                for column in range(int(width * 0.8 / pitch)):
                    colour = window if lights[floor % 40, column % 12] else (wall * 0.55).tolist()
                    x0, y0 = left + pitch * (column + 0.35), top + pitch * (1.5 * floor + 0.6)
                    _box(picture, x0, y0, x0 + pitch * 0.55, y0 + pitch * 0.85, colour)
            left += width * rng.uniform(0.95, 1.25)
    return picture


def _box(picture: np.ndarray, left: float, top: float, right: float, bottom: float, colour: object) -> None:
    x0, x1, y0, y1 = (round(each * len(picture)) for each in (left, right, top, bottom))
    picture[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = colour


def _shade(stops: Palette, light: float) -> tuple[float, float, float]:
    """The colour at `light` (0..1, held to it) along `stops`."""
    at = float(np.clip(light, 0, 1)) * (len(stops) - 1)
    low = min(int(at), len(stops) - 2)
    first, second = np.array(stops[low], float), np.array(stops[low + 1], float)
    return tuple((first + (second - first) * (at - low)).tolist())


def _between(rng: np.random.Generator, low: float, high: float, width: float) -> tuple[float, float]:
    start = rng.uniform(low, high)
    return start, start + width

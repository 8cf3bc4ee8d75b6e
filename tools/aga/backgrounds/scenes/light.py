"""Time of day, weather and season as they show in a picture: the sky, and the light on everything else."""

from dataclasses import dataclass

import cv2
import numpy as np

from tools.aga.backgrounds.scenes.reading import Scene
from tools.aga.backgrounds.scenes.vocabulary import Colour
from tools.aga.backgrounds.textures.fields import Field, coloured, fractal_noise, grid, mixed, smoothstep

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Light:
    """How a time of day, or a weather, lights a scene."""

    gain: tuple[float, float, float]
    """On red, green and blue."""
    contrast: float
    """Around the mean."""
    colour: float
    """Saturation that is left, as a share."""
    zenith: Colour
    horizon: Colour
    """Of a sky under it."""
    slant: float = 0.0
    """How much brighter one side is, as a share: low sun."""
    spot: float = 0.0
    """How much darker the corners are than the middle, as a share: a lamp."""


DAY = Light((1.0, 1.0, 1.0), 1.0, 1.0, (74, 132, 196), (196, 218, 236))
LIGHTS: dict[str, Light] = {
    "": DAY,
    "dawn": Light((0.84, 0.76, 0.82), 0.85, 0.8, (118, 132, 178), (250, 206, 180), slant=0.2),
    "morning": Light((1.02, 0.99, 0.92), 0.98, 0.95, (98, 150, 208), (224, 228, 228), slant=0.15),
    "noon": Light((1.1, 1.09, 1.05), 1.12, 1.08, (50, 112, 192), (182, 212, 238)),
    "afternoon": Light((1.04, 1.0, 0.92), 1.03, 1.0, (76, 128, 190), (214, 216, 214), slant=0.12),
    "golden": Light((1.12, 0.88, 0.58), 1.08, 1.0, (120, 132, 168), (252, 190, 112), slant=0.35),
    "dusk": Light((0.52, 0.45, 0.6), 0.9, 0.75, (46, 46, 96), (220, 128, 118), slant=0.15),
    "night": Light((0.23, 0.28, 0.43), 0.85, 0.55, (6, 9, 26), (24, 34, 62)),
    "lamplight": Light((0.74, 0.52, 0.28), 1.0, 0.9, (8, 8, 16), (22, 20, 30), spot=0.75),
    "even": Light((1.0, 1.0, 1.0), 0.88, 0.95, (190, 200, 208), (222, 226, 228)),
    "dim": Light((0.48, 0.5, 0.52), 0.85, 0.8, (112, 124, 138), (150, 158, 166)),
    "dappled": Light((0.98, 0.98, 0.88), 1.0, 1.0, (96, 146, 196), (206, 220, 224)),
    "cold": Light((0.88, 0.97, 1.08), 1.0, 0.85, (120, 150, 186), (206, 218, 230)),
}
"""By the times of `words.yaml`."""
_OVERCAST = Light((0.8, 0.82, 0.85), 0.82, 0.72, (158, 165, 172), (206, 209, 211))
_SKIES = {"overcast": _OVERCAST, "rain": _OVERCAST, "fog": _OVERCAST, "snowfall": _OVERCAST}
"""Weathers that hide the sun."""
DARK = ("night", "lamplight", "dusk")
"""Times that stay dark whatever the weather is."""


def light_of(scene: Scene) -> Light:
    """Time and weather together: clouds take the colour of the light, and leave the hour its darkness."""
    light, cover = LIGHTS[scene.time], _SKIES.get(scene.weather)
    if cover is None or scene.time == "lamplight":
        return light
    if scene.time == "night":
        return Light((0.18, 0.21, 0.29), 0.8, 0.4, (18, 21, 28), (32, 36, 44))
    level = float(np.dot(light.gain, _LUMINANCE)) if scene.time in (*DARK, "dim", "dawn") else 0.88
    gain = tuple(
        0.35 * own * cover_gain + 0.65 * level * cover_gain
        for own, cover_gain in zip(light.gain, cover.gain, strict=True)
    )
    return Light(
        (gain[0], gain[1], gain[2]),
        light.contrast * cover.contrast,
        light.colour * cover.colour,
        _between(light.zenith, cover.zenith, 0.8, level),
        _between(light.horizon, cover.horizon, 0.75, level),
        light.slant * 0.2,
    )


def _between(own: Colour, cover: Colour, share: float, level: float) -> Colour:
    red, green, blue = (
        round(first + (second * min(1.0, level + 0.1) - first) * share)
        for first, second in zip(own, cover, strict=True)
    )
    return red, green, blue


def lit_by(picture: np.ndarray, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """The picture, float32 (S, S, 3) under plain daylight, under the light of the scene."""
    light, size = light_of(scene), len(picture)
    x, y = grid(size)
    angle = rng.uniform(0, 2 * np.pi)
    mean = picture.mean(axis=(0, 1), keepdims=True)
    picture = mean + (picture - mean) * light.contrast
    grey = (picture @ _LUMINANCE)[..., None]
    picture = (grey + (picture - grey) * light.colour) * _gain(light, scene)
    if light.slant:
        side = (x - 0.5) * np.cos(angle) + (y - 0.5) * 0.5 * np.sin(angle)
        picture = picture * (1 + 2 * light.slant * side)[..., None]
    if light.spot:
        away = np.hypot(x - rng.uniform(0.4, 0.6), y - rng.uniform(0.35, 0.6))
        picture = picture * (1 + 0.75 * light.spot - 2.1 * light.spot * np.clip(away, 0, 0.75))[..., None]
    if scene.time == "dappled":
        spots = fractal_noise(rng, size, (8, 8), 2, 0.4)
        picture = picture * (0.6 + 0.6 * smoothstep(0.38, 0.68, spots))[..., None]
    if "backlit" in scene.style:
        glow = np.exp(-((x - 0.5) ** 2 + (y - 0.1) ** 2) / 0.12)
        picture = mixed(picture * 0.72, (255, 246, 224), glow * 0.7)
    return picture


def _gain(light: Light, scene: Scene) -> np.ndarray:
    """On red, green and blue: of its colour, the light keeps a part where the caption names the colour of things."""
    gain = np.array(light.gain, np.float32)
    if not scene.colour:
        return gain
    level = gain @ _LUMINANCE
    return level + (gain - level) * _ON_NAMED_COLOURS


_ON_NAMED_COLOURS = 0.25
"""Share of the light's colour that falls on things whose colour is named: a blue wall is blue by lamplight, too."""


def sky_of(scene: Scene, rng: np.random.Generator, size: int, clouded: bool = False) -> np.ndarray:
    """The sky above the scene, float32 (S, S, 3), already in its own light.

    Args:
        scene: its time and weather count.
        rng: for clouds and stars.
        size: side in pixels.
        clouded: draw clouds that are well seen.
    """
    light = light_of(scene)
    _, y = grid(size)
    picture = coloured(np.clip(y, 0, 1) ** 0.8, (light.zenith, light.horizon))
    cloud = fractal_noise(rng, size, (3.2, 2.0), 6, 0.52)
    stars = rng.random((90, 3))
    if scene.weather in ("overcast", "rain", "snowfall"):
        return picture * (0.84 + 0.3 * cloud)[..., None]
    if scene.weather == "fog":
        return picture
    if scene.time in ("night", "lamplight"):
        return _starred(picture, stars, size)
    amount = 0.9 if clouded else 0.45
    white = np.minimum(np.array(light.horizon, np.float32) * 0.35 + np.array((255, 252, 248)) * 0.65, 255)
    white = white * min(1.0, 0.25 + float(np.dot(light.gain, _LUMINANCE)))
    cover = smoothstep(0.5 if clouded else 0.56, 0.85, cloud) * amount
    lower = bent_down(cloud)
    shade = np.clip((lower - cloud) * 2.2, 0, 1) * 0.35
    return mixed(picture, white * (1 - shade)[..., None], cover)


def bent_down(field: Field) -> Field:
    """The field a little above each pixel: what the cloud over it hides."""
    step = max(1, len(field) // 24)
    return np.vstack([field[:1].repeat(step, axis=0), field[:-step]]) if step < len(field) else field


def _starred(picture: np.ndarray, stars: np.ndarray, size: int) -> np.ndarray:
    picture = np.ascontiguousarray(picture)
    for x, y, bright in stars.tolist():
        at = (int(x * size * 16), int(y * size * 16))
        level = 90 + 160 * bright
        cv2.circle(picture, at, max(5, round(size * 0.0022 * 16)), (level, level, level), -1, cv2.LINE_AA, 4)
    return picture


def weathered(
    picture: np.ndarray, scene: Scene, rng: np.random.Generator, distance: Field | None
) -> np.ndarray:
    """Fog, rain and falling snow before the picture; fog thickens with `distance` (0 near to 1 far)."""
    size = len(picture)
    light = light_of(scene)
    if scene.weather == "fog":
        thick = fractal_noise(rng, size, (2, 2), 3) * 0.2
        away = 0.42 if distance is None else 0.3 + 0.6 * distance
        return mixed(
            picture, light.horizon, np.clip(away + thick * (1 if distance is None else 0.6), 0, 0.93)
        )
    if scene.weather == "rain":
        return _rained(picture, rng, size)
    if scene.weather == "snowfall":
        return _snowed(picture, rng, size)
    return picture


def _rained(picture: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    """Bright streaks, all with one slant."""
    streaks = np.zeros((size, size), np.float32)
    lean = rng.uniform(-0.25, 0.25)
    for x, y, length in rng.random((60, 3)).tolist():
        length = 0.06 + 0.09 * length
        start = (int(x * size * 16), int((y - 0.1) * size * 16))
        end = (int((x + lean * length) * size * 16), int((y - 0.1 + length) * size * 16))
        cv2.line(streaks, start, end, 1.0, max(1, size // 160), cv2.LINE_AA, 4)
    return mixed(picture, (214, 222, 230), streaks * 0.32)


def _snowed(picture: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    flakes = np.zeros((size, size), np.float32)
    for x, y, near in rng.random((110, 3)).tolist():
        radius = (0.003 + 0.012 * near**3) * size
        cv2.circle(
            flakes,
            (int(x * size * 16), int(y * size * 16)),
            max(8, round(radius * 16)),
            1.0,
            -1,
            cv2.LINE_AA,
            4,
        )
    flakes = cv2.GaussianBlur(flakes, (0, 0), max(0.3, size / 300))
    return mixed(picture, (248, 250, 252), np.clip(flakes, 0, 1) * 0.9)

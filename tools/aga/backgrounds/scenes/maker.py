"""Backgrounds of kind `scenes`: a caption is read, its family drawn, lit by its hour, and photographed by its camera.

Needs neither weights nor photos. Equal caption, seed and size give equal bytes; the same scene at every size. Words
that are in no list change nothing; a caption of which no word says what it shows gets a plain backdrop.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from tools.aga.backgrounds.scenes import ground, places, plants, rooms
from tools.aga.backgrounds.scenes.camera import blurred, nearer, styled
from tools.aga.backgrounds.scenes.light import light_of, lit_by, sky_of, weathered
from tools.aga.backgrounds.scenes.places import Drawn, Surface
from tools.aga.backgrounds.scenes.reading import Scene, read
from tools.aga.backgrounds.scenes.vocabulary import Family, Palette, vocabulary
from tools.aga.backgrounds.textures import landscapes, surfaces
from tools.aga.backgrounds.textures.fields import coloured, fractal_noise, grid, mixed, smoothstep, stretched

VERSION = "scenes/2"
"""To be raised when a picture changes: stored backgrounds are found by it."""

SURFACES: dict[str, Surface] = {
    "sand": surfaces.sand,
    "grass": landscapes.grass,
    "foliage": landscapes.foliage,
    "leaf": plants.leaf,
    "flowers": plants.flowers,
    "moss": plants.moss,
    "litter": plants.litter,
    "litter/needles": plants.needles,
    "soil": ground.soil,
    "bark": ground.bark,
    "bark/white": ground.birch,
    "forest": plants.trunks,
    "rock": ground.rock,
    "pebbles": surfaces.pebbles,
    "pebbles/gravel": ground.soil,
    "water": landscapes.water,
    "snow": ground.snow,
    "asphalt": ground.asphalt,
    "lights": landscapes.bokeh,
    "brick": surfaces.bricks,
    "wood": surfaces.planks,
    "cloth": ground.fabric,
    "cloth/red": surfaces.cloth,
    "paper": ground.paper,
    "plaster": ground.plaster,
    "tiles": ground.tiles,
    "marble": surfaces.marble,
    "metal": ground.metal,
    "metal/rust": ground.rust,
}
"""Family, or family/palette → what draws it as a surface that fills the picture."""
_FROM_ABOVE: dict[str, Surface] = {
    "grass/green": plants.turf,
    "grass/straw": plants.turf,
    "asphalt/asphalt": ground.road,
}
"""What draws the ground of a place, where that is not the surface seen from near."""
_ROOMS: dict[str, Callable[[np.random.Generator, int, Palette], Drawn]] = {
    "hills": places.hills,
    "indoor": rooms.room,
    "bench": rooms.laboratory,
}
_INDOOR = ("indoor", "bench", "paper", "cloth", "lights")
"""Families on which neither rain nor snow falls."""


class ScenesMaker:
    """Draws backgrounds on the CPU; a BackgroundMaker."""

    identity = VERSION

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        """For each caption a picture, uint8 (size, size, 3), RGB; the same scene at every size."""
        return [draw(caption, seed, size) for caption, seed in zip(captions, seeds, strict=True)]


def draw(caption: str, seed: int, size: int) -> np.ndarray:
    """One background, uint8 (size, size, 3), RGB."""
    if size < 1:
        raise ValueError(f"a picture of {size} pixels")
    text = f"{caption}\0{seed}"
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))
    picture = painted(read(caption).scene, rng, size)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def painted(scene: Scene, rng: np.random.Generator, size: int) -> np.ndarray:
    """The scene, float32 (S, S, 3); a little of it may lie outside 0..255."""
    family = vocabulary().families[scene.family]
    if family.name in _INDOOR:
        scene = replace(scene, weather="" if scene.weather in ("rain", "snowfall", "fog") else scene.weather)
    # Of their own streams: whether a leaf is drawn does not move the clouds.
    own, sky, air, light = rng.spawn(4)
    if family.name == "sky":
        return styled(blurred(weathered(sky_of(scene, sky, size, True), scene, air, None), scene), scene, own)
    if family.name == "lights":
        scene = replace(scene, time="")
    drawn = _drawn(family, scene, own, size)
    picture = lit_by(_in_season(drawn, family, scene, own), scene, light)
    if family.name == "water":  # it mirrors the sky where it is bright
        bright = np.clip(picture.mean(axis=2) / 230, 0, 1)
        picture = mixed(picture, light_of(scene).horizon, 0.15 + 0.5 * bright)
    if drawn.sky is not None:
        picture = mixed(picture, sky_of(scene, sky, size), drawn.sky)
    if drawn.glow is not None:
        halo = cv2.GaussianBlur(drawn.glow, (0, 0), max(0.4, size * 0.02))
        picture = np.maximum(picture, drawn.glow) + 0.45 * halo
    picture = weathered(blurred(nearer(picture, scene), scene), scene, air, drawn.distance)
    return styled(picture, scene, own)


def _drawn(family: Family, scene: Scene, rng: np.random.Generator, size: int) -> Drawn:
    """The family in plain daylight, near or as a place."""
    palette = _palette(family, scene, rng)
    if family.name == "city":
        return rooms.city(rng, size, palette, scene)
    if family.name in _ROOMS:
        return _ROOMS[family.name](rng, size, palette)
    draw_surface = SURFACES.get(f"{family.name}/{scene.palette}", SURFACES[family.name])
    far = family.behind and scene.camera not in ("macro", "close", "above")
    if not (far and (scene.place or scene.camera == "wide")):
        return Drawn(draw_surface(rng, size, palette))
    low = scene.camera == "low"
    if family.name == "water":
        return places.lake(rng, size, draw_surface(rng, size, palette), low)
    if family.name == "flowers":
        green = vocabulary().families["grass"].palettes["green"]
        drawn = places.standing(rng, size, plants.turf(rng, size, green), family.behind, low)
        return replace(drawn, picture=plants.scattered(drawn.picture, rng, palette, 1.0, 0.4))
    above = _FROM_ABOVE.get(f"{family.name}/{scene.palette}", draw_surface)
    return places.standing(rng, size, above(rng, size, palette), family.behind, low)


def _palette(family: Family, scene: Scene, rng: np.random.Generator) -> Palette:
    """The palette in the colour that the caption asks for, each picture a little different."""
    palette = np.array(family.palettes[scene.palette], np.float32)
    at = list(family.tinted or range(len(palette)))
    if scene.colour and scene.colour != scene.palette:
        wanted = np.array(vocabulary().colours[scene.colour], np.float32)
        levels = palette[at].mean(axis=1, keepdims=True)
        middle = float(levels.mean()) or 1.0
        # Light and dark stay apart as they were, around the colour.
        spread = (levels - middle) * (0.9 if 60 < wanted.mean() < 200 else 0.55)
        palette[at] = wanted + spread * (0.45 + 0.55 * wanted / max(1.0, float(wanted.max())))
    if scene.shade:
        goal, share = (255.0, 0.45) if scene.shade == "pale" else (0.0, 0.42)
        palette[at] += (goal - palette[at]) * share
    palette = palette * (rng.uniform(0.93, 1.06) * rng.uniform(0.97, 1.03, 3)).astype(np.float32)
    return tuple(
        (round(red), round(green), round(blue)) for red, green, blue in np.clip(palette, 0, 255).tolist()
    )


def _in_season(drawn: Drawn, family: Family, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Autumn colours what is green, spring makes it lighter, winter takes its colour and leaves some snow."""
    picture, size = drawn.picture, len(drawn.picture)
    patches = fractal_noise(rng, size, (4, 4), 5, 0.6)
    if scene.weather == "snowfall" and family.name not in ("snow", "water"):
        picture = mixed(picture, (228, 234, 244), _lying(drawn, family, patches, 0.95))
    if scene.season == "winter" and family.name not in (*_INDOOR, "snow", "water", "city"):
        grey = picture.mean(axis=2, keepdims=True)
        picture = (grey + (picture - grey) * 0.6) * np.array((0.96, 1.0, 1.06), np.float32) + 10
        return mixed(picture, (224, 231, 242), _lying(drawn, family, patches, 0.75))
    if not family.plant:
        return picture
    red, green, blue = (picture[..., channel] for channel in range(3))
    leafy = np.clip((green - np.maximum(red * 0.82, blue)) / 40, 0, 1)
    if scene.season == "autumn":
        tone = np.clip(green / 190 + 0.35 * (patches - 0.5), 0, 1)
        return mixed(
            picture,
            coloured(tone, ((58, 26, 10), (158, 70, 22), (222, 132, 36), (246, 206, 96))),
            leafy * 0.92,
        )
    if scene.season == "spring":
        fresh = np.stack([red * 1.1 + 14, green * 1.12 + 12, blue * 0.9], axis=-1)
        return mixed(picture, fresh, leafy * 0.8)
    if scene.season == "summer":
        return mixed(picture, picture * np.array((1.06, 1.02, 0.88), np.float32), leafy * 0.6)
    return picture


def _lying(drawn: Drawn, family: Family, patches: np.ndarray, most: float) -> np.ndarray:
    """Where snow lies: on the ground of a place, else in patches on what is highest, which is lit best."""
    size = len(patches)
    _, y = grid(size)
    bright = cv2.GaussianBlur(drawn.picture.mean(axis=2), (0, 0), max(0.4, size / 160))
    high = 0.4 * patches + 0.6 * stretched(bright)
    if drawn.distance is not None or family.name == "forest":
        return most * smoothstep(0.3, 0.5, high) * smoothstep(0.35, 0.6, y)
    return most * smoothstep(0.52, 0.72, high)

"""Procedural backgrounds that differ from each other and need neither weights nor photos: the families and the maker.

The hash of the caption chooses the family (sky, hills, bricks, …) and the palette: the caption is not understood. The
seed varies the scene. Equal caption, seed and size give equal bytes.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from tools.aga.backgrounds.textures import landscapes, surfaces
from tools.aga.backgrounds.textures.fields import Palette

_T = TypeVar("_T")


@dataclass(frozen=True)
class Family:
    """Pictures of one kind."""

    draw: Callable[[np.random.Generator, int, Palette], np.ndarray]
    """A float32 picture (S, S, 3), 0..255, from a generator, a side in pixels and one of the palettes."""
    palettes: tuple[Palette, ...]


FAMILIES: dict[str, Family] = {
    "sky": Family(
        landscapes.sky,
        (
            ((44, 96, 168), (170, 205, 232), (150, 162, 178), (250, 250, 250)),
            ((58, 54, 110), (246, 164, 106), (120, 84, 116), (255, 208, 164)),
            ((96, 108, 124), (178, 186, 194), (88, 96, 108), (206, 210, 214)),
            ((10, 16, 44), (52, 68, 112), (20, 26, 48), (110, 122, 156)),
        ),
    ),
    "hills": Family(
        landscapes.hills,
        (
            ((92, 148, 206), (214, 228, 236), (142, 168, 186), (52, 92, 52), (96, 122, 54)),
            ((88, 60, 120), (250, 178, 120), (150, 104, 132), (62, 36, 54), (40, 26, 34)),
            ((120, 164, 204), (236, 232, 222), (196, 168, 150), (150, 94, 58), (192, 142, 92)),
            ((150, 170, 190), (232, 238, 242), (182, 198, 212), (96, 116, 136), (236, 242, 246)),
        ),
    ),
    "water": Family(
        landscapes.water,
        (
            ((12, 52, 84), (36, 112, 144), (168, 206, 216), (250, 252, 244)),
            ((14, 70, 66), (52, 148, 132), (176, 222, 204), (244, 255, 240)),
            ((34, 26, 60), (132, 72, 92), (246, 170, 112), (255, 232, 178)),
            ((30, 36, 42), (82, 92, 98), (160, 170, 174), (226, 232, 232)),
        ),
    ),
    "foliage": Family(
        landscapes.foliage,
        (
            ((10, 22, 12), (22, 58, 22), (62, 120, 42), (158, 194, 84)),
            ((30, 14, 8), (110, 40, 18), (204, 96, 26), (244, 190, 72)),
            ((8, 24, 28), (18, 70, 66), (58, 134, 112), (164, 212, 176)),
            ((34, 12, 24), (98, 26, 60), (176, 66, 104), (240, 166, 184)),
        ),
    ),
    "grass": Family(
        landscapes.grass,
        (
            ((176, 206, 150), (26, 62, 20), (78, 140, 44), (182, 212, 96)),
            ((232, 214, 164), (96, 72, 30), (178, 142, 64), (240, 216, 140)),
            ((132, 160, 170), (18, 44, 42), (52, 100, 78), (140, 178, 132)),
        ),
    ),
    "bokeh": Family(
        landscapes.bokeh,
        (
            ((14, 10, 22), (44, 26, 40), (255, 190, 90), (255, 130, 60), (255, 226, 170)),
            ((6, 12, 30), (18, 40, 70), (110, 180, 255), (240, 240, 255), (255, 120, 150)),
            ((8, 22, 12), (34, 66, 30), (190, 240, 120), (250, 250, 190), (120, 210, 140)),
            ((26, 8, 30), (70, 20, 66), (255, 90, 190), (140, 120, 255), (255, 200, 120)),
        ),
    ),
    "houses": Family(
        landscapes.houses,
        (
            ((24, 30, 66), (226, 130, 96), (70, 66, 96), (28, 28, 44), (255, 214, 120)),
            ((120, 164, 208), (222, 230, 234), (178, 178, 184), (132, 108, 92), (70, 90, 110)),
            ((8, 10, 26), (32, 40, 72), (36, 42, 66), (16, 18, 30), (248, 236, 176)),
            ((190, 194, 198), (224, 224, 222), (176, 170, 164), (196, 156, 116), (92, 98, 104)),
        ),
    ),
    "pebbles": Family(
        surfaces.pebbles,
        (
            ((34, 32, 30), (104, 104, 106), (156, 152, 146), (206, 200, 190)),
            ((42, 30, 22), (120, 86, 62), (176, 140, 104), (222, 204, 176)),
            ((18, 26, 32), (58, 74, 86), (104, 122, 130), (170, 182, 184)),
            ((58, 66, 40), (122, 118, 104), (164, 156, 138), (196, 190, 176)),
        ),
    ),
    "planks": Family(
        surfaces.planks,
        (
            ((40, 24, 14), (112, 68, 36), (168, 112, 64), (204, 154, 100)),
            ((30, 28, 26), (98, 94, 88), (140, 136, 130), (182, 180, 174)),
            ((24, 12, 8), (62, 32, 20), (96, 52, 32), (134, 80, 50)),
            ((120, 96, 66), (196, 164, 118), (222, 196, 152), (240, 222, 186)),
        ),
    ),
    "bricks": Family(
        surfaces.bricks,
        (
            ((186, 178, 168), (116, 48, 36), (160, 72, 50), (190, 106, 76)),
            ((92, 88, 84), (186, 182, 172), (212, 208, 200), (236, 232, 226)),
            ((58, 54, 52), (84, 82, 84), (112, 110, 110), (142, 138, 134)),
            ((204, 190, 160), (176, 136, 78), (204, 164, 104), (226, 196, 140)),
        ),
    ),
    "floor": Family(
        surfaces.floor,
        (
            ((206, 198, 184), (52, 52, 56), (232, 228, 220), (120, 116, 110)),
            ((156, 178, 176), (138, 78, 50), (206, 158, 116), (90, 62, 46)),
            ((224, 214, 196), (74, 108, 138), (226, 230, 232), (150, 160, 170)),
            ((110, 122, 96), (92, 86, 78), (164, 158, 146), (62, 58, 54)),
        ),
    ),
    "sand": Family(
        surfaces.sand,
        (
            ((142, 104, 62), (206, 168, 116), (244, 220, 176)),
            ((120, 58, 34), (186, 106, 64), (232, 168, 118)),
            ((150, 146, 140), (204, 200, 192), (244, 242, 238)),
            ((140, 158, 182), (208, 220, 234), (252, 253, 255)),
        ),
    ),
    "cloth": Family(
        surfaces.cloth,
        (
            ((176, 40, 44), (30, 40, 74), (236, 230, 216)),
            ((222, 214, 196), (96, 124, 150), (170, 100, 84)),
            ((42, 76, 60), (22, 30, 54), (206, 170, 80)),
            ((94, 82, 112), (196, 180, 204), (52, 44, 68)),
        ),
    ),
    "marble": Family(
        surfaces.marble,
        (
            ((206, 206, 208), (244, 243, 240), (110, 112, 120)),
            ((22, 24, 28), (60, 62, 68), (214, 196, 150)),
            ((64, 96, 84), (118, 152, 134), (222, 232, 220)),
            ((196, 150, 136), (232, 204, 190), (134, 78, 70)),
        ),
    ),
}


class TextureMaker:
    """Draws backgrounds on the CPU; a BackgroundMaker."""

    identity = "textures/1"  # to be raised when a picture changes: stored backgrounds are found by it

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        """For each caption a picture, uint8 (size, size, 3), RGB; the same scene at every size."""
        return [draw(caption, seed, size) for caption, seed in zip(captions, seeds, strict=True)]


def draw(caption: str, seed: int, size: int) -> np.ndarray:
    """One background, uint8 (size, size, 3), RGB."""
    if size < 1:
        raise ValueError(f"a picture of {size} pixels")
    theme = _generator(caption)
    family = FAMILIES[_choice(theme, sorted(FAMILIES))]
    palette = _tinted(theme, _choice(theme, family.palettes))
    picture = family.draw(_generator(caption, seed), size, palette)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _tinted(rng: np.random.Generator, palette: Palette) -> Palette:
    """The palette in slightly different light, so that captions that share it still differ."""
    gains = rng.uniform(0.86, 1.1, 3) * rng.uniform(0.9, 1.06)
    return tuple(
        (
            min(255, round(red * gains[0])),
            min(255, round(green * gains[1])),
            min(255, round(blue * gains[2])),
        )
        for red, green, blue in palette
    )


def _generator(*parts: object) -> np.random.Generator:
    text = "\0".join(str(part) for part in parts)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16]))


def _choice(rng: np.random.Generator, options: Sequence[_T]) -> _T:
    return options[int(rng.integers(len(options)))]

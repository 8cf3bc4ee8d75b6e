"""Procedural backgrounds that ignore what a caption says; for studies that began before there were `scenes`.

The hash of the caption chooses the family (sky, hills, bricks, …) and the palette: the caption is not understood. The
seed varies the scene. Equal caption, seed and size give equal bytes.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from tools.aga.backgrounds.textures import landscapes, surfaces
from tools.aga.backgrounds.textures.fields import Palette
from tools.files import read_yaml

_T = TypeVar("_T")


Draw = Callable[[np.random.Generator, int, Palette], np.ndarray]
"""A float32 picture (S, S, 3), 0..255, from a generator, a side in pixels and one of the family's palettes."""

FAMILIES: dict[str, Draw] = {
    function.__name__: function
    for function in (
        *(landscapes.sky, landscapes.hills, landscapes.water, landscapes.foliage, landscapes.grass),
        *(landscapes.bokeh, landscapes.houses),
        *(surfaces.pebbles, surfaces.planks, surfaces.bricks, surfaces.floor, surfaces.sand),
        *(surfaces.cloth, surfaces.marble),
    )
}


@lru_cache(maxsize=1)
def palettes() -> dict[str, tuple[Palette, ...]]:
    """The palettes of each family, from `palettes.yaml`."""
    found = read_yaml(Path(__file__).with_name("palettes.yaml"))
    return {
        name: tuple(tuple((red, green, blue) for red, green, blue in palette) for palette in rows)
        for name, rows in found.items()
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
    family = _choice(theme, sorted(FAMILIES))
    palette = _tinted(theme, _choice(theme, palettes()[family]))
    picture = FAMILIES[family](_generator(caption, seed), size, palette)
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

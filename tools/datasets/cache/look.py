"""What an image looked like when it was decoded: what its file stored, and what became of it.

Looks are kept beside the pixels, a row for each image (`pixels.py`), so that a study can say at no cost that its images
are black, blank, or not what their owner takes them for.
"""

from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Literal, get_args

import numpy as np

Kind = Literal[
    "1 bit", "8-bit grey", "8-bit colour", "CMYK", "16-bit grey", "16-bit colour", "floating-point", "DICOM"
]
"""What the numbers of a file are."""
KINDS: tuple[Kind, ...] = get_args(Kind)
DEEP: frozenset[Kind] = frozenset(["16-bit grey", "16-bit colour", "floating-point", "DICOM"])
"""Kinds whose numbers are scaled to 8 bits."""


class Flag(IntFlag):
    """What else there is to say of an image."""

    TRANSPARENT = 1
    HIDES_PICTURE = 2
    """More than half of it is transparent, and colours are painted under that."""
    FRAMES = 4
    """It has several; the first is used."""
    BAD_METADATA = 8
    """Its metadata could not be read, so its orientation is not known."""
    TURNED = 16
    """It was turned upright, as its EXIF orientation says."""
    PLAIN_CMYK = 32
    """A CMYK JPEG that does not say whether it is inverted."""


NOTHING = Flag(0)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the file holds. `low` and `high`: its smallest and largest number, where these are scaled to 8 bits."""

    kind: Kind
    low: float = 0.0
    high: float = 0.0
    flags: Flag = NOTHING

    def flagged(self, flag: Flag) -> "Stored":
        """With a flag more."""
        return replace(self, flags=self.flags | flag)


LOOK = np.dtype(
    [
        ("seen", "u1"),
        ("kind", "u1"),
        ("flags", "<u2"),
        ("low", "<f8"),
        ("high", "<f8"),
        ("darkest", "u1"),
        ("brightest", "u1"),
        ("levels", "u1"),
        ("constant", "u1"),
    ]
)
"""A row: `kind` counts in KINDS; `levels` are the different grey levels after decoding, at most 255."""

_SAMPLED = 1 << 13
"""Grey levels are counted in about this many pixels."""


def look_at(stored: Stored, pixels: np.ndarray) -> np.ndarray:
    """A row of the table, as an array of no dimension.

    Args:
        stored: what the file holds.
        pixels: uint8 (S, S, 3), what it was decoded to.
    """
    green = pixels[..., 1]
    step = max(1, int((green.size / _SAMPLED) ** 0.5))
    levels = np.count_nonzero(np.bincount(green[::step, ::step].ravel(), minlength=256))
    darkest, brightest = int(pixels.min()), int(pixels.max())
    constant = darkest == brightest or (levels == 1 and bool((pixels == pixels[0, 0]).all()))
    row = (1, KINDS.index(stored.kind), int(stored.flags), stored.low, stored.high)
    return np.array((*row, darkest, brightest, min(levels, 255), constant), dtype=LOOK)

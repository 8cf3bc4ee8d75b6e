"""A contact sheet of synthetic images: how each was made, from left to right. Light: no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tools.errors import ConfigurationError
from tools.sheet import SheetRow, draw_sheet

COLUMNS = ("real", "mask", "background", "composite")
EDITED_COLUMNS = ("real", "edited")
"""Where whole images were edited."""
TILE = 224
"""Longest side of a picture on the sheet, in pixels."""
_DIMMED = 0.2
"""Brightness that is left outside the mask, as a share."""
_OUTLINE = (255, 64, 160)


@dataclass(frozen=True, eq=False)
class Example:
    """One row of the sheet. Pictures are uint8 (H, W, 3), RGB, each of its own size."""

    real: np.ndarray
    mask: np.ndarray | None
    """bool, height and width of `real`; None where no subject was cut out."""
    background: np.ndarray | None
    composite: np.ndarray
    caption: str
    """What the background should show."""
    note: str = ""
    """Printed before the caption, for example the class."""


def contact_sheet(examples: Sequence[Example], path: Path, title: str) -> None:
    """Write a PNG with a row for each example: real image, mask, background and composite, the caption beneath.

    Args:
        examples: at least one; 4 to 12 read best.
        path: where the PNG is written; its folder must exist.
        title: above the rows.

    Raises:
        ConfigurationError: there is no example to show.
    """
    if not examples:
        raise ConfigurationError(
            f"there is no synthetic image for the contact sheet {path}: check how many the gates refused, and why"
        )
    rows = [
        SheetRow(
            _pictures(example),
            text=f"{example.note}: {example.caption}" if example.note else example.caption,
        )
        for example in examples
    ]
    columns = EDITED_COLUMNS if examples[0].mask is None else COLUMNS
    draw_sheet(title, rows, TILE, columns).save(path, format="PNG")


def _pictures(example: Example) -> tuple[np.ndarray, ...]:
    if example.mask is None or example.background is None:
        return example.real, example.composite
    return example.real, _masked(example.real, example.mask), example.background, example.composite


def _masked(real: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The real image, dark except for the subject, which is outlined."""
    dark = (real * _DIMMED).astype(np.uint8)
    picture = np.where(mask[..., None], real, dark)
    levels = mask.astype(np.uint8)
    contours, _ = cv2.findContours(levels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(picture, contours, -1, _OUTLINE, max(1, max(levels.shape) // TILE))

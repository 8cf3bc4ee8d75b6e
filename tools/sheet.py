"""A contact sheet of synthetic images: how each came about, from left to right, to look at. Light: no torch."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools.errors import ConfigurationError

COLUMNS = ("real", "mask", "background", "composite")
TILE = 224
"""Side of a tile in pixels; pictures keep their proportions in it."""
_GAP, _MARGIN = 6, 16
_TITLE_SIZE, _TITLE_LINE = 16, 22
_LABEL_SIZE, _LABEL_LINE = 13, 18
_CAPTION_LINES = 2
_INK, _FAINT, _PAPER, _BORDER = (24, 24, 27), (113, 113, 122), (255, 255, 255), (228, 228, 231)
_DIMMED = 0.2
"""What is left of the brightness of what the mask leaves out."""
_OUTLINE = (255, 64, 160)


@dataclass(frozen=True, eq=False)
class Example:
    """One row of the sheet. Pictures are uint8 (H, W, 3), RGB, each of its own size."""

    real: np.ndarray
    mask: np.ndarray
    """bool, height and width of `real`."""
    background: np.ndarray
    composite: np.ndarray
    caption: str
    """What the background should show."""
    note: str = ""
    """The class, or why a gate refused the image, say: printed before the caption."""


def contact_sheet(examples: Sequence[Example], path: Path, title: str) -> None:
    """Writes a PNG: a row for each example (real image, its mask, the background, the composite), captions beneath.

    Args:
        examples: at least one; 4 to 12 read best.
        path: where the PNG is written; its folder must exist.
        title: one line over it.

    Raises:
        ConfigurationError: there is no example to show.
    """
    if not examples:
        raise ConfigurationError(
            f"there is no synthetic image for the contact sheet {path}: look at the counts of what the gates refused"
        )
    font = ImageFont.load_default(size=_LABEL_SIZE)
    width = 2 * _MARGIN + len(COLUMNS) * (TILE + _GAP) - _GAP
    row = TILE + _CAPTION_LINES * _LABEL_LINE + 2 * _GAP
    top = _MARGIN + _TITLE_LINE + _LABEL_LINE + _GAP
    sheet = Image.new("RGB", (width, top + len(examples) * row + _MARGIN - _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    title_font = ImageFont.load_default(size=_TITLE_SIZE)
    draw.text((_MARGIN, _MARGIN), _lines(title, title_font, width - 2 * _MARGIN, 1)[0], _INK, title_font)
    for column, name in enumerate(COLUMNS):
        place = (_left(column) + TILE // 2, _MARGIN + _TITLE_LINE + _LABEL_LINE // 2)
        draw.text(place, name, _FAINT, font, anchor="mm")
    for number, example in enumerate(examples):
        y = top + number * row
        pictures = (example.real, _shown(example), example.background, example.composite)
        for column, picture in enumerate(pictures):
            _tile(sheet, draw, picture, _left(column), y)
        text = f"{example.note}: {example.caption}" if example.note else example.caption
        for line, words in enumerate(_lines(text, font, width - 2 * _MARGIN, _CAPTION_LINES)):
            draw.text((_MARGIN, y + TILE + _GAP + line * _LABEL_LINE), words, _INK, font)
    sheet.save(path, format="PNG")


def _left(column: int) -> int:
    return _MARGIN + column * (TILE + _GAP)


def _shown(example: Example) -> np.ndarray:
    """The real image, dark but for the subject, which is outlined."""
    dark = (example.real * _DIMMED).astype(np.uint8)
    picture = np.where(example.mask[..., None], example.real, dark)
    levels = example.mask.astype(np.uint8)
    contours, _ = cv2.findContours(levels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(picture, contours, -1, _OUTLINE, max(1, max(levels.shape) // TILE))


def _tile(sheet: Image.Image, draw: ImageDraw.ImageDraw, picture: np.ndarray, x: int, y: int) -> None:
    ratio = TILE / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * ratio)), max(1, round(picture.shape[0] * ratio)))
    # an enlarged pixel stays a pixel
    resample = Image.Resampling.NEAREST if ratio >= 1 else Image.Resampling.LANCZOS
    sheet.paste(Image.fromarray(picture).resize(size, resample), (x, y))
    draw.rectangle((x - 1, y - 1, x + size[0], y + size[1]), outline=_BORDER)


def _lines(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int, most: int) -> list[str]:
    """`text` broken into at most `most` lines of `width` pixels; the last ends in … where there is more."""
    text = " ".join(text.split()) or " "
    letters = max(10, int(width / (font.getlength(text) / len(text))) - 2)
    return textwrap.wrap(text, letters, max_lines=most, placeholder=" …") or [" "]

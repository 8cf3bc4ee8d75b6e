"""Contact sheets: rows of pictures with words at their left or beneath them, as one image. Light: no torch."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_GAP, _MARGIN = 6, 16
_TITLE_SIZE, _TITLE_LINE = 16, 22
_LABEL_SIZE, _LABEL_LINE = 13, 18
_INK, _FAINT, _PAPER, _BORDER = (24, 24, 27), (113, 113, 122), (255, 255, 255), (228, 228, 231)
_LABEL_LINES, _TEXT_LINES = 4, 2

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, eq=False)
class SheetRow:
    """One row of a contact sheet."""

    tiles: Sequence[np.ndarray]
    """uint8 (H, W, 3), RGB, each of its own size."""
    label: str = ""
    """Its name, at the left, in at most 4 lines."""
    note: str = ""
    """A faint line under the name."""
    captions: Sequence[Sequence[str]] = ()
    """The lines beneath each tile, cut to its width."""
    text: str = ""
    """Beneath the whole row, in at most 2 lines."""


def draw_sheet(
    title: str, rows: Sequence[SheetRow], tile: int, columns: Sequence[str] = (), label_width: int = 0
) -> Image.Image:
    """Draw a contact sheet, in RGB. The longest row decides how wide it is.

    Args:
        title: above the rows, in as many lines as it needs.
        rows: at least one; one of them has a tile.
        tile: longest side of each picture on the sheet, in pixels. Pictures keep their proportions; an enlarged pixel
            stays a square of one colour.
        columns: headings of the columns, if any.
        label_width: pixels for the names of the rows; 0 where they have none.
    """
    title_font, font = (ImageFont.load_default(size=size) for size in (_TITLE_SIZE, _LABEL_SIZE))
    left = _MARGIN + label_width
    width = left + max(len(row.tiles) for row in rows) * (tile + _GAP) - _GAP + _MARGIN
    inner = width - 2 * _MARGIN
    titles = _wrapped(title, title_font, inner)
    texts = [_wrapped(row.text, font, inner, _TEXT_LINES) if row.text else [] for row in rows]
    tops = [_MARGIN + len(titles) * _TITLE_LINE + (_LABEL_LINE if columns else 0) + _GAP]
    for row, text in zip(rows, texts, strict=True):
        lines = max(map(len, row.captions), default=0) + len(text)
        tops.append(tops[-1] + tile + lines * _LABEL_LINE + (3 * _GAP if text else _GAP))
    sheet = Image.new("RGB", (width, tops[-1] + _MARGIN - _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    lefts = [left + number * (tile + _GAP) for number in range(max(len(row.tiles) for row in rows))]
    for number, line in enumerate(titles):
        draw.text((_MARGIN, _MARGIN + number * _TITLE_LINE), line, _INK, title_font)
    for x, heading in zip(lefts, columns, strict=False):
        draw.text((x + tile // 2, tops[0] - _GAP - _LABEL_LINE // 2), heading, _FAINT, font, anchor="mm")
    for y, row, text in zip(tops, rows, texts, strict=False):
        names = [(line, _INK) for line in _wrapped(row.label, font, label_width - 2 * _GAP, _LABEL_LINES)]
        names += [(row.note, _FAINT)] if row.note else []
        middle = y + tile // 2 - (len(names) - 1) * _LABEL_LINE // 2
        for number, (line, colour) in enumerate(names):
            draw.text((_MARGIN, middle + number * _LABEL_LINE), line, colour, font, anchor="lm")
        for x, picture in zip(lefts, row.tiles, strict=False):
            scaled = _scaled(picture, tile)
            sheet.paste(scaled, (x, y))
            draw.rectangle((x - 1, y - 1, x + scaled.width, y + scaled.height), outline=_BORDER)
        for x, lines in zip(lefts, row.captions, strict=False):
            for number, line in enumerate(lines):
                place = (x + tile // 2, y + tile + 4 + number * _LABEL_LINE)
                draw.text(place, _shortened(line, font, tile), _INK, font, anchor="mt")
        for number, line in enumerate(text):
            draw.text((_MARGIN, y + tile + _GAP + number * _LABEL_LINE), line, _INK, font)
    return sheet


def _scaled(picture: np.ndarray, tile: int) -> Image.Image:
    height, width = picture.shape[:2]
    ratio = tile / max(height, width)
    resample = Image.Resampling.NEAREST if ratio >= 1 else Image.Resampling.LANCZOS
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return Image.fromarray(picture).resize(size, resample)


def _wrapped(text: str, font: _Font, width: int, most: int | None = None) -> list[str]:
    """`text` in lines of about `width` pixels; at most `most`, the last of which then ends in … ."""
    text = " ".join(text.split())
    if not text:
        return []
    if font.getlength(text) <= width:
        return [text]
    letters = int(width * len(text) / font.getlength(text))
    return textwrap.wrap(
        text, max(6, letters - 2), max_lines=most, placeholder=" …", break_long_words=bool(most)
    )


def _shortened(text: str, font: _Font, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"

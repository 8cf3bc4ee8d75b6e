"""A contact sheet of a data set: a row for each class, some of its training images in each, to look at."""

import hashlib
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools.datasets.cache.pixels import PixelFolder
from tools.datasets.cache.read import Rows
from tools.datasets.cache.views import View

ROWS, COLUMNS = 20, 8
"""So many classes, and images of each, are shown at most."""
TILE = 112
"""Side of a tile in pixels."""
_GAP, _MARGIN, _NAMES = 4, 16, 168
_TITLE_SIZE, _LABEL_SIZE, _LINE = 17, 14, 18
_INK, _FAINT, _PAPER = (24, 24, 27), (113, 113, 122), (255, 255, 255)
_NAME_LINES = 4


@dataclass(frozen=True)
class _Row:
    name: str
    images: int
    chosen: Sequence[np.ndarray]


def class_sheet(division: View, pixels: Path, file: Path) -> None:
    """Write a PNG of training images; those of the other splits are not touched.

    Which images are shown is drawn by their names, at most one of each group while there are enough groups. Of more
    than 20 classes, 20 are shown, evenly spread over their order.

    Args:
        division: the splits, with rows of `pixels`.
        pixels: the folder of decoded images.
        file: where the PNG is written; its folder must exist.

    Raises:
        OSError: it cannot be written.
    """
    classes = division.card.classes
    shown = sorted({number * len(classes) // ROWS for number in range(ROWS)})
    rows = [_row(division, PixelFolder(pixels), label) for label in shown]
    title = f"{division.card.title}: training images of " + (
        f"{len(shown)} of its {len(classes)} classes" if len(shown) < len(classes) else "each class"
    )
    _draw(title, rows).save(file, format="PNG")


def _row(division: View, pixels: PixelFolder, label: int) -> _Row:
    its = [
        at for at, record in enumerate(division.records) if record.split == "train" and record.label == label
    ]
    order = sorted(its, key=lambda at: hashlib.sha256(division.records[at].file.encode()).digest())
    firsts = {division.records[at].group: at for at in reversed(order)}
    order.sort(key=lambda at: firsts[division.records[at].group] != at)
    chosen = np.asarray([division.rows[at] for at in order[:COLUMNS]], dtype=np.int64)
    opened = Rows(pixels.pixels, chosen)
    return _Row(division.card.classes[label], len(its), [opened.read(at) for at in range(len(chosen))])


def _draw(title: str, rows: Sequence[_Row]) -> Image.Image:
    font, title_font = (ImageFont.load_default(size=size) for size in (_LABEL_SIZE, _TITLE_SIZE))
    left, top = _MARGIN + _NAMES, _MARGIN + 2 * _LINE
    width = left + COLUMNS * (TILE + _GAP) - _GAP + _MARGIN
    sheet = Image.new("RGB", (width, top + len(rows) * (TILE + _GAP) - _GAP + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN - 4), _broken(title, title_font, width - 2 * _MARGIN, 1)[0], _INK, title_font)
    for number, row in enumerate(rows):
        y = top + number * (TILE + _GAP)
        names = _broken(row.name, font, _NAMES - 12, _NAME_LINES)
        for line, words in enumerate(names):
            draw.text((_MARGIN, y + 4 + line * _LINE), words, _INK, font)
        count = f"{row.images:,} image{'' if row.images == 1 else 's'}"
        draw.text((_MARGIN, y + 4 + len(names) * _LINE), count, _FAINT, font)
        for column, picture in enumerate(row.chosen):
            # An enlarged pixel stays a pixel.
            how = Image.Resampling.NEAREST if picture.shape[0] <= TILE else Image.Resampling.LANCZOS
            tile = Image.fromarray(picture).resize((TILE, TILE), how)
            sheet.paste(tile, (left + column * (TILE + _GAP), y))
    return sheet


def _broken(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int, most: int
) -> list[str]:
    """`text` in at most `most` lines of `width` pixels; the last ends in … where there is more."""
    letters = max(4, int(width / (font.getlength(text or " ") / max(1, len(text)))))
    return textwrap.wrap(text, letters, max_lines=most, placeholder=" …") or [" "]

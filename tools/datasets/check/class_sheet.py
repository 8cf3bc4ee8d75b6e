"""A contact sheet of a data set: a row for each class, with some of its training images."""

import hashlib
from pathlib import Path

import numpy as np

from tools.datasets.cache.pixels import PixelFolder
from tools.datasets.cache.read import Rows
from tools.datasets.cache.views import View
from tools.sheet import SheetRow, draw_sheet
from tools.text import encoded

ROWS, COLUMNS = 20, 8
"""The most classes, and images of each, that are shown."""
TILE = 112
"""Side of a tile in pixels."""
_NAME_WIDTH = 168


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
    draw_sheet(title, rows, TILE, label_width=_NAME_WIDTH).save(file, format="PNG")


def _row(division: View, pixels: PixelFolder, label: int) -> SheetRow:
    images = [
        at
        for at, record in enumerate(division.records)
        if record.split == "train" and label in division.card.labels_of(record.label)
    ]
    order = sorted(images, key=lambda at: hashlib.sha256(encoded(division.records[at].file)).digest())
    first_of_group = {division.records[at].group: at for at in reversed(order)}
    order.sort(key=lambda at: first_of_group[division.records[at].group] != at)
    chosen = np.asarray([division.rows[at] for at in order[:COLUMNS]], dtype=np.int64)
    opened = Rows(pixels.pixels, chosen)
    return SheetRow(
        [opened.read(at) for at in range(len(chosen))],
        division.card.classes[label],
        f"{len(images):,} image{'' if len(images) == 1 else 's'}",
    )

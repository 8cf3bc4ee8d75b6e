"""Inspect every image of a data set without stopping at errors: what is unreadable, what is there twice, and which
splits a study would use. `check_report.py` judges it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tools.datasets.cache.appearance import Oddity
from tools.datasets.cache.build import DecodedImages, decoded_images, make_view, published_gaps
from tools.datasets.cache.decode_all import OnProgress
from tools.datasets.cache.levels import Span
from tools.datasets.cache.pixels import PixelFolder
from tools.datasets.cache.read import Skipped
from tools.datasets.cache.views import View, count_classes
from tools.datasets.config import DataConfig
from tools.datasets.splits.leaks import Pair
from tools.datasets.splits.likeness import count_plain
from tools.datasets.types import Dataset, Record
from tools.errors import AugurError


@dataclass(frozen=True)
class Inspection:
    """What was found in a data set."""

    published: Dataset
    usable: Sequence[Record]
    """Records whose images are readable, in the splits they were published with."""
    skipped: Sequence[Skipped]
    pairs: Sequence[Pair]
    """Those of `usable` (by position) that show the same picture, in the same split or not."""
    plain: int
    """How many of `usable` have too little structure to be compared with others; 0 where nothing is compared."""
    division: View | None
    """The splits that a study would use, with leaks dropped where it would stop; None if no study is possible."""
    refusal: str
    """Why a study stops, be it at leaks only; '' if it does not, or if the data set is published for tests only."""
    pixels: Path
    """The folder of decoded images, whose rows `division` names."""
    odd: Sequence[Oddity]
    """What is odd about the appearance of those of `usable`."""
    span: Span | None
    """The numbers that became black and white in images of more than 8 bits; None: the range of their type."""


def inspect(
    published: Dataset,
    config: DataConfig,
    image_size: int,
    root: Path,
    progress: OnProgress | None = None,
) -> Inspection:
    """Decode every image, or open what was decoded before, and search for copies.

    Unreadable images and leaks are recorded, not raised. The pixels are those that a study with these settings uses.

    Args:
        published: as `open_published` returns it.
        config: everything that decides how images are decoded and divided.
        image_size: side of the decoded images in pixels.
        root: folder of all caches.
        progress: called with (images done, images in all).

    Raises:
        AugurError: the disk is full or cannot be written, or a decoding process died.
    """
    lenient = config.model_copy(update={"on_corrupt": "skip"})
    division, refusal = None, ""
    with decoded_images(published, lenient, image_size, root, progress) as found:
        if published.shift_of is None:
            division, refusal = _divided(found, published, lenient)
        if refusal and config.on_leak == "stop":
            dropping = lenient.model_copy(update={"on_leak": "drop"})
            division, further = _divided(found, published, dropping)
            refusal = further or refusal
        rows = _rows(found)
        return Inspection(
            published,
            found.usable.records,
            found.skipped,
            found.pairs,
            _count_plain(found.folder, rows) if config.leak_guard == "near" else 0,
            division,
            refusal,
            found.folder,
            found.odd(found.usable.records, rows),
            found.plan.decoding.span,
        )


def _divided(found: DecodedImages, published: Dataset, config: DataConfig) -> tuple[View | None, str]:
    """The splits of a study with these settings, or why there are none."""
    try:
        asked = replace(published, published=published)
        division = make_view(found.usable, asked, found.pairs, found.plan, config)
        division = replace(division, skipped=found.skipped)
        count_classes(division, published_gaps(published, config))
    except AugurError as error:
        return None, str(error)
    return division, ""


def _count_plain(folder: Path, rows: Sequence[int]) -> int:
    thumbnails = np.load(PixelFolder(folder).thumbnails, mmap_mode="r", allow_pickle=False)
    return count_plain(thumbnails, rows)


def _rows(found: DecodedImages) -> list[int]:
    row_of = dict(zip(found.plan.files, found.plan.row_of, strict=True))
    return [row for record in found.usable.records if (row := row_of[record.file]) is not None]

"""Build the decode-once cache: every image as RGB bytes of one size, on disk, shared by all trials.

`pixels.py` is the folder of pixels and `fill.py` completes it; near-duplicates in it are searched for once
(`likeness.py`); `assign.py` decides the splits, `leaks.py` guards them, `views.py` writes them down, and `read.py`
reads them. A folder gets its final name only when it is complete.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tools.datasets.cache.appearance import Oddity, oddities
from tools.datasets.cache.decode_all import OnProgress
from tools.datasets.cache.fill import (
    DecodePlan,
    fill_folder,
    plan_decoding,
    remove_abandoned,
    unreadable_images,
)
from tools.datasets.cache.pixels import USED, Decoding, PixelFolder, read_part
from tools.datasets.cache.read import CachedDataset, Skipped, open_cache
from tools.datasets.cache.value_range import describe_span, span_of
from tools.datasets.cache.views import View, write_view
from tools.datasets.config import DataConfig
from tools.datasets.splits.assign import assign_splits
from tools.datasets.splits.contradictions import resolve_contradictions
from tools.datasets.splits.copies import pairs_among
from tools.datasets.splits.leaks import EXACT, Pair, resolve_image_leaks
from tools.datasets.splits.likeness import find_alike
from tools.datasets.types import SPLITS, Dataset, Record, Split
from tools.disk import disk_errors_explained
from tools.errors import DataError
from tools.files import locked, write_json

_log = logging.getLogger(__name__)

_LIKENESS_IN_WORDS = {
    "same": "the same picture, saved or sized otherwise",
    "mirrored": "the same picture, mirrored",
    "turned": "the same picture, turned",
}


def build_cache(
    dataset: Dataset,
    config: DataConfig,
    image_size: int,
    root: Path,
    progress: OnProgress | None = None,
    comparing: OnProgress | None = None,
) -> CachedDataset:
    """Decode and resize every image once, or open what an earlier call made of the same images.

    Safe to be killed at any point (the next call resumes), and to be called by several processes at once (one builds,
    the others wait). Existing pixels are checked, and damaged ones are decoded again; images that another folder of
    the same size holds are copied from it. Memory does not grow with the data set.

    Args:
        dataset: as `open_dataset` returns it.
        config: everything that decides how images are decoded and divided.
        image_size: side of the decoded images in pixels.
        root: folder of all caches.
        progress: called with (images done, images in all).
        comparing: called with (images done, images in all) during the search for near-duplicates.

    Raises:
        DataError: an image cannot be read (unless these are to be skipped), the same image is in two splits (unless
            these are to be dropped or moved), or a class has no image left in a split.
        AugurError: the disk is full or cannot be written, or a decoding process died.
    """
    published = dataset.published or dataset
    with decoded_images(published, config, image_size, root, progress, comparing) as found:
        if found.skipped and config.on_corrupt == "stop":
            raise unreadable_images(found.skipped, len(found.plan.contents), published.source)
        view = make_view(found.usable, dataset, found.pairs, found.plan, config)
        odd = [each.line for each in found.odd(view.records, view.rows)]
        view = replace(
            view,
            skipped=found.skipped,
            notes=(*view.notes, *found.repairs, *describe_span(config, found.plan.decoding.span)),
            warnings=(*view.warnings, *odd),
        )
        written = write_view(found.folder, view, found.plan.decoding, published_gaps(published, config))
    return open_cache(written)


@dataclass(frozen=True)
class DecodedImages:
    """A data set as it was published, with the pixels of every readable image on disk."""

    folder: Path
    plan: DecodePlan
    usable: Dataset
    """Without the records of unreadable images."""
    skipped: tuple[Skipped, ...]
    pairs: list[Pair]
    """Records of `usable` (by position) that show the same picture."""
    repairs: tuple[str, ...]
    """Notes on what was damaged on disk and decoded again."""

    def odd(self, records: Sequence[Record], rows: Sequence[int]) -> list[Oddity]:
        """What is odd about the images of these records, which are in these rows."""
        looks = PixelFolder(self.folder).looks()[list(rows)]
        return oddities(records, looks, self.usable.card, self.plan.decoding.span)


@contextmanager
def decoded_images(
    published: Dataset,
    config: DataConfig,
    image_size: int,
    root: Path,
    progress: OnProgress | None = None,
    comparing: OnProgress | None = None,
) -> Iterator[DecodedImages]:
    """The part of `build_cache` that does not depend on the splits; within, no other process writes the folder.

    Raises:
        DataError: an image cannot be read and was not decoded yet (unless these are to be skipped).
        AugurError: the disk is full or cannot be written, or a decoding process died.
    """
    root = root.absolute()
    with disk_errors_explained(root):
        root.mkdir(parents=True, exist_ok=True)
    span = span_of(published, config, progress)
    plan = plan_decoding(published, Decoding(image_size, config.fit, config.max_pixels, span=span), root)
    folder = root / f"{folder_prefix(published.card.name)}-{image_size}px-{plan.key[:16]}"
    waits = f"Another process decodes these images: waiting for it (it holds {folder}.lock)."
    with locked(Path(f"{folder}.lock"), lambda: _log.info(waits)), disk_errors_explained(root):
        unreadable, repairs = fill_folder(folder, plan, published.source, config, progress)
        (folder / USED).touch()
        remove_abandoned(root, folder.name.rpartition("-")[0])
        readable = [at for at, row in enumerate(plan.row_of) if row is not None and row not in unreadable]
        usable = replace(published, records=tuple(published.records[at] for at in readable))
        pairs = _pairs(PixelFolder(folder), [plan.row_of[at] for at in readable], config, comparing)
        yield DecodedImages(folder, plan, usable, plan.skipped(unreadable), pairs, repairs)


def _pairs(
    folder: PixelFolder, rows: Sequence[int | None], config: DataConfig, comparing: OnProgress | None
) -> list[Pair]:
    """Positions in `rows` that show the same picture: the same row, and, if asked for, near-duplicates.

    They connect all copies of a picture, but are not every two of them: `pairs_among` is for a part of the records.
    """
    first: dict[int, int] = {}
    pairs: list[Pair] = []
    for at, row in enumerate(rows):
        if row is None:
            continue
        if row in first:
            pairs.append(Pair(first[row], at, EXACT))
        else:
            first[row] = at
    if config.leak_guard == "near":
        pairs += [
            Pair(first[one], first[other], _LIKENESS_IN_WORDS[how])
            for one, other, how in _near_duplicates(folder, comparing)
            if one in first and other in first
        ]
    return pairs


def _near_duplicates(folder: PixelFolder, comparing: OnProgress | None) -> list[tuple[int, int, str]]:
    """Rows that show the same picture, and how; searched for once in a folder."""
    if not folder.alike.exists():
        thumbnails = np.load(folder.thumbnails, mmap_mode="r", allow_pickle=False)

        def report(done: int, total: int) -> None:
            if comparing is not None:
                comparing(len(thumbnails) * done // total, len(thumbnails))

        found = find_alike(thumbnails, report, folder.folder)
        write_json(folder.alike, {"pairs": [(each.one, each.other, each.how) for each in found]})
    return [tuple(pair) for pair in read_part(folder.alike)["pairs"]]


def make_view(
    usable: Dataset, asked: Dataset, pairs: Sequence[Pair], plan: DecodePlan, config: DataConfig
) -> View:
    """The images in the splits that are used, free of leaks.

    Args:
        usable: as published, with readable images only.
        asked: the data set that was asked for: if it has `published`, its splits are made here.
        pairs: records of `usable` (by position) that show the same picture.
        plan: the row of each file.
        config: everything that decides the splits.

    Raises:
        DataError: the splits cannot be made, or leak and `on_leak` is 'stop', or half of a class is in another one too.
    """
    if not usable.records:
        raise DataError(f"no image of {usable.card.name} can be read: there is nothing to divide into splits")
    # The user cannot fix what was published with contradictions and leaks.
    rule = "keep" if usable.known_leaks and config.on_two_labels == "auto" else config.on_two_labels
    kept, warnings = resolve_contradictions(usable.records, pairs, rule, usable.card)
    usable, pairs = _only(usable, pairs, kept)
    divided = usable
    if asked.published:
        divided = assign_splits(usable, config, [(pair.one, pair.other) for pair in pairs])
    at_of = {record.file: at for at, record in enumerate(divided.records)}
    now_at = {
        before: at_of[record.file] for before, record in enumerate(usable.records) if record.file in at_of
    }
    used_pairs = pairs_among(pairs, usable.records, now_at)
    on_leak = "drop" if usable.known_leaks and config.on_leak == "stop" else config.on_leak
    records, notes = resolve_image_leaks(divided.records, used_pairs, on_leak, usable.card)
    records = sorted(records, key=lambda record: (SPLITS.index(record.split), record.file))
    row_of = {
        file: (row, content.sha256)
        for file, row, content in zip(plan.files, plan.row_of, plan.contents, strict=True)
    }
    rows, contents = zip(*(row_of[record.file] for record in records), strict=True)
    return View(
        usable.card, records, rows, contents, (), (*divided.notes, *notes), (*divided.warnings, *warnings)
    )


def _only(dataset: Dataset, pairs: Sequence[Pair], kept: Sequence[int]) -> tuple[Dataset, list[Pair]]:
    """The records at these positions, and the pairs among them."""
    now_at = {before: now for now, before in enumerate(kept)}
    among = pairs_among(pairs, dataset.records, now_at)
    return replace(dataset, records=tuple(dataset.records[at] for at in kept)), among


def published_gaps(published: Dataset, config: DataConfig) -> set[tuple[Split, int]]:
    """Published splits without any image of some class (its label)."""
    if config.splits is not None:
        return set()
    given: list[Split] = [split for split in SPLITS if split not in published.missing]
    present: set[tuple[Split, int]] = {
        (record.split, label)
        for record in published.records
        for label in published.card.labels_of(record.label)
    }
    labels = range(len(published.card.classes))
    expected: set[tuple[Split, int]] = {(split, label) for split in given for label in labels}
    return expected - present


def folder_prefix(name: str) -> str:
    """The beginning of the names of all folders of the data set `name`."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:40] or "data"

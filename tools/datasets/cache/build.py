"""Build the decode-once cache: every image as RGB bytes of one size, on disk, shared by all trials.

`pixels.py` is the folder of pixels and `staging.py` fills it; what is alike in it is looked for once (`likeness.py`);
`settle.py` decides the splits, `leaks.py` guards them, `views.py` writes them down, and `cached.py` reads them. A
folder takes its final name when it is complete, and not before.
"""

import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from tools.datasets.cache.content import Content, ContentIndex
from tools.datasets.cache.decode_all import Progress, Row, stage
from tools.datasets.cache.pixels import USED, Decoding, PixelFolder, pixel_folders, read_part
from tools.datasets.cache.read import CachedDataset, SealedTestError, Skipped, SplitView, open_cache
from tools.datasets.cache.views import View, write_view
from tools.datasets.config import DataConfig
from tools.datasets.splits.assign import settle
from tools.datasets.splits.leaks import EXACT, NAMED, Pair, clear_pairs
from tools.datasets.splits.likeness import find_alike
from tools.datasets.types import SPLITS, Dataset, Source, Split
from tools.errors import AugurError, DataError
from tools.files import write_json

__all__ = [
    "CachedDataset",
    "SealedTestError",
    "Skipped",
    "SplitView",
    "build_cache",
    "open_cache",
]

_LOOKS = {
    "same": "the same picture, saved or sized otherwise",
    "mirrored": "the same picture, mirrored",
    "turned": "the same picture, turned",
}


def build_cache(
    dataset: Dataset,
    config: DataConfig,
    image_size: int,
    root: Path,
    progress: Progress | None = None,
    comparing: Progress | None = None,
) -> CachedDataset:
    """Decode and resize every image once, or open what an earlier call made of the same images.

    Safe to be killed at any point (the next call goes on), and to be called by several processes at once (one
    builds, the others wait). Pixels that are there already are checked, and those that were damaged since are made
    again; images that another folder of the same size holds are copied from it. Memory does not grow with the data
    set.

    Args:
        dataset: as `open_dataset` returns it.
        config: everything that decides how images are decoded and divided.
        image_size: side of the decoded images in pixels.
        root: folder of all caches.
        progress: called with (images done, images in all).
        comparing: called with (images done, images in all) while pictures that look alike are searched for.

    Raises:
        DataError: an image cannot be read (unless they are to be skipped), the same image is in two splits (unless
            those are to be dropped or moved), or a class is left without images in a split.
        AugurError: the disk is full or cannot be written, or a decoding process died.
    """
    published = dataset.published or dataset
    with decoded(published, config, image_size, root, progress, comparing) as found:
        if found.skipped and config.on_corrupt == "stop":
            raise DataError(_corrupt_message(found.skipped, len(found.plan.contents), published.source))
        view = divide(found.usable, dataset, found.pairs, found.plan, config)
        view = replace(view, skipped=found.skipped, notes=(*view.notes, *found.mended))
        written = write_view(found.folder, view, found.plan.decoding, published_gaps(published, config))
    return open_cache(written)


@dataclass(frozen=True)
class Decoded:
    """A data set as it was published, with the pixels of every readable image on disk."""

    folder: Path
    plan: "Plan"
    usable: Dataset
    """Without the records whose images are unreadable."""
    skipped: tuple[Skipped, ...]
    pairs: list[Pair]
    """Records of `usable` (by position) that show the same picture."""
    mended: tuple[str, ...]


@contextmanager
def decoded(
    published: Dataset,
    config: DataConfig,
    image_size: int,
    root: Path,
    progress: Progress | None = None,
    comparing: Progress | None = None,
) -> Iterator[Decoded]:
    """The first half of `build_cache`, whatever splits are made of it; no other process writes the folder within.

    Raises:
        DataError: an image cannot be read and was not decoded yet (unless they are to be skipped).
        AugurError: the disk is full or cannot be written, or a decoding process died.
    """
    root = root.absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AugurError(
            f"the folder {root} for decoded images cannot be made ({error.strerror}): choose another --runs-dir"
        ) from error
    plan = _plan(published, Decoding(image_size, config.fit, config.max_pixels), root)
    folder = root / f"{slug(published.card.name)}-{image_size}px-{plan.key[:16]}"
    with FileLock(f"{folder}.lock"):
        unreadable, mended = _fill(folder, plan, published.source, config, progress)
        (folder / USED).touch()
        _remove_abandoned(root, folder.name.rpartition("-")[0])
        readable = [at for at, row in enumerate(plan.row_of) if row is not None and row not in unreadable]
        usable = replace(published, records=tuple(published.records[at] for at in readable))
        pairs = _pairs(PixelFolder(folder), [plan.row_of[at] for at in readable], config, comparing)
        yield Decoded(folder, plan, usable, plan.skipped(unreadable), pairs, mended)


@dataclass(frozen=True)
class Plan:
    """What is to be decoded: the data set's images as they were published, and the row of each distinct content."""

    decoding: Decoding
    files: Sequence[str]
    contents: Sequence[Content]
    row_of: Sequence[int | None]
    """Of each file; None where its bytes cannot even be had."""
    rows: Sequence[Row]
    key: str

    def skipped(self, unreadable: Mapping[int, str]) -> tuple[Skipped, ...]:
        """Every file that cannot be used, in the order of the files."""
        reasons = [
            content.reason if row is None else unreadable.get(row, "")
            for content, row in zip(self.contents, self.row_of, strict=True)
        ]
        return tuple(
            Skipped(file, reason) for file, reason in sorted(zip(self.files, reasons, strict=True)) if reason
        )


def _plan(dataset: Dataset, decoding: Decoding, root: Path) -> Plan:
    files = [record.file for record in dataset.records]
    contents = list(ContentIndex(root / "content.sqlite").contents(dataset.source, files))
    numbers: dict[bytes, int] = {}
    rows: list[Row] = []
    row_of: list[int | None] = [None] * len(files)
    for at in sorted(range(len(files)), key=files.__getitem__):
        content = contents[at].sha256
        if content is None:
            continue
        if content not in numbers:
            numbers[content] = len(rows)
            rows.append(Row(files[at], len(rows), content, contents[at].size))
        row_of[at] = numbers[content]
    digest = hashlib.sha256(json.dumps(astuple(decoding)).encode())
    for row in rows:
        digest.update(row.content)
    return Plan(decoding, files, contents, row_of, rows, digest.hexdigest())


def _fill(
    folder: Path, plan: Plan, source: Source, config: DataConfig, progress: Progress | None
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Make the folder complete; the rows whose images are unreadable, and what was mended."""
    notes: tuple[str, ...] = ()
    if folder.exists():
        try:
            return _mend(PixelFolder(folder), plan, source, config, progress)
        except DataError as error:
            notes = (f"the decoded images were made again: {error}",)
            _empty(folder)
    partial = PixelFolder(_partial(folder))
    partial.allocate([row.content for row in plan.rows], plan.decoding)
    partial.borrow([other for other in pixel_folders(folder.parent) if other.folder != partial.folder])
    unreadable = stage(partial, source, plan.rows, plan.decoding, config.decode_workers, progress)
    skipped = plan.skipped(unreadable)
    if skipped and config.on_corrupt == "stop":
        # Not complete: when the image is mended, this folder is taken up or removed.
        raise DataError(_corrupt_message(skipped, len(plan.contents), source))
    partial.complete(unreadable)
    os.replace(partial.folder, folder)
    return unreadable, notes


def _partial(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.partial")


def _empty(folder: Path) -> None:
    """Leave of a folder only its views: the same images get the same rows again, and a study may be reading them."""
    shutil.rmtree(_partial(folder), ignore_errors=True)
    os.replace(folder, _partial(folder))
    for each in _partial(folder).iterdir():
        if each.is_file():
            each.unlink()


def _mend(
    folder: PixelFolder, plan: Plan, source: Source, config: DataConfig, progress: Progress | None
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Check every pixel of a complete folder, and decode again what is not as it was written.

    Raises:
        DataError: it is damaged beyond that.
    """
    unreadable = folder.unreadable()
    book = folder.book()
    there = np.flatnonzero(book["there"])
    if book["content"].tobytes() != b"".join(row.content for row in plan.rows) or sorted(
        {*there.tolist(), *unreadable}
    ) != list(range(len(plan.rows))):
        raise DataError(f"{folder.folder / 'book.npy'} does not tell of the {len(plan.rows)} images")
    damaged = folder.damaged(there)
    if damaged:
        folder.book("r+")["there"][damaged] = 0
        lost = stage(
            folder, source, [plan.rows[row] for row in damaged], plan.decoding, config.decode_workers, None
        )
        if lost:
            raise DataError(f"{len(lost)} damaged images could not be decoded again")
    if progress is not None:
        progress(len(plan.rows), len(plan.rows))
    notes = (f"{len(damaged)} decoded images were damaged on disk and were decoded again",) if damaged else ()
    return unreadable, notes


def _pairs(
    folder: PixelFolder, rows: Sequence[int | None], config: DataConfig, comparing: Progress | None
) -> list[Pair]:
    """Positions in `rows` that show the same picture: the same row, and, if asked for, rows that look alike."""
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
            Pair(first[one], first[other], _LOOKS[how])
            for one, other, how in _alike(folder, comparing)
            if one in first and other in first
        ]
    return pairs


def _alike(folder: PixelFolder, comparing: Progress | None) -> list[tuple[int, int, str]]:
    """Rows that look alike; looked for once in a folder."""
    file = folder.folder / "alike.json"
    if not file.exists():
        thumbnails = np.load(folder.thumbnails, mmap_mode="r", allow_pickle=False)

        def report(done: int, total: int) -> None:
            if comparing is not None:
                comparing(len(thumbnails) * done // total, len(thumbnails))

        found = find_alike(thumbnails, report, folder.folder)
        write_json(file, {"pairs": [(each.one, each.other, each.how) for each in found]})
    return [tuple(pair) for pair in read_part(file)["pairs"]]


def divide(usable: Dataset, asked: Dataset, pairs: Sequence[Pair], plan: Plan, config: DataConfig) -> View:
    """The splits that are used, free of leaks."""
    settled = (
        settle(usable, config, [(pair.one, pair.other) for pair in pairs]) if asked.published else usable
    )
    at_of = {record.file: at for at, record in enumerate(settled.records)}
    there = [
        Pair(at_of[one], at_of[other], pair.how)
        for pair in pairs
        if (one := usable.records[pair.one].file) in at_of
        and (other := usable.records[pair.other].file) in at_of
    ]
    # What was published with leaks is not the user's to mend.
    on_leak = "drop" if usable.known_leaks and config.on_leak == "stop" else config.on_leak
    records, leaks = clear_pairs(settled.records, there, on_leak, usable.card)
    records = sorted(records, key=lambda record: (SPLITS.index(record.split), record.file))
    row_of = {
        file: (row, content.sha256)
        for file, row, content in zip(plan.files, plan.row_of, plan.contents, strict=True)
    }
    rows, contents = zip(*(row_of[record.file] for record in records), strict=True)
    notes = (*settled.notes, *leaks)
    return View(usable.card, records, rows, contents, (), notes)


def published_gaps(published: Dataset, config: DataConfig) -> set[tuple[Split, int]]:
    """Published splits that lack a class (its label) from the start."""
    if config.splits is not None:
        return set()
    given: list[Split] = [split for split in SPLITS if split not in published.missing]
    gaps: set[tuple[Split, int]] = {
        (split, label) for split in given for label in range(len(published.card.classes))
    }
    gaps.difference_update((record.split, record.label) for record in published.records)
    return gaps


def _remove_abandoned(root: Path, name: str) -> None:
    """Remove what is left of interrupted builds of a data set whose files were mended or changed since."""
    for partial in root.glob(f"{glob.escape(name)}-*.partial"):
        # Whoever is building holds the lock.
        with suppress(Timeout), FileLock(f"{partial.with_suffix('')}.lock", timeout=0):
            shutil.rmtree(partial)


def _corrupt_message(skipped: Sequence[Skipped], total: int, source: Source) -> str:
    lines = [f"  {source.where(each.file)}: {each.reason}" for each in skipped[:NAMED]]
    if len(skipped) > NAMED:
        lines.append(f"  … and {len(skipped) - NAMED} more")
    return (
        f"{len(skipped)} of {total} images cannot be read:\n"
        + "\n".join(lines)
        + "\nReplace or remove them, or "
        "use --data.on_corrupt skip to leave them out (they are counted in the report)."
    )


def slug(name: str) -> str:
    """What the folders of the data set `name` begin with."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:40] or "data"

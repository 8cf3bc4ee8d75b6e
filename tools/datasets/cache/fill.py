"""Make a folder of pixels complete: plan its rows, decode what is missing, repair what was damaged since."""

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from tools.datasets.cache.content import Content, ContentIndex
from tools.datasets.cache.decode_all import ImageRow, OnProgress, decode_rows
from tools.datasets.cache.pixels import Decoding, PixelFolder, pixel_folders
from tools.datasets.cache.read import Skipped
from tools.datasets.config import DataConfig
from tools.datasets.splits.leaks import NAMED
from tools.datasets.types import Dataset, Source
from tools.errors import DataError
from tools.text import counted


@dataclass(frozen=True)
class DecodePlan:
    """What is to be decoded: the images of a data set as it was published, and a row for each distinct content."""

    decoding: Decoding
    files: Sequence[str]
    contents: Sequence[Content]
    row_of: Sequence[int | None]
    """Of each file; None if it cannot even be read."""
    rows: Sequence[ImageRow]
    key: str
    """Hex SHA-256 of the contents and the decoding."""

    def skipped(self, unreadable: Mapping[int, str]) -> tuple[Skipped, ...]:
        """Every file that cannot be used, sorted by name.

        Args:
            unreadable: row → why its image cannot be decoded.
        """
        reasons = [
            content.reason if row is None else unreadable.get(row, "")
            for content, row in zip(self.contents, self.row_of, strict=True)
        ]
        return tuple(
            Skipped(file, reason) for file, reason in sorted(zip(self.files, reasons, strict=True)) if reason
        )


def plan_decoding(dataset: Dataset, decoding: Decoding, root: Path) -> DecodePlan:
    """Read the content of every image that changed since it was last read, and give each distinct content a row."""
    files = [record.file for record in dataset.records]
    contents = list(ContentIndex(root / "content.sqlite").contents(dataset.source, files))
    numbers: dict[bytes, int] = {}
    rows: list[ImageRow] = []
    row_of: list[int | None] = [None] * len(files)
    for at in sorted(range(len(files)), key=files.__getitem__):
        content = contents[at].sha256
        if content is None:
            continue
        if content not in numbers:
            numbers[content] = len(rows)
            rows.append(ImageRow(files[at], len(rows), content, contents[at].size))
        row_of[at] = numbers[content]
    digest = hashlib.sha256(json.dumps(decoding.identity()).encode())
    for row in rows:
        digest.update(row.content)
    return DecodePlan(decoding, files, contents, row_of, rows, digest.hexdigest())


def fill_folder(
    folder: Path, plan: DecodePlan, source: Source, config: DataConfig, progress: OnProgress | None
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Make the folder complete; row → why its image is unreadable, and notes on what was repaired.

    Raises:
        DataError: an image cannot be read (unless these are to be skipped).
        AugurError: the disk is full or cannot be written, or a decoding process died.
    """
    notes: tuple[str, ...] = ()
    if folder.exists():
        try:
            return _repair(PixelFolder(folder), plan, source, config, progress)
        except DataError as error:
            notes = (f"the images were decoded again: {error}",)
            _clear(folder)
    partial = PixelFolder(_partial(folder))
    partial.allocate([row.content for row in plan.rows], plan.decoding)
    partial.copy_rows([other for other in pixel_folders(folder.parent) if other.folder != partial.folder])
    unreadable = decode_rows(partial, source, plan.rows, plan.decoding, config.decode_workers, progress)
    skipped = plan.skipped(unreadable)
    if skipped and config.on_corrupt == "stop":
        # Left incomplete: once the image is fixed, this folder is resumed or removed.
        raise unreadable_images(skipped, len(plan.contents), source)
    partial.complete(unreadable)
    os.replace(partial.folder, folder)
    return unreadable, notes


def _repair(
    folder: PixelFolder, plan: DecodePlan, source: Source, config: DataConfig, progress: OnProgress | None
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Check every pixel of a complete folder, and decode damaged and unreadable rows again.

    What was unreadable may be readable now: a package that knows the format was installed, or the disk answers again.

    Raises:
        DataError: it is damaged beyond that.
    """
    unreadable = folder.unreadable()
    book = folder.book()
    there = np.flatnonzero(book["there"])
    if book["content"].tobytes() != b"".join(row.content for row in plan.rows) or sorted(
        {*there.tolist(), *unreadable}
    ) != list(range(len(plan.rows))):
        raise DataError(f"{folder.folder / 'book.npy'} does not list the {len(plan.rows)} images")
    damaged = folder.damaged(there)
    if damaged or unreadable:
        folder.book("r+")["there"][damaged] = 0
        rows = [plan.rows[row] for row in (*damaged, *unreadable)]
        still = decode_rows(folder, source, rows, plan.decoding, config.decode_workers, None)
        if lost := still.keys() & set(damaged):
            raise DataError(f"{len(lost)} damaged images could not be decoded again")
        if still != unreadable:
            folder.alike.unlink(missing_ok=True)  # before: it lacks those that are there now
            folder.complete(still)
        unreadable = still
    if progress is not None:
        progress(len(plan.rows), len(plan.rows))
    were = counted(len(damaged), "decoded image was", "decoded images were")
    notes = (f"{were} damaged on disk and decoded again",) if damaged else ()
    return unreadable, notes


def _partial(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.partial")


def _clear(folder: Path) -> None:
    """Keep only the views of a folder: the same images get the same rows again, and a study may be reading them."""
    shutil.rmtree(_partial(folder), ignore_errors=True)
    os.replace(folder, _partial(folder))
    for each in _partial(folder).iterdir():
        if each.is_file():
            each.unlink()


def remove_abandoned(root: Path, name: str) -> None:
    """Remove what interrupted builds left behind of a data set whose files have changed since.

    Args:
        root: folder of all caches.
        name: beginning of the folders of this data set and image size.
    """
    for partial in root.glob(f"{glob.escape(name)}-*.partial"):
        # A process that is building holds the lock.
        with suppress(Timeout), FileLock(f"{partial.with_suffix('')}.lock", timeout=0):
            shutil.rmtree(partial)


def unreadable_images(skipped: Sequence[Skipped], total: int, source: Source) -> DataError:
    """The error for images that cannot be used."""
    lines = [f"  {source.where(each.file)}: {each.reason}" for each in skipped[:NAMED]]
    if len(skipped) > NAMED:
        lines.append(f"  … and {len(skipped) - NAMED} more")
    return DataError(
        f"{len(skipped)} of {total} images cannot be read:\n"
        + "\n".join(lines)
        + "\nReplace or remove them, or use --data.on_corrupt skip to omit them (they are counted in the report)."
    )

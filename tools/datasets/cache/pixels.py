"""A folder of decoded images: one row of pixels for each distinct content, independent of splits.

    NAME-SIZEpx-KEY/       the key: SHA-256 of the contents in order, and of how they are decoded
      decoding.json        how images were decoded
      pixels.npy           uint8 (N, S, S, 3), RGB
      thumbnails.npy       uint8 (N, T, T), grey: what near-duplicates are found by
      book.npy             for each row: SHA-256 of the encoded image, CRC-32 of the pixels, whether it is there
      looks.npy            for each row: what its file held and became (`look.py`); earlier versions wrote none
      unreadable.json      row → why its image cannot be used; written last: it makes the folder complete
      used                 empty: its time says when the folder was last opened by a build or a check
      alike.json           rows that show the same picture, once they were searched for
      views/               what studies open (`views.py`)

While it is being filled, the folder is called NAME-SIZEpx-KEY.partial. Pixels are written by `write`, never through a
mapping: a full disk then raises an error, where a mapping would kill the process.
"""

import errno
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tools.datasets.cache.decode import Fit
from tools.datasets.cache.levels import Span
from tools.datasets.cache.look import LOOK
from tools.datasets.splits.thumbnails import THUMB
from tools.disk import DiskError, disk_error, disk_errors_explained
from tools.errors import DataError, ImagesGone
from tools.files import allocate_array, read_json, sync, write_json

FORMAT = 2
"""Raised whenever the files, or the pixels that decoding makes, change their meaning."""

USED = "used"

_BOOK = np.dtype([("content", "u1", (32,)), ("checksum", "<u4"), ("there", "u1")])
_THREADS = 8
_CHECKED_AT_ONCE = 64


@dataclass(frozen=True)
class Decoding:
    """How encoded images become pixels: rows can be copied between folders of the same decoding."""

    size: int
    fit: Fit
    max_pixels: int
    format: int = FORMAT
    span: Span | None = None
    """The numbers that became black and white where pixels had more than 8 bits; None: the range of their type."""

    def identity(self) -> list[Any]:
        """What a folder's key depends on; without a span, as it was before there were any."""
        parts = [self.size, self.fit, self.max_pixels, self.format]
        return [*parts, list(self.span)] if self.span is not None else parts


class PixelFolder:
    """A complete or growing folder of pixels. Cheap to open and to pickle (by its path)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return PixelFolder, (self.folder,)

    @property
    def pixels(self) -> Path:
        """File of the pixels."""
        return self.folder / "pixels.npy"

    @property
    def thumbnails(self) -> Path:
        """File of the thumbnails."""
        return self.folder / "thumbnails.npy"

    def looks(self) -> np.ndarray:
        """The table of what images looked like, by row; `seen` is 0 for those that an earlier version decoded."""
        try:
            return np.array(_opened(self.looks_file, "r"))
        except DataError:
            return np.zeros(len(self.book()), dtype=LOOK)

    def allow_looks(self) -> None:
        """Make the table of looks, unless it is there (an earlier version made none)."""
        allocate_array(self.looks_file, (len(self.book()),), LOOK)

    @property
    def looks_file(self) -> Path:
        """File of the looks."""
        return self.folder / "looks.npy"

    def book(self, mode: str = "r") -> np.memmap:
        """The table of rows: content, checksum, and whether the row is there; 'r+' to write it."""
        return _opened(self.folder / "book.npy", mode)

    def unreadable(self) -> dict[int, str]:
        """Row → why its image cannot be used."""
        return {int(row): reason for row, reason in read_part(self.folder / "unreadable.json").items()}

    @property
    def is_complete(self) -> bool:
        """Whether every readable image is there."""
        return (self.folder / "unreadable.json").is_file()

    def complete(self, unreadable: Mapping[int, str]) -> None:
        """Record that every image is there except these."""
        for file in (self.pixels, self.thumbnails, self.looks_file, self.folder / "book.npy"):
            sync(file)
        write_json(self.folder / "unreadable.json", {str(row): reason for row, reason in unreadable.items()})

    @property
    def alike(self) -> Path:
        """File of the rows that show the same picture."""
        return self.folder / "alike.json"

    def allocate(self, contents: Sequence[bytes], decoding: Decoding) -> None:
        """Make the files at their full size, unless an earlier, interrupted call did.

        Raises:
            DiskError: the disk is too small or cannot be written.
        """
        with disk_errors_explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        count, size = len(contents), decoding.size
        needed = 0 if self.pixels.exists() else count * (size * size * 3 + THUMB * THUMB)
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise DiskError(
                f"the decoded images need {needed / 2**20:.0f} MiB, but {self.folder} has {free / 2**20:.0f} MiB free. "
                "Free some space (`agent cache` lists the folders), or choose another --runs-dir or a smaller image "
                "size."
            )
        try:
            write_json(self.folder / "decoding.json", asdict(decoding))
            allocate_array(self.folder / "book.npy", (count,), _BOOK)
            allocate_array(self.thumbnails, (count, THUMB, THUMB), np.dtype("u1"))
            allocate_array(self.looks_file, (count,), LOOK)
            allocate_array(self.pixels, (count, size, size, 3), np.dtype("u1"))
        except OSError as error:
            if (refused := disk_error(error, self.folder)) is None:
                raise
            raise DiskError(
                f"{needed / 2**20:.0f} MiB for decoded images cannot be allocated: {refused}"
            ) from error
        if count:
            self.book("r+")["content"] = np.frombuffer(b"".join(contents), np.uint8).reshape(count, 32)

    def damaged(self, rows: np.ndarray) -> list[int]:
        """Those of `rows` whose pixels are not as they were written. Reads them all in constant memory.

        Raises:
            DataError: the files have the wrong size.
        """
        book = self.book()
        pixels = _opened(self.pixels, "r")
        if len(pixels) != len(book) or len(_opened(self.thumbnails, "r")) != len(book):
            raise DataError(f"{self.folder} holds {len(pixels)} rows of pixels for {len(book)} images")
        checksums = np.array(book["checksum"])
        row_bytes, start = int(np.prod(pixels.shape[1:])), pixels.offset

        def check(part: np.ndarray) -> list[int]:
            with self.pixels.open("rb", buffering=0) as opened:
                return [
                    int(row)
                    for row in part
                    if zlib.crc32(os.pread(opened.fileno(), row_bytes, start + int(row) * row_bytes))
                    != checksums[row]
                ]

        parts = np.array_split(rows, max(1, len(rows) // _CHECKED_AT_ONCE))
        with ThreadPoolExecutor(_THREADS) as threads:
            return [row for bad in threads.map(check, parts) for row in bad]

    def copy_rows(self, others: Sequence["PixelFolder"]) -> int:
        """Copy rows that are missing here from other folders of the same decoding; the number copied.

        Rows that are damaged there are not copied.
        """
        book = self.book("r+")
        missing = {bytes(book["content"][row]): int(row) for row in np.flatnonzero(book["there"] == 0)}
        copied = 0
        for other in others:
            if not missing:
                break
            copied += self._copy_from(other, book, missing)
        return copied

    def _copy_from(self, other: "PixelFolder", book: np.memmap, missing: dict[bytes, int]) -> int:
        try:
            theirs = other.book()
            pixels, thumbnails = _opened(other.pixels, "r"), _opened(other.thumbnails, "r")
        except DataError:
            return 0
        if not self._is_decoded_like(other) or len(pixels) < len(theirs):
            return 0
        looks = other.looks()
        copied = 0
        with RowWriter(self) as writer:
            for row in np.flatnonzero(theirs["there"][: len(pixels)]).tolist():
                mine = missing.get(bytes(theirs["content"][row]))
                if mine is None:
                    continue
                values = np.array(pixels[row])
                if zlib.crc32(values.tobytes()) != theirs["checksum"][row]:
                    continue
                book["checksum"][mine] = writer.write(mine, values, np.array(thumbnails[row]), looks[row])
                book["there"][mine] = 1
                del missing[bytes(theirs["content"][row])]
                copied += 1
        return copied

    def _is_decoded_like(self, other: "PixelFolder") -> bool:
        """Whether the same image has the same pixels there. (Its number of pixels was allowed there.)"""
        mine, theirs = (read_part(each.folder / "decoding.json") for each in (self, other))
        return all(mine.get(name) == theirs.get(name) for name in ("size", "fit", "format", "span"))


class RowWriter:
    """Writes rows of pixels and thumbnails into their places, from the process in which it is opened."""

    def __init__(self, folder: PixelFolder) -> None:
        self._folder = folder
        self._opened: list[tuple[BinaryIO, int]] = []

    def __enter__(self) -> "RowWriter":
        for file in (self._folder.pixels, self._folder.thumbnails, self._folder.looks_file):
            self._opened.append((file.open("r+b", buffering=0), _opened(file, "r").offset))
        return self

    def __exit__(self, *reason: object) -> None:
        for opened, _start in self._opened:
            opened.close()

    def write(self, row: int, pixels: np.ndarray, thumbnail: np.ndarray, look: np.ndarray) -> int:
        """Write one image and its look into its row; returns the checksum of its pixels.

        Raises:
            DiskError: the disk is full, or cannot be written.
        """
        try:
            for (opened, start), values in zip(self._opened, (pixels, thumbnail, look), strict=True):
                data = values.tobytes()
                if os.pwrite(opened.fileno(), data, start + row * len(data)) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if (refused := disk_error(error, self._folder.folder)) is None:
                raise
            raise DiskError(
                f"the decoded images cannot be written: {refused} What was decoded is kept."
            ) from error
        return zlib.crc32(pixels.tobytes())


def _opened(file: Path, mode: Any) -> np.memmap:
    try:
        opened = np.lib.format.open_memmap(file, mode=mode)
    except (OSError, ValueError) as error:
        raise ImagesGone(f"{file} is missing or damaged ({error})") from error
    if not isinstance(opened, np.memmap):
        raise ImagesGone(f"{file} does not hold an array")
    return opened


def read_part(file: Path) -> dict[str, Any]:
    """The content of one of the JSON files of a cache.

    Raises:
        ImagesGone: it is missing or damaged.
    """
    content = read_json(file)
    if content is None:
        raise ImagesGone(f"{file} is missing or damaged: delete {file.parent}, and it will be made again")
    return content


def pixel_folders(root: Path) -> Iterator[PixelFolder]:
    """The folders of pixels in the folder of all caches, incomplete ones too, sorted by name."""
    for each in sorted(root.glob("*px-*")):
        if (each / "decoding.json").is_file():
            yield PixelFolder(each)

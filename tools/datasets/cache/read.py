"""A finished cache: the decoded images of a data set, as trials read them. Cheap to open; imports no torch.

What is opened is a view: which rows of a folder of pixels (`pixels.py`) are in which split. Views with other splits,
folds or fewer labels share the pixels. A finished view never changes, except for its description (`about.json`).

    NAME-SIZEpx-KEY/views/KEY/
      about.json           the card and the notes
      meta.json            fingerprint, size, counts, skipped files
      train.json           rows, labels, files, groups of the split; likewise validation.json
      test.json            read by `open_test` only: nothing else says which rows are test images
      splits.csv           file, label, split, group of every image, to be published with a study
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, SupportsIndex

import numpy as np

from tools.datasets.cache.levels import Span
from tools.datasets.cache.pixels import FORMAT, PixelFolder, read_part
from tools.datasets.cards import card_from
from tools.datasets.label_sets import as_matrix
from tools.datasets.types import Split
from tools.errors import AugurError, DataError, ImagesGone


class SealedTestError(AugurError):
    """The test split was requested by a method that is for the search."""


@dataclass(frozen=True)
class Skipped:
    """A file that was omitted, and why."""

    file: str
    reason: str


class Rows:
    """Images of one split: some rows of a file of pixels that every process maps and none copies.

    Indexed like an array uint8 (N, S, S, 3); indexing with an array or a slice returns a copy.
    """

    def __init__(self, file: Path, rows: np.ndarray) -> None:
        """`rows`: int64 (N,), places in the file."""
        try:
            mapped = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ImagesGone(
                f"{file} cannot be opened ({error}): delete {file.parent}, and it will be made again"
            ) from error
        if len(rows) and int(rows.max()) >= len(mapped):
            raise ImagesGone(
                f"{file} holds {len(mapped)} images, fewer than its views refer to: delete {file.parent}, and they "
                "will be made again"
            )
        self._file, self._offset = file, mapped.offset
        self._pixels = np.asarray(mapped)
        self.rows = rows
        """As given."""

    def only(self, index: np.ndarray) -> "Rows":
        """Those at the places `index`, int64 (M,), in that order; nothing is read or copied."""
        found = copy(self)
        found.rows = self.rows[index]
        return found

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, S, S, 3)."""
        return len(self.rows), *self._pixels.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """uint8."""
        return self._pixels.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: SupportsIndex | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        return self._pixels[self.rows[index]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def read(self, index: int) -> np.ndarray:
        """One image, uint8 (S, S, 3), by reading the file.

        Mapped pages, once read, count as memory of this process until it ends.

        Raises:
            ImagesGone: the file was removed or cut off since it was opened.
        """
        shape = self._pixels.shape[1:]
        count = int(np.prod(shape))
        start = self._offset + int(self.rows[index]) * count
        try:
            pixels = np.fromfile(self._file, np.uint8, count, offset=start)
        except FileNotFoundError as error:
            raise ImagesGone(f"{self._file} is gone: it will be made again") from error
        if len(pixels) != count:
            raise ImagesGone(
                f"{self._file} was cut off: delete {self._file.parent}, and it will be made again"
            )
        return pixels.reshape(shape)


@dataclass(frozen=True)
class SplitView:
    """One split. Pickles as its path, never as pixels."""

    folder: Path
    name: Split
    images: Rows
    """uint8 (N, S, S, 3), RGB, read-only."""
    labels: np.ndarray
    """int64 (N,), index into the card's classes; where images have several labels, uint8 (N, C) of 0 and 1."""
    files: list[str]
    groups: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_split, (self.folder, self.name)


class CachedDataset:
    """A finished cache. Cheap to open and to pickle (by its folder)."""

    def __init__(self, folder: Path) -> None:
        meta = read_part(folder / "meta.json")
        if meta.get("format") != FORMAT:
            raise DataError(
                f"{folder} was written in format {meta.get('format')}, this version reads {FORMAT}: delete the "
                "folder, and it will be made again from the images"
            )
        about = read_part(folder / "about.json")
        self.folder = folder
        self.fingerprint: str = meta["fingerprint"]
        """Hex SHA-256 over what trials can depend on: contents, labels, splits, groups, classes, size, fit."""
        self.image_size: int = meta["image_size"]
        span = meta.get("span")
        self.span: Span | None = None if span is None else (span[0], span[1])
        """The numbers that became black and white in images of more than 8 bits; None: the range of their type."""
        self.skipped = tuple(Skipped(**each) for each in meta["skipped"])
        self.card = card_from(about["card"])
        self.notes: tuple[str, ...] = tuple(about["notes"])
        """What was found and done while opening and building, for the user."""
        self.warnings: tuple[str, ...] = tuple(about.get("warnings", ()))
        """What was found that may spoil results. (Views of earlier versions have none.)"""
        self._class_counts: dict[str, dict[str, int]] = meta["class_counts"]
        self._class_groups: dict[str, dict[str, int]] = meta.get("class_groups", self._class_counts)
        self._sizes: dict[str, int] = meta.get("images", {})
        self.without_label: int = meta.get("without_label", 0)
        """Images that have none, of all splits, where an image may have several labels."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open_cache, (self.folder,)

    @property
    def splits_file(self) -> Path:
        """The table of all images with their splits (`split_file.py`), for a study to copy, not to read."""
        return self.folder / "splits.csv"

    def class_counts(self, split: Split) -> dict[str, int]:
        """Images of each class, or with each label. Also for test: the counts are not in the sealed file."""
        return dict(self._class_counts[split])

    def class_groups(self, split: Split) -> dict[str, int]:
        """As `class_counts`, with images of one group counted once. (Views of earlier versions count images.)"""
        return dict(self._class_groups[split])

    def size(self, split: Split) -> int:
        """Images of a split; also for test."""
        return self._sizes.get(split) or sum(self._class_counts[split].values())

    def split(self, name: Literal["train", "validation", "test"]) -> SplitView:
        """The training or validation images.

        Raises:
            SealedTestError: for 'test', which only `open_test` opens.
        """
        if name == "test":
            raise SealedTestError(
                "the test split is sealed during the search; the final comparison opens it by open_test()"
            )
        return _open_split(self.folder, name)

    def open_test(self) -> SplitView:
        """The test images. Call it once, when all choices have been made."""
        return _open_split(self.folder, "test")


def open_cache(folder: Path) -> CachedDataset:
    """Open a finished cache from its folder.

    Raises:
        ImagesGone: there is none, or it is not finished.
        DataError: it was written by another version.
    """
    return CachedDataset(Path(folder))


def _open_split(folder: Path, name: Split) -> SplitView:
    found = read_part(folder / f"{name}.json")
    images = Rows(PixelFolder(folder.parent.parent).pixels, np.asarray(found["rows"], dtype=np.int64))
    card = read_part(folder / "about.json")["card"]
    if card.get("several_labels"):
        labels = as_matrix(found["labels"], len(card["classes"]))
    else:
        labels = np.asarray(found["labels"], dtype=np.int64)
    labels.flags.writeable = False
    return SplitView(folder, name, images, labels, found["files"], found["groups"])

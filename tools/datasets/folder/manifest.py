"""manifest.csv: the label of each file, and optionally its split and group."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.datasets.assemble import Item
from tools.datasets.folder.csv_table import TableRow, read_table
from tools.datasets.folder.finder import ImageFinder
from tools.datasets.folder.tables.image_index import ImageIndex, comparable
from tools.datasets.folder.tables.label_names import named_group, note_ungrouped
from tools.datasets.folder.walk import SPLIT_SPELLINGS, split_named
from tools.datasets.folder.wording import shortened
from tools.datasets.types import Split
from tools.errors import DataError
from tools.text import counted

NAME = "manifest.csv"


@dataclass(frozen=True)
class Listed:
    """What a manifest lists."""

    items: list[Item]
    """Their labels may be empty."""
    lines: list[int]
    """The line of each."""
    notes: list[str]


def read_manifest(file: Path, finder: ImageFinder) -> Listed:
    """Read a manifest. Columns `file` and `label`; optional `split` and `group`; others ignored.

    A file is given relative to the manifest's folder or as an absolute path below the data's folder, with any kind of
    slash. `split` is given for every row or for none. An image without a group is a group of its own.

    Args:
        file: the manifest.
        finder: of the data's folder.

    Raises:
        DataError: a column is missing, or a row (named by its line) has an unknown split, or a file that is missing,
            outside the data's folder, not a file, or listed twice.
    """
    items: list[Item] = []
    lines: dict[str, int] = {}
    unsplit: list[int] = []
    groups: list[str] = []
    paths = _Paths(file.parent, finder)
    for row in read_table(file, ("file", "label")):
        if not any(row.values.values()):
            continue
        name = paths.find(row)
        if name in lines:
            raise DataError(
                f"{row.at}: the file {row.values['file']!r} is already listed in line {lines[name]}"
            )
        lines[name] = row.line
        if not row.values.get("split"):
            unsplit.append(row.line)
        groups.append(row.values.get("group", ""))
        items.append(Item(name, row.values["label"], split_of(row) or "train", named_group(groups[-1])))
    if not items:
        raise DataError(f"{file} lists no images")
    if unsplit and len(unsplit) < len(items):
        raise DataError(
            f"{file}, line {unsplit[0]}: the split is empty ({len(unsplit)} such rows of {len(items)}). Give a split "
            "for every row, or for no row to have the splits carved."
        )
    return Listed(items, list(lines.values()), [*paths.notes(lines.keys()), *note_ungrouped(groups)])


def split_of(row: TableRow) -> Split | None:
    """The split in a row of a table; None where it is empty.

    Raises:
        DataError: there is no split of that name.
    """
    text = row.values.get("split", "")
    split = split_named(text)
    if text and split is None:
        raise DataError(f"{row.at}: unknown split {text!r}; use one of {SPLIT_SPELLINGS}")
    return split


class _Paths:
    """Finds the files that rows mean, and remembers what has to be said about it."""

    def __init__(self, folder: Path, finder: ImageFinder) -> None:
        self._folder, self._root = Path(os.path.abspath(folder)), Path(os.path.abspath(finder.root))
        self._images = finder.images(finder.root).images
        self._known = frozenset(self._images)
        self._index: ImageIndex | None = None
        self._otherwise: list[str] = []

    def find(self, row: TableRow) -> str:
        """The file of a row, relative to the data's folder, as it is spelled on disk."""
        written = row.values["file"]
        if not written:
            raise DataError(f"{row.at}: the file is empty")
        path = Path(os.path.normpath(self._folder / written.replace("\\", "/")))
        name = self._relative(path, written, row)
        if name in self._known:
            return name
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError):
            return self._otherwise_spelled(name, written, row)
        if not stat.S_ISREG(mode):
            raise DataError(f"{row.at}: {written!r} is not a file, but a folder, a FIFO or a device: {path}")
        return name

    def _relative(self, path: Path, written: str, row: TableRow) -> str:
        for root, place in ((self._root, path), (Path(os.path.realpath(self._root)), path)):
            if place.is_relative_to(root):
                return place.relative_to(root).as_posix()
        raise DataError(
            f"{row.at}: the file {written!r} leads outside the data's folder {self._root} (to {path}): give --data a "
            "folder that holds all images, or move the image into it"
        )

    def _otherwise_spelled(self, name: str, written: str, row: TableRow) -> str:
        """The one image whose path differs in case or Unicode form only."""
        self._index = self._index or ImageIndex(self._images)
        alike = [file for file in self._index.find(name) if comparable(file) == comparable(name)]
        if len(alike) == 1:
            self._otherwise.append(f"{written} = {alike[0]}")
            return alike[0]
        if alike:
            raise DataError(
                f"{row.at}: the file {written!r} does not exist, and its spelling may mean {shortened(alike)}"
            )
        elsewhere = self._index.find(Path(name).name) or self._index.find(Path(name).stem)
        hint = f"; did you mean {shortened(elsewhere)}?" if elsewhere else ""
        raise DataError(
            f"{row.at}: the file {written!r} does not exist (expected at {self._root / name}){hint}"
        )

    def notes(self, listed: Iterable[str]) -> list[str]:
        """What the user should know about the files."""
        notes = []
        if unlisted := len(self._known - set(listed)):
            notes.append(f"{counted(unlisted, 'image is', 'images are')} not listed in {NAME} and not used")
        if self._otherwise:
            notes.append(
                f"{counted(len(self._otherwise), 'file')} of {NAME} are spelled otherwise on disk: "
                f"{shortened(self._otherwise)}"
            )
        return notes

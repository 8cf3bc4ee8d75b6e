"""splits.csv: which image is in which split and group, written with every study, for others to use the same."""

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tools.datasets.folder.csv_table import TableRow, read_table
from tools.datasets.folder.manifest import split_of
from tools.datasets.folder.tables.label_names import named_group
from tools.datasets.folder.walk import SPLIT_SPELLINGS
from tools.datasets.types import Card, Record
from tools.errors import DataError
from tools.files import written_whole
from tools.text import clean, counted

NAME = "splits.csv"
_NAMED = 5
_COLUMNS = ("file", "label", "split", "group")


def write_splits(file: Path, records: Sequence[Record], card: Card) -> None:
    """Write the columns file, label, split, group: it can serve as the manifest.csv of a copy of the images.

    With several labels an image, there is a column of 0 and 1 for each in the place of `label` (data.labels reads it).

    A file name that is not UTF-8 is written in the bytes that it has on disk.
    """
    with (
        written_whole(file) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as opened,
    ):
        writer = csv.writer(opened)
        if card.several_labels:
            names = [f"label {name}" if name in _COLUMNS else name for name in card.classes]
            writer.writerow(("file", *names, "split", "group"))
            for each in records:
                there = card.labels_of(each.label)
                cells = (int(label in there) for label in range(len(names)))
                writer.writerow((each.file, *cells, each.split, each.group))
            return
        writer.writerow(_COLUMNS)
        writer.writerows((each.file, card.classes[each.label], each.split, each.group) for each in records)


def read_splits(file: Path, records: Sequence[Record]) -> tuple[list[Record], str]:
    """The records that the file lists, in the splits and groups that it gives; and a note about it for the user.

    Columns `file` and `split`, optionally `group`; others are ignored. Images that it does not list are not used.

    Raises:
        DataError: it cannot be read, or a line has an unknown split, or a file that the data set lacks or that is
            listed twice.
    """
    by_file = {record.file: record for record in records}
    chosen: dict[str, Record] = {}
    try:
        for row in read_table(file, ("file", "split"), "surrogateescape"):
            record = _record(row, by_file, chosen)
            chosen[record.file] = record
    except OSError as error:
        raise DataError(f"data.splits: {file} cannot be read: {error.strerror}") from error
    if not chosen:
        raise DataError(f"{file} lists no images")
    unlisted = len(records) - len(chosen)
    rest = ""
    if unlisted:
        unused = counted(unlisted, "image that it does not list is", "images that it does not list are")
        rest = f"; {unused} not used"
    return [chosen[record.file] for record in records if record.file in chosen], f"splits from {file}{rest}"


def what_changed(before: Path, after: Path) -> str:
    """How the images of one such file differ from those of another, in words, by their names."""
    old, new = _rows(before), _rows(after)
    gone, come = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    told = [
        f"{counted(len(names), one, many)}: {_first(names)}"
        for names, one, many in (
            (
                gone,
                "image is gone, or cannot be read any more",
                "images are gone, or cannot be read any more",
            ),
            (come, "image is new, or can be read now", "images are new, or can be read now"),
        )
        if names
    ]
    moved = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    if not told and moved:
        told = [
            f"the label, split or group of {counted(len(moved), 'image')} is another one: {_first(moved)}"
        ]
    return "; ".join(told) or "the files have the same names, and some of them other content"


def _rows(file: Path) -> dict[str, tuple[str, ...]]:
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
        return {row[0]: tuple(row[1:]) for row in csv.reader(opened) if row}


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(clean, names[:_NAMED])) + (", …" if len(names) > _NAMED else "")


def _record(row: TableRow, by_file: dict[str, Record], chosen: dict[str, Record]) -> Record:
    name = row.values["file"]
    if name not in by_file:  # the same path in another form
        name = os.path.normpath(name.replace("\\", "/")).replace(os.sep, "/") if name else name
    if name not in by_file:
        examples = sorted(by_file)[:_NAMED]
        raise DataError(f"{row.at}: the data set has no file {name!r} (it has {', '.join(examples)}, …)")
    if name in chosen:
        raise DataError(f"{row.at}: the file {name!r} is listed twice")
    split = split_of(row)
    if split is None:
        raise DataError(f"{row.at}: the split is empty; use one of {SPLIT_SPELLINGS}")
    return replace(
        by_file[name], split=split, group=named_group(row.values.get("group", "")) or by_file[name].group
    )

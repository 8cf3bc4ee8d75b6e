"""What `data.labels` says: FILE:ID:LABEL[:GROUP], a table and its columns."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.datasets.folder.csv_table import SHEET_SUFFIXES, TABLE_SUFFIXES, Table
from tools.errors import ConfigurationError, DataError, closest, did_you_mean

FORM = "FILE:ID_COLUMN:LABEL_COLUMN[:GROUP_COLUMN]"
_MOST_COLUMNS = 3


@dataclass(frozen=True)
class LabelSpec:
    """A table and the columns that are meant, by name or by number from 1."""

    file: Path
    id: str
    label: str
    """'' for a table with a column of zeros and ones for each class; then all such columns. Or some, with commas or +.
    """
    group: str
    """'' for none."""


@dataclass(frozen=True)
class Columns:
    """The columns that are meant, by position from 0."""

    id: int
    labels: tuple[int, ...]
    """One column that holds the label; or, with `one_hot`, one for each class."""
    one_hot: bool
    group: int | None
    names: tuple[str, ...]
    """Of all columns; '1', '2', … in a table without a header."""
    first: int
    """The first row with values: 1, or 0 without a header."""


def parse_labels(text: str, root: Path) -> LabelSpec:
    """The parts of `data.labels`, read from the right, since the name of a file may contain a colon.

    Args:
        text: as the user wrote it.
        root: the data's folder; a relative FILE is looked for there, then in the working directory.

    Raises:
        ConfigurationError: no part of it names a table, or the columns are missing.
    """
    parts = text.split(":")
    for count in range(min(_MOST_COLUMNS, len(parts) - 1), -1, -1):
        name = ":".join(parts[: len(parts) - count])
        file = next((place for place in (root / name, Path(name)) if name and place.is_file()), None)
        if file is not None:
            columns = [part.strip() for part in parts[len(parts) - count :]]
            if not columns or not columns[0]:
                raise _without_columns(text, file)
            identity, label, group = (*columns, "", "")[:3]
            return LabelSpec(file, identity, label, group)
    raise _without_file(text, root, parts)


def find_columns(spec: LabelSpec, table: Table, is_image: "Sequence[bool]") -> Columns:
    """The columns that a specification means in its table.

    Args:
        spec: what the user wrote.
        table: with its first line.
        is_image: of each column, whether its cell in the first line names an image: then that line is no header.

    Raises:
        ConfigurationError: there is no such column.
    """
    names = [name or str(at + 1) for at, name in enumerate(table.cells[0])]
    headless = any(is_image)
    if headless:
        names = [str(number + 1) for number in range(table.width)]
    label_names = (
        [spec.label]
        if spec.label in names
        else [each for each in re.split(r"[,+]", spec.label) if each.strip()]
    )
    if "," in spec.label and spec.label not in names:  # then a plus is part of a name
        label_names = [each for each in spec.label.split(",") if each.strip()]
    identity = _position(spec.id, names, table)
    labels = tuple(_position(name.strip(), names, table) for name in label_names)
    group = _position(spec.group, names, table) if spec.group else None
    one_hot = len(labels) != 1
    first = 0 if headless else 1
    if not labels:
        labels = tuple(one_hot_columns(table, first, {identity, group}))
        if len(labels) < 2:
            raise ConfigurationError(
                f"data.labels: {table.file} has no columns of zeros and ones, one for each class or label: name the "
                f"column of the labels ({FORM}); it has {', '.join(names)}"
            )
    return Columns(identity, labels, one_hot, group, tuple(names), first)


def one_hot_columns(table: Table, first: int, without: "set[int | None]") -> list[int]:
    """Columns that hold only 0 and 1 (also as 0.0 and 1.0), and not only one of them."""
    return [
        at
        for at in range(table.width)
        if at not in without and {truth(row[at]) for row in table.cells[first:]} == {True, False}
    ]


def truth(cell: str) -> bool | None:
    """Whether a cell of a one-hot column is 1 or 0; None if it is neither."""
    try:
        return {0.0: False, 1.0: True}.get(float(cell))
    except ValueError:
        return {"true": True, "false": False}.get(cell.casefold())


def tables_in(folder: Path) -> list[Path]:
    """Files directly in `folder` that may be tables, also of kinds that must be saved as CSV first; sorted by name."""
    endings = (*TABLE_SUFFIXES, *SHEET_SUFFIXES)
    with os.scandir(folder) as entries:
        found = [
            each.name
            for each in entries
            if each.name.lower().endswith(endings) and not each.name.startswith(".") and each.is_file()
        ]
    return [folder / name for name in sorted(found)]


def _position(name: str, names: Sequence[str], table: Table) -> int:
    if names.count(name) > 1:
        raise DataError(f"{table.file}, line 1: the column {name!r} is there twice; give its number instead")
    if name in names:
        return names.index(name)
    if name.isdecimal() and 1 <= int(name) <= len(names):
        return int(name) - 1
    alike = [each for each in names if each.casefold() == name.casefold()]
    hint = f"did you mean {alike[0]!r}? " if alike else f"{did_you_mean(name, names)} ".lstrip()
    raise ConfigurationError(
        f"data.labels: {table.file} has no column {name!r}: {hint}It has {', '.join(names)} (a number from 1 to "
        f"{len(names)} is understood too)"
    )


def _without_columns(text: str, file: Path) -> ConfigurationError:
    from tools.datasets.folder.csv_table import load_table

    table = load_table(file, most=1)
    names = ", ".join(table.cells[0]) if table.cells else "none"
    return ConfigurationError(
        f"data.labels = {text!r}: expected {FORM}; the first line of {file} has {names}"
    )


def _without_file(text: str, root: Path, parts: Sequence[str]) -> ConfigurationError:
    name = next(
        (
            ":".join(parts[:end])
            for end in range(len(parts), 0, -1)
            if parts[end - 1].casefold().endswith((*TABLE_SUFFIXES, *SHEET_SUFFIXES))
        ),
        ":".join(parts[:-2]) or text,
    )
    there = [each.name for each in tables_in(root)] if root.is_dir() else []
    near = closest(name, there)
    hint = f"did you mean {near[0]!r}? " if near else ""
    listed = f"The tables in {root} are {', '.join(there)}." if there else f"There are no tables in {root}."
    return ConfigurationError(
        f"data.labels = {text}: there is no file '{name}' in {root} or in the working directory: {hint}{listed} "
        f"Expected {FORM}."
    )

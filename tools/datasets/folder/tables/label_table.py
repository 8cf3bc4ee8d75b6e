"""A table of labels: which image each row means, its label and its group."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.datasets.folder.csv_table import Table, load_table
from tools.datasets.folder.layout import Placed
from tools.datasets.folder.tables.image_index import ImageIndex
from tools.datasets.folder.tables.label_names import named_group, note_ungrouped
from tools.datasets.folder.tables.label_spec import Columns, LabelSpec, find_columns, truth
from tools.datasets.folder.wording import shortened
from tools.datasets.label_sets import NONE
from tools.errors import ConfigurationError, DataError
from tools.text import counted

SeveralLabels = Literal["auto", "on", "off"]

_SEVERAL = 0.05
"""By 'auto', labels do not exclude each other where more than this share of the rows has several; fewer are mistakes.
"""


@dataclass(frozen=True)
class Labelled:
    """The images that a table labels."""

    images: tuple[Placed, ...]
    lines: tuple[int, ...]
    """The line of each in the table."""
    notes: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    """The labels in the order of their columns, where an image may have several; else None."""


def read_labels(spec: LabelSpec, placed: Sequence[Placed], several: SeveralLabels = "auto") -> Labelled:
    """Join a table with the images.

    Args:
        spec: the table and its columns.
        placed: every image, with its split and group as far as folders say them.
        several: `data.several_labels`.

    Raises:
        ConfigurationError: a column is missing.
        DataError: no id fits an image, an id fits several, an image has two labels, or a row has several.
    """
    table = load_table(spec.file)
    if len(table.cells) < 2:
        raise DataError(f"{spec.file} has no rows")
    index = ImageIndex(image.file for image in placed)
    columns = find_columns(spec, table, [cell in index for cell in table.cells[0]])
    _check_width(table, columns)
    of_file = {image.file: image for image in placed}
    sets = _has_sets(table, columns, several, bool(spec.label))
    found: dict[str, tuple[Placed, int]] = {}
    lost: list[str] = []
    groups: list[str] = []
    again = 0
    for line, row in list(zip(table.lines, table.cells, strict=True))[columns.first :]:
        at = f"{spec.file}, line {line}"
        file = _image_of(row[columns.id], index, at)
        if file is None:
            lost.append(f"{row[columns.id]!r} in line {line}")
            continue
        image = _labelled(of_file[file], row, columns, at, sets)
        if file in found:
            _check_same(found[file], image, line, spec.file)
            again += 1
            continue
        found[file] = image, line
        groups.append("" if columns.group is None else row[columns.group])
    if not found:
        raise _no_match(table, columns, placed)
    rest = sorted(of_file.keys() - found.keys())
    name = spec.file.name
    notes = [f"{counted(len(found), 'image has labels', 'images have labels')} from {name}: {_used(columns)}"]
    if lost:
        what = counted(
            len(lost), f"row of {name} names no image and is", f"rows of {name} name no image and are"
        )
        notes.append(f"{what} not used: {shortened(lost)}")
    if rest:
        what = counted(
            len(rest), f"image has no row in {name} and is", f"images have no row in {name} and are"
        )
        notes.append(f"{what} not used: {shortened(rest)}")
    if again:
        what = counted(again, f"row of {name} repeats", f"rows of {name} repeat")
        notes.append(f"{what} an image with the same label")
    notes += note_ungrouped(groups)
    images, lines = zip(*found.values(), strict=True)
    labels = tuple(columns.names[at] for at in columns.labels) if sets else None
    if sets:
        notes.append(_about_sets(images))
    return Labelled(images, lines, tuple(notes), labels)


def _has_sets(table: Table, columns: Columns, several: SeveralLabels, named: bool) -> bool:
    """Whether an image may have several labels, or none.

    Raises:
        ConfigurationError: that is asked for, and there is one column of labels only.
    """
    if several == "on" and not columns.one_hot:
        raise ConfigurationError(
            f"data.several_labels on: data.labels names the single column {columns.names[columns.labels[0]]} of "
            f"{table.file}; name a column of 0 and 1 for each label: FILE:ID:LABEL,LABEL,…"
        )
    if several != "auto" or not columns.one_hot or not named:
        return several == "on"
    rows = table.cells[columns.first :]
    many = sum(sum(bool(truth(row[at])) for at in columns.labels) > 1 for row in rows)
    return many > _SEVERAL * len(rows)


def _about_sets(images: Sequence[Placed]) -> str:
    sizes = [len(image.labels or ()) for image in images]
    without, many = sum(size == 0 for size in sizes), sum(size > 1 for size in sizes)
    have, none = counted(many, "image has", "images have"), counted(without, "has", "have")
    return (
        f"an image may have several labels (data.several_labels): {have}, and {none} none; "
        "if the columns are classes that exclude each other, use --data.several_labels off"
    )


def _used(columns: Columns) -> str:
    """Which column serves for what."""
    labels = ", ".join(columns.names[at] for at in columns.labels)
    group = f", groups by {columns.names[columns.group]}" if columns.group is not None else ""
    return f"images by the column {columns.names[columns.id]}, labels by {labels}{group}"


def _image_of(name: str, index: ImageIndex, at: str) -> str | None:
    if not name:
        raise DataError(f"{at}: the id of the image is empty")
    files = index.find(name)
    if len(files) > 1:
        raise DataError(
            f"{at}: {name!r} may mean {len(files)} images: {shortened(files)}. If one folder is a copy of another, "
            "leave it out with --data.exclude FOLDER; else give ids with their folders."
        )
    return files[0] if files else None


def _labelled(image: Placed, row: Sequence[str], columns: Columns, at: str, sets: bool) -> Placed:
    group = image.group if columns.group is None else named_group(row[columns.group])
    if sets:
        return Placed(image.file, "", image.split, group, frozenset(_chosen(row, columns, at)))
    return Placed(image.file, _label(row, columns, at), image.split, group)


def _chosen(row: Sequence[str], columns: Columns, at: str) -> list[str]:
    values = {columns.names[at_column]: truth(row[at_column]) for at_column in columns.labels}
    if unclear := [
        f"{name} = {row[columns.names.index(name)]!r}" for name, value in values.items() if value is None
    ]:
        raise DataError(f"{at}: {', '.join(unclear)}: a column of a class holds 0 or 1")
    return [name for name, value in values.items() if value]


def _label(row: Sequence[str], columns: Columns, at: str) -> str:
    if not columns.one_hot:
        return row[columns.labels[0]]
    chosen = _chosen(row, columns, at)
    if len(chosen) > 1:
        raise DataError(
            f"{at}: the image has {len(chosen)} labels ({', '.join(chosen)}), where classes exclude each other. Name "
            "the columns of such classes: FILE:ID:CLASS,CLASS,…; or, if an image may have several labels, add "
            "--data.several_labels on"
        )
    return chosen[0] if chosen else ""


def _check_width(table: Table, columns: Columns) -> None:
    """No row may have more cells than the header: an unquoted separator would have moved its values."""
    if columns.first == 0:
        return
    header = len(table.cells[0])
    while header and not table.cells[0][header - 1]:
        header -= 1
    for line, row in zip(table.lines, table.cells, strict=True):
        if any(row[header:]):
            raise DataError(
                f"{table.file}, line {line}: there are more cells than the {header} columns of the header; put a cell "
                "that holds the separator into double quotes"
            )


def _check_same(known: tuple[Placed, int], image: Placed, line: int, file: Path) -> None:
    before, where = known
    for what, mine, yours in (
        ("label", _words(before), _words(image)),
        ("group", before.group, image.group),
    ):
        if mine != yours:
            raise DataError(
                f"{file}, line {line}: {image.file!r} has the {what} {yours!r} here and {mine!r} in line {where}; "
                "remove one of the rows"
            )


def _words(image: Placed) -> str | None:
    return image.label if image.labels is None else " + ".join(sorted(image.labels)) or NONE


def _no_match(table: Table, columns: Columns, placed: Sequence[Placed]) -> DataError:
    ids = [row[columns.id] for row in table.cells[columns.first :]]
    return DataError(
        f"{table.file}: no value of the column {columns.names[columns.id]} names an image: it has {shortened(ids)}; "
        f"the images are {shortened([image.file for image in placed])}"
    )

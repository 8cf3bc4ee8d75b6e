"""manifest.csv: the label of each file, and optionally its split and group."""

from pathlib import Path

from tools.datasets.assemble import Item
from tools.datasets.folder.csv_table import TableRow, read_table
from tools.datasets.folder.walk import SPLIT_SPELLINGS, split_named
from tools.datasets.types import Split
from tools.errors import DataError

NAME = "manifest.csv"


def read_manifest(file: Path, root: Path) -> list[Item]:
    """Read a manifest. Columns `file` (relative to `root`) and `label`; optional `split` and `group`; others ignored.

    `split` is given for every row or for none. An image without a group is a group of its own.

    Raises:
        DataError: a column is missing, or a row (named by its line) has no label, an unknown split, or a file that
            is missing or listed twice.
    """
    items: list[Item] = []
    lines: dict[str, int] = {}
    unsplit: list[int] = []
    for row in read_table(file, ("file", "label")):
        if not any(row.values.values()):
            continue
        item = _item(row, root)
        if item.file in lines:
            raise DataError(f"{row.at}: the file {item.file!r} is already listed in line {lines[item.file]}")
        lines[item.file] = row.line
        if not row.values.get("split"):
            unsplit.append(row.line)
        items.append(item)
    if not items:
        raise DataError(f"{file} lists no images")
    if unsplit and len(unsplit) < len(items):
        raise DataError(
            f"{file}, line {unsplit[0]}: the split is empty ({len(unsplit)} such rows of {len(items)}). Give a split "
            "for every row, or for no row to have the splits carved."
        )
    return items


def _item(row: TableRow, root: Path) -> Item:
    name, label = row.values["file"].replace("\\", "/"), row.values["label"]
    if not name:
        raise DataError(f"{row.at}: the file is empty")
    if not label:
        raise DataError(f"{row.at}: the label of {name!r} is empty")
    if not (root / name).is_file():
        raise DataError(f"{row.at}: the file {name!r} does not exist (expected at {root / name})")
    return Item(name, label, split_of(row) or "train", row.values.get("group") or None)


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

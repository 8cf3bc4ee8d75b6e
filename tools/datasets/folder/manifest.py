"""manifest.csv: which file has which label, and optionally its split and group."""

import csv
from pathlib import Path

from tools.datasets.assemble import Item
from tools.datasets.folder.walk import SPLIT_SPELLINGS, split_named
from tools.datasets.types import Split
from tools.errors import DataError

NAME = "manifest.csv"


def read_manifest(file: Path, root: Path) -> list[Item]:
    """Read a manifest. Columns `file` (relative to `root`) and `label`; optional `split` and `group`; others ignored.

    `split` is given for every row or for none. A row without a group is a group of its own.

    Raises:
        DataError: a column is missing, or a row (named by its line) has no label, an unknown split, or a file that
            is missing or was listed before.
    """
    try:
        items, unsplit = _read_rows(file, root)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as CSV in UTF-8: {error}") from error
    if not items:
        raise DataError(f"{file} lists no images")
    if unsplit and len(unsplit) < len(items):
        raise DataError(
            f"{file}, line {unsplit[0]}: the split is empty ({len(unsplit)} such rows of {len(items)}). Give one "
            "for every row, or for none to have the splits carved."
        )
    return items


def _read_rows(file: Path, root: Path) -> tuple[list[Item], list[int]]:
    """The items, and the lines that have no split."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened, restval="")
        columns = reader.fieldnames or []
        for needed in ("file", "label"):
            if needed not in columns:
                raise DataError(
                    f"{file} has no column {needed!r} (its first line: {', '.join(columns) or 'empty'}). Expected: "
                    "file,label and optionally split,group"
                )
        items: list[Item] = []
        lines: dict[str, int] = {}
        unsplit: list[int] = []
        for row in reader:
            at = f"{file}, line {reader.line_num}"
            name = row["file"].strip().replace("\\", "/")
            if not any((value or "").strip() for value in row.values() if not isinstance(value, list)):
                continue
            if name in lines:
                raise DataError(f"{at}: the file {name!r} is listed already in line {lines[name]}")
            lines[name] = reader.line_num
            item = _item(row, name, root, at)
            if not row.get("split", "").strip():
                unsplit.append(reader.line_num)
            items.append(item)
    return items, unsplit


def _item(row: dict[str, str], name: str, root: Path, at: str) -> Item:
    label = row["label"].strip()
    if not name:
        raise DataError(f"{at}: the file is empty")
    if not label:
        raise DataError(f"{at}: the label of {name!r} is empty")
    if not (root / name).is_file():
        raise DataError(f"{at}: the file {name!r} does not exist (looked for {root / name})")
    return Item(name, label, _split(row.get("split", ""), at), row.get("group", "").strip() or None)


def _split(text: str, at: str) -> Split:
    if not text.strip():
        return "train"
    split = split_named(text)
    if split is None:
        raise DataError(f"{at}: unknown split {text!r}; known are {SPLIT_SPELLINGS}")
    return split

"""splits.csv: which image is in which split and group, written with every study, for others to use the same."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tools.datasets.folder.walk import SPLIT_SPELLINGS, split_named
from tools.datasets.types import Record
from tools.errors import DataError

NAME = "splits.csv"
_NAMED = 5


def write_splits(file: Path, records: Sequence[Record], classes: Sequence[str]) -> None:
    """Write the columns file, label, split, group: also a manifest.csv, for whoever has the images elsewhere."""
    partial = file.with_name(f"{file.name}.writing")
    with partial.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(("file", "label", "split", "group"))
        writer.writerows((each.file, classes[each.label], each.split, each.group) for each in records)
    partial.replace(file)


def read_splits(file: Path, records: Sequence[Record]) -> tuple[list[Record], str]:
    """The records that the file lists, in the splits and groups that it gives; and what is to be said of it.

    Columns `file` and `split`, optionally `group`; others are ignored. Images that it does not list are not used.

    Raises:
        DataError: it cannot be read, or a line has an unknown split, or a file that the data set lacks or that was
            listed before.
    """
    by_file = {record.file: record for record in records}
    chosen: dict[str, Record] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, restval="")
            columns = reader.fieldnames or []
            if not {"file", "split"} <= set(columns):
                raise DataError(
                    f"{file} has the columns {', '.join(columns) or 'none'}; expected file,split and optionally group"
                )
            for row in reader:
                record = _record(row, by_file, chosen, f"{file}, line {reader.line_num}")
                chosen[record.file] = record
    except OSError as error:
        raise DataError(f"data.splits: {file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as CSV in UTF-8: {error}") from error
    if not chosen:
        raise DataError(f"{file} lists no images")
    left = len(records) - len(chosen)
    aside = f"; {left} images that it does not list are not used" if left else ""
    return [chosen[record.file] for record in records if record.file in chosen], f"splits from {file}{aside}"


def _record(row: dict[str, str], by_file: dict[str, Record], chosen: dict[str, Record], at: str) -> Record:
    name, text = row["file"].strip(), row["split"].strip()
    if name not in by_file:
        near = sorted(by_file)[:_NAMED]
        raise DataError(f"{at}: the data set has no file {name!r} (it has {', '.join(near)}, …)")
    if name in chosen:
        raise DataError(f"{at}: the file {name!r} is listed twice")
    split = split_named(text)
    if split is None:
        raise DataError(f"{at}: unknown split {text!r}; known are {SPLIT_SPELLINGS}")
    return replace(by_file[name], split=split, group=row.get("group", "").strip() or by_file[name].group)

"""Tables in CSV, as data sets and users bring them."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.errors import DataError


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table."""

    values: dict[str, str]
    """By column, without surrounding space; '' where the row ends before the column."""
    line: int
    """In the file, from 1."""
    at: str
    """Its file and line, for messages."""


def read_table(file: Path, columns: Sequence[str]) -> Iterator[TableRow]:
    """The rows of a CSV file in UTF-8; further columns are read too.

    Args:
        file: with the names of the columns in its first line.
        columns: those that it must have.

    Raises:
        DataError: it is not CSV, or lacks a column.
        OSError: it cannot be read.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, restval="")
            found = reader.fieldnames or []
            if absent := [column for column in columns if column not in found]:
                raise DataError(
                    f"{file} has no column {', '.join(absent)}; it needs {','.join(columns)} and has "
                    f"{', '.join(found) or 'none'}"
                )
            for row in reader:
                values = {name: value.strip() for name, value in row.items() if isinstance(value, str)}
                yield TableRow(values, reader.line_num, f"{file}, line {reader.line_num}")
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as CSV in UTF-8: {error}") from error


def whole_number(text: str) -> int | None:
    """A number of 0 or more, or None; also '2.0', which a program that fills empty rows makes of 2."""
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number >= 0 and number.is_integer() else None

"""Tables in CSV, as data sets and users bring them: separated by commas, semicolons, tabs or spaces."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.errors import DataError

TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
SHEET_SUFFIXES = (".xlsx", ".xls", ".xlsm", ".ods", ".parquet", ".json", ".jsonl", ".numbers")
"""Kinds of tables that are not read: they have to be saved as CSV."""

_DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 20
"""Lines that decide what separates the columns."""
_FIELD_LIMIT = 10_000_000
"""Characters of the longest cell."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of a table."""

    values: dict[str, str]
    """By column, without surrounding space; '' where the row ends before the column."""
    line: int
    """In the file, from 1."""
    at: str
    """Its file and line, for messages."""


@dataclass(frozen=True)
class Table:
    """A whole table; its first line is among the cells, since it may be a header or not."""

    file: Path
    lines: tuple[int, ...]
    """The line of each row in the file, from 1."""
    cells: tuple[tuple[str, ...], ...]
    """Of each row that is not empty, without surrounding space, filled up to the widest row."""

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.cells[0]) if self.cells else 0


def read_table(file: Path, columns: Sequence[str], errors: str = "strict") -> Iterator[TableRow]:
    """The rows of a CSV file in UTF-8; further columns are read too.

    Args:
        file: with the names of the columns in its first line.
        columns: those that it must have.
        errors: what is done with bytes that are not UTF-8, as in `open`.

    Raises:
        DataError: it is not CSV, lacks a column or has one twice, or a row has more cells than there are columns.
        OSError: it cannot be read.
    """
    try:
        with file.open(encoding="utf-8-sig", errors=errors, newline="") as opened:
            first = opened.readline()
            opened.seek(0)
            reader = csv.reader(opened, delimiter=_delimiter_with(first, columns))
            found = [name.strip() for name in next(reader, [])]
            if absent := [column for column in columns if column not in found]:
                raise DataError(
                    f"{file} has no column {', '.join(absent)}; it needs {','.join(columns)} and has "
                    f"{', '.join(found) or 'none'}"
                )
            if twice := [column for column in columns if found.count(column) > 1]:
                raise DataError(
                    f"{file}, line 1: the column {', '.join(twice)} is there twice; rename one of them"
                )
            for cells in reader:
                if cells:
                    yield _row(file, reader.line_num, found, cells)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as CSV in UTF-8: {error}. Save it as 'CSV UTF-8'.") from error


def load_table(file: Path, most: int | None = None) -> Table:
    """All cells of a table; what separates them is found out.

    Args:
        file: CSV, TSV, or lines with columns between spaces; in UTF-8.
        most: at most this many rows are read; all if None.

    Raises:
        DataError: it cannot be read, or is of a kind that must be saved as CSV first.
    """
    if file.suffix.lower() in SHEET_SUFFIXES:
        raise DataError(f"{file} is not a text file: save it as CSV (in UTF-8), and give that file instead")
    lines: list[int] = []
    rows: list[tuple[str, ...]] = []
    try:
        csv.field_size_limit(_FIELD_LIMIT)
        with file.open(encoding="utf-8-sig", newline="") as opened:
            head = [line for _, line in zip(range(_LOOKED_AT), opened, strict=False)]
            opened.seek(0)
            for number, cells in _split_lines(opened, _delimiter_of(head)):
                cells = tuple(cell.strip() for cell in cells)
                if any(cells):
                    lines.append(number)
                    rows.append(cells)
                if most is not None and len(rows) >= most:
                    break
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as CSV in UTF-8: {error}. Save it as 'CSV UTF-8'.") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    width = max(map(len, rows), default=0)
    return Table(file, tuple(lines), tuple(row + ("",) * (width - len(row)) for row in rows))


def whole_number(text: str) -> int | None:
    """A number of 0 or more, or None; also '2.0', which a program that fills empty rows makes of 2."""
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number >= 0 and number.is_integer() else None


def _row(file: Path, line: int, names: Sequence[str], cells: Sequence[str]) -> TableRow:
    if any(cell.strip() for cell in cells[len(names) :]):
        raise DataError(
            f"{file}, line {line}: there are {len(cells)} cells for {len(names)} columns; put a cell that holds the "
            "separator into double quotes"
        )
    filled = [cell.strip() for cell in cells] + [""] * (len(names) - len(cells))
    return TableRow(dict(zip(names, filled, strict=False)), line, f"{file}, line {line}")


def _delimiter_with(header: str, columns: Sequence[str]) -> str:
    """What separates the columns, if with it the header has those that are needed; else a comma."""
    for delimiter in _DELIMITERS:
        names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
        if all(column in names for column in columns):
            return delimiter
    return ","


def _delimiter_of(head: Sequence[str]) -> str | None:
    """What gives most lines the same number of columns, of two or more; None: spaces."""
    best, most = ",", (0, 0)
    for delimiter in _DELIMITERS:
        widths = [len(cells) for cells in csv.reader(head, delimiter=delimiter) if any(cells)]
        usual = max(set(widths), key=widths.count, default=0)
        if usual > 1 and (widths.count(usual), usual) > most:
            best, most = delimiter, (widths.count(usual), usual)
    if most == (0, 0) and any(len(line.split()) > 1 for line in head):
        return None
    return best


def _split_lines(opened: Iterator[str], delimiter: str | None) -> Iterator[tuple[int, Sequence[str]]]:
    if delimiter is None:
        for number, line in enumerate(opened, start=1):
            yield number, line.split()
        return
    reader = csv.reader(opened, delimiter=delimiter)
    for cells in reader:
        yield reader.line_num, cells

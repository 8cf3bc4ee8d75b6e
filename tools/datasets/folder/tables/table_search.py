"""Find the tables beside images whose ids are the images' names, and the columns that may be labels and groups."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.datasets.folder.csv_table import SHEET_SUFFIXES, Table, load_table
from tools.datasets.folder.finder import ImageFinder
from tools.datasets.folder.tables.image_index import ImageIndex
from tools.datasets.folder.tables.label_names import named_group
from tools.datasets.folder.tables.label_spec import one_hot_columns, tables_in, truth
from tools.datasets.folder.wording import counts_in_words
from tools.errors import DataError

_LEVELS = 2
"""Tables are searched for in the data's folder and this many levels below it."""
_MOST_FOLDERS = 200
_MOST_TABLES = 30
"""A folder with more text files than these holds one for each image."""
_MOST_ROWS = 200_000
_LARGE, _HEAD = 5_000_000, 500
"""From this many bytes on, the first rows say whether a table is read."""
_MOST_CLASSES = 1000
_SHOWN = 4
"""At most this many columns are offered as labels."""
_LABEL_WORDS = re.compile(
    r"label|class|target|diagnos|\bdx\b|categor|finding|grade|level|species|breed|\by\b|malignan|type|disease|outcome",
    re.I,
)
_GROUP_WORDS = re.compile(
    r"patient|lesion|subject|person|\bpid\b|case|study|group|participant|individual|slide|specimen|source|site|camera",
    re.I,
)


@dataclass(frozen=True)
class LabelColumn:
    """A column that may hold the labels, or '' for columns of zeros and ones."""

    name: str
    counts: Counter[str]
    """Images by label."""
    of_image: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class MatchingTable:
    """A table whose ids are names of images."""

    file: Path
    id: str
    images: int
    """That it names."""
    labels: tuple[LabelColumn, ...]
    group: str
    """The column that may say which images belong together; '' if none does."""
    groups: int

    def flag(self, label: LabelColumn, root: Path) -> str:
        """The flag that reads its labels."""
        place = self.file.relative_to(root).as_posix() if self.file.is_relative_to(root) else str(self.file)
        value = f"{place}:{self.id}"
        if label.name or self.group:
            value += f":{label.name}"
        if self.group:
            value += f":{self.group}"
        return f"--data.labels {quoted(value)}"

    def about(self, label: LabelColumn, total: int) -> str:
        """What reading its labels would give."""
        by = f"the column {label.name}" if label.name else "the columns of 0 and 1"
        text = (
            f"{len(label.counts)} classes by {by} of "
            f"{self.file.name} ({counts_in_words(label.counts.most_common())}); {self.images:,} of {total:,} images"
        )
        return f"{text}; {self.group} keeps {self.groups:,} groups together" if self.group else text


def matching_tables(
    finder: ImageFinder, base: Path, files: Sequence[str], without: Collection[str] = ()
) -> tuple[list[MatchingTable], list[str]]:
    """Tables that name at least half of their rows' images, or half of the images; and notes about files unread.

    Args:
        finder: of the data's folder.
        base: where tables are searched for, and in the folders between it and the data's folder.
        files: all images.
        without: names of files that are no such tables.
    """
    index: ImageIndex | None = None  # most folders have no table, and it takes a while for many images
    found: list[MatchingTable] = []
    unread: list[str] = []
    for file in _tables(finder, base):
        if file.name in without:
            continue
        if file.suffix.lower() in SHEET_SUFFIXES:
            if file.suffix.lower() not in (".json", ".jsonl"):
                unread.append(f"{file.name} is not read: if it holds labels, save it as CSV")
            continue
        index = index or ImageIndex(files)
        try:
            table = _load(file, index)
        except DataError:
            if file.suffix.lower() in (".csv", ".tsv"):  # else some text beside the images
                unread.append(f"{file.name} is not UTF-8: if it holds labels, save it as 'CSV UTF-8'")
            continue
        if table is not None and (match := _match(table, index, len(files))) is not None:
            found.append(match)
    return found, unread


def _load(file: Path, index: ImageIndex) -> Table | None:
    """The table, or None for a large one whose first rows name no image (pixels as numbers, say)."""
    if file.stat().st_size > _LARGE:
        head = load_table(file, _HEAD)
        if not any(cell in index for row in head.cells for cell in row if cell):
            return None
    return load_table(file, _MOST_ROWS)


def quoted(value: str) -> str:
    """A value as a shell takes it."""
    import shlex

    return shlex.quote(value)


def _tables(finder: ImageFinder, base: Path) -> Iterator[Path]:
    level = [base]
    if base != finder.root:
        outer = [
            finder.root,
            *reversed([p for p in base.parents if p.is_relative_to(finder.root) and p != finder.root]),
        ]
        for folder in outer:
            found = tables_in(folder)
            yield from found if len(found) <= _MOST_TABLES else ()
    for depth in range(_LEVELS + 1):
        for folder in level[:_MOST_FOLDERS]:
            found = tables_in(folder)
            yield from found if len(found) <= _MOST_TABLES else ()
        if depth < _LEVELS:
            level = [below for folder in level[:_MOST_FOLDERS] for below in finder.folders(folder)]


def _match(table: Table, index: ImageIndex, total: int) -> MatchingTable | None:
    if len(table.cells) < 3 or table.width < 2:
        return None
    headless = any(cell and cell in index for cell in table.cells[0])
    first = 0 if headless else 1
    rows = table.cells[first:]
    names = [str(at + 1) if headless else name or str(at + 1) for at, name in enumerate(table.cells[0])]
    shares = [_share(rows, at, index) for at in range(table.width)]
    identity = max(range(table.width), key=lambda at: shares[at])
    if shares[identity] < 0.5 and shares[identity] * len(rows) < 0.5 * total:
        return None
    image_of = {}
    for at, row in enumerate(rows):
        files = index.find(row[identity]) if row[identity] else ()
        if files:
            image_of[at] = files[0]
    if len(image_of) < 2:
        return None
    group = _group_column(rows, names, identity, image_of)
    others = [at for at in range(table.width) if at not in (identity, group)]
    labels = list(_label_columns(rows, names, others, image_of))
    if one_hot := _one_hot(table, first, rows, names, identity, image_of):
        labels = [one_hot, *(each for each in labels if each.name not in one_hot.counts)]
    if not labels:
        return None
    groups = len({named_group(rows[at][group]) or at for at in image_of}) if group is not None else 0
    return MatchingTable(
        table.file,
        names[identity],
        len(set(image_of.values())),
        tuple(labels[:_SHOWN]),
        names[group] if group is not None else "",
        groups,
    )


def _share(rows: Sequence[Sequence[str]], at: int, index: ImageIndex) -> float:
    """Share of the rows whose cell names an image, judged by at most 2,000 of them."""
    looked_at = rows[:: max(1, len(rows) // 2000)]
    return sum(bool(row[at]) and row[at] in index for row in looked_at) / len(looked_at)


def _label_columns(
    rows: Sequence[Sequence[str]], names: Sequence[str], columns: Sequence[int], image_of: dict[int, str]
) -> Iterator[LabelColumn]:
    """Columns with at least two values that come again, those that are called like labels first."""
    found: list[LabelColumn] = []
    for column in columns:
        of_image = {file: rows[at][column] for at, file in image_of.items()}
        counts = Counter(of_image.values())
        counts.pop("", None)
        often = sum(count > 1 for count in counts.values())
        if 2 <= len(counts) <= min(_MOST_CLASSES, len(of_image) // 2) and often >= 2:
            found.append(LabelColumn(names[column], counts, of_image))
    yield from sorted(found, key=lambda each: (not _LABEL_WORDS.search(each.name), len(each.counts) > 50))


def _one_hot(
    table: Table,
    first: int,
    rows: Sequence[Sequence[str]],
    names: Sequence[str],
    identity: int,
    image_of: dict[int, str],
) -> LabelColumn | None:
    columns = one_hot_columns(table, first, {identity})
    if len(columns) < 2:
        return None
    of_image = {}
    for at, file in image_of.items():
        chosen = [names[column] for column in columns if truth(rows[at][column])]
        if len(chosen) != 1:
            return None
        of_image[file] = chosen[0]
    return LabelColumn("", Counter(of_image.values()), of_image)


def _group_column(
    rows: Sequence[Sequence[str]], names: Sequence[str], identity: int, image_of: dict[int, str]
) -> int | None:
    """The column that is called like a group, and has several values, some of them more than once."""
    for column, name in enumerate(names):
        if column == identity or not _GROUP_WORDS.search(re.sub(r"[_\W]+", " ", name)):
            continue
        counts = Counter(named_group(rows[at][column]) or at for at in image_of)
        if 2 < len(counts) < len(image_of) and len(counts) > len(image_of) / 50:
            return column
    return None

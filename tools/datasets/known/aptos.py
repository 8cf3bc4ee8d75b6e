"""`aptos`: APTOS 2019, diabetic retinopathy in photographs of the eye's fundus, five ordered grades.

Two layouts: that of the Kaggle competition, whose own test images have no labels and are not used; and that of the
repackaged Kaggle data set mariaherrerot/aptos2019, which labels three splits.
"""

from collections.abc import Iterator
from pathlib import Path

from tools.datasets.assemble import Item, assemble
from tools.datasets.cards import read_card
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.folder.csv_table import read_table, whole_number
from tools.datasets.folder.source import FolderSource
from tools.datasets.location import check_files, data_folder, not_found
from tools.datasets.types import Dataset, Split
from tools.errors import DataError

CARD = read_card(Path(__file__).with_suffix(".yaml"))

_COMPETITION = (
    "train.csv                              id_code,diagnosis",
    "train_images/ID.png",
)
_REPACKAGED = (
    "train_1.csv, valid.csv, test.csv       id_code,diagnosis",
    "train_images/train_images/ID.png",
    "val_images/val_images/ID.png",
    "test_images/test_images/ID.png",
)
_TABLES: tuple[tuple[str, str, Split], ...] = (
    ("train_1.csv", "train_images/train_images", "train"),
    ("valid.csv", "val_images/val_images", "validation"),
    ("test.csv", "test_images/test_images", "test"),
)
_COMPETITION_TABLES: tuple[tuple[str, str, Split], ...] = (("train.csv", "train_images", "train"),)


def open_aptos(config: DataConfig) -> Dataset:
    """Open APTOS 2019 at `config.path`, or in data/aptos.

    The repackaged splits are kept as published, except that an image in two of them is kept in test only (else in
    validation only). The competition's layout has no labelled validation or test images: these splits are carved.

    Raises:
        DataError: it is not there, an image of a table is missing, or a row has a bad grade.
    """
    root = data_folder(CARD.name, config)
    repackaged = (root / _TABLES[0][0]).is_file()
    tables = _TABLES if repackaged else _COMPETITION_TABLES
    if not repackaged and not ((root / "train.csv").is_file() and (root / "train_images").is_dir()):
        raise not_found(CARD.title, root, (_REPACKAGED, _COMPETITION), CARD.download)
    notes: list[str] = []
    items: list[Item] = []
    for table, folder, split in tables:
        if not (root / table).is_file():
            raise not_found(f"{table} of {CARD.title}", root, (_REPACKAGED,), CARD.download)
        rows = list(_grades(root / table))
        labelled = [row for row in rows if row is not None]
        items += [Item(f"{folder}/{code}.png", CARD.classes[grade], split) for code, grade in labelled]
        if empty := len(rows) - len(labelled):
            notes.append(f"{empty} empty rows of {table} skipped")
    source = FolderSource(root)
    check_files(CARD.title, items, source)
    if not repackaged and (root / "test.csv").is_file():
        notes.append("the competition's test images have no labels and are not used")
    assembled = assemble(items, root, CARD.classes)
    return Dataset(
        CARD,
        assembled.records,
        source,
        notes=tuple(notes),
        missing=assembled.missing,
        known_leaks=repackaged,
    )


def _grades(file: Path) -> Iterator[tuple[str, int] | None]:
    """(id, grade) of each row; None for an empty one."""
    for row in read_table(file, ("id_code", "diagnosis")):
        code, text = row.values["id_code"], row.values["diagnosis"]
        if not code and not text:
            yield None
            continue
        grade = whole_number(text)
        if not code or grade is None or grade not in range(len(CARD.classes)):
            raise DataError(f"{row.at}: expected an id and a grade from 0 to 4, found {code!r} and {text!r}")
        yield code, grade


ENTRY = Entry(
    open_aptos,
    CARD,
    counts=({"train": 3662}, {"train": 2930, "validation": 366, "test": 366}),
    fetch="kaggle:mariaherrerot/aptos2019",
)

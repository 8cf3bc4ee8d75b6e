"""`aptos`: APTOS 2019, diabetic retinopathy in photographs of the eye's fundus, five ordered grades.

Two layouts: that of the Kaggle competition (whose own test images have no labels and are not used), and that of
the repackaged Kaggle data set mariaherrerot/aptos2019, which labels three splits.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from tools.datasets.assemble import Item, assemble
from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.known.common import check_files, missing, place_of
from tools.datasets.types import Card, Dataset, Entry, Split
from tools.errors import DataError

CARD = Card(
    name="aptos",
    title="APTOS 2019 blindness detection",
    modality="fundus",
    description=(
        "Colour photographs of the retina (fundus), taken by many cameras in rural India under varying light, focus "
        "and framing: a bright disc on a black border, sometimes cut at the top and bottom. The label is the grade "
        "of diabetic retinopathy that a clinician gave: 0 no DR, 1 mild (microaneurysms only, tiny red dots of a few "
        "pixels), 2 moderate (more of them, with dot haemorrhages and hard yellow exudates), 3 severe (many "
        "haemorrhages in all quadrants, venous beading, intraretinal vessel anomalies), 4 proliferative DR (new "
        "vessels, vitreous haemorrhage). The grades are ordered, about half of the images are grade 0, and the grades "
        "are noisy. What decides the label is small, sharp and red or yellow on orange: strong blur, strong noise, "
        "downscaling, posterising and large erasing can remove it, and hue shifts or colour inversion turn exudates "
        "and haemorrhages into something else. The eye has no preferred orientation for the grade: left and right "
        "eyes mirror each other, and rotation and flips keep the label. Brightness, contrast, gamma and mild colour "
        "changes imitate the difference between cameras."
    ),
    classes=("no DR", "mild", "moderate", "severe", "proliferative DR"),
    ordinal=True,
    metric="validation_accuracy",
    image_size=224,
    licence="the rules of the Kaggle competition aptos2019-blindness-detection; accept them there before downloading",
    citation=(
        "Asia Pacific Tele-Ophthalmology Society (APTOS): APTOS 2019 Blindness Detection. Kaggle, 2019. "
        "https://www.kaggle.com/competitions/aptos2019-blindness-detection"
    ),
    download=(
        "kaggle datasets download -d mariaherrerot/aptos2019 -p data/aptos --unzip\n"
        "or, after accepting the rules of the competition:\n"
        "kaggle competitions download -c aptos2019-blindness-detection -p data/aptos\n"
        "unzip -q data/aptos/aptos2019-blindness-detection.zip -d data/aptos"
    ),
    warnings=(
        "no patient ids are published: the two eyes of one patient may be in different splits",
        "grades are ordered and unbalanced: read quadratic weighted kappa (the competition's measure) beside accuracy",
    ),
)

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


def open_aptos(config: DataConfig) -> Dataset:
    """Open APTOS 2019 at `config.path`, or in data/aptos.

    The repackaged splits are kept as published, but for images that are in two of them: those stay in test (else in
    validation) only. The competition's layout has no labelled validation or test: they are carved.

    Raises:
        DataError: it is not there, an image of a table is missing, or a row has a bad grade.
    """
    root = place_of(CARD.name, config)
    if (root / _TABLES[0][0]).is_file():
        tables = _TABLES
    elif (root / "train.csv").is_file() and (root / "train_images").is_dir():
        tables: tuple[tuple[str, str, Split], ...] = (("train.csv", "train_images", "train"),)
    else:
        raise missing(CARD.title, root, (_REPACKAGED, _COMPETITION), CARD.download)
    notes: list[str] = []
    items: list[Item] = []
    for table, folder, split in tables:
        if not (root / table).is_file():
            raise missing(f"{table} of {CARD.title}", root, (_REPACKAGED,), CARD.download)
        rows = list(_rows(root / table))
        named = [row for row in rows if row is not None]
        items += [Item(f"{folder}/{code}.png", CARD.classes[grade], split) for code, grade in named]
        if empty := len(rows) - len(named):
            notes.append(f"{empty} empty rows of {table} skipped")
    source = FolderSource(root)
    check_files(CARD.title, items, source)
    if tables is not _TABLES and (root / "test.csv").is_file():
        notes.append("the competition's test images have no labels and are not used")
    assembled = assemble(items, root, CARD.classes)
    return Dataset(
        CARD,
        assembled.records,
        source,
        notes=tuple(notes),
        missing=assembled.missing,
        known_leaks=tables is _TABLES,
    )


def _rows(file: Path) -> Iterator[tuple[str, int] | None]:
    """(id, grade) of each row; None for an empty one."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened, restval="")
        if not {"id_code", "diagnosis"} <= set(reader.fieldnames or ()):
            raise DataError(
                f"{file} needs the columns id_code,diagnosis; it has {', '.join(reader.fieldnames or ()) or 'none'}"
            )
        for row in reader:
            code, text = row["id_code"].strip(), row["diagnosis"].strip()
            if not code and not text:
                yield None
                continue
            yield code, _grade(text, code, f"{file}, line {reader.line_num}")


def _grade(text: str, code: str, at: str) -> int:
    try:
        grade = float(text)  # a table that was saved again with empty rows has 2.0 for 2
    except ValueError:
        grade = -1.0
    if not code or grade not in range(len(CARD.classes)):
        raise DataError(f"{at}: expected an id and a grade from 0 to 4, found {code!r} and {text!r}")
    return int(grade)


ENTRY = Entry(
    open_aptos,
    CARD,
    counts=({"train": 3662}, {"train": 2930, "validation": 366, "test": 366}),
    fetch="kaggle:mariaherrerot/aptos2019",
)

"""`cub`: Caltech-UCSD Birds-200-2011, photographs of 200 kinds of birds with boxes and masks.

Its tables are joined by the id of the image. Ids of classes count from 1. The published split has train and test;
validation is carved from train, or is that of ALIA (Dunlap et al., 2023), which the AGA paper follows: there the last
five training images of each class, by id, are not trained on. (ALIA adds them to train for its baseline with more real
images, and chooses its classifiers on test; here they are validation, so that test is opened once. The order of the
ids is not that of the file names.)
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tools.datasets.assemble import Item, assemble
from tools.datasets.cards import read_card
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.folder.source import FolderSource
from tools.datasets.location import check_files, data_folder, not_found, shortened
from tools.datasets.types import Corners, Dataset, Split
from tools.errors import DataError
from tools.text import counted

_INNER = "CUB_200_2011"
_IMAGES = "images.txt"
_CLASSES = "classes.txt"
_LABELS = "image_class_labels.txt"
_SPLIT = "train_test_split.txt"
_BOXES = "bounding_boxes.txt"
_MASKS = "segmentations"
_SPLITS: Mapping[str, Split] = {"1": "train", "0": "test"}
_ALIA = "alia"
_ALIA_HELD_OUT = 5
CARD = read_card(Path(__file__).with_suffix(".yaml"))

_LAYOUT = (
    *(
        f"{file:<40}{columns}"
        for file, columns in (
            (f"{_INNER}/{_IMAGES}", "image id, file below images/"),
            (f"{_INNER}/{_CLASSES}", "class id, name"),
            (f"{_INNER}/{_LABELS}", "image id, class id"),
            (f"{_INNER}/{_SPLIT}", "image id, 1 (train) or 0 (test)"),
            (f"{_INNER}/{_BOXES}", "image id, x, y, width, height (optional)"),
            (f"{_MASKS}/CLASS/*.png", f"here or in {_INNER} (optional)"),
        )
    ),
    f"{_INNER}/images/CLASS/*.jpg",
)


@dataclass(frozen=True, slots=True)
class _TableLine:
    """What a line says about the id at its beginning."""

    fields: tuple[str, ...]
    at: str
    """Its file and line, for messages."""


def open_cub(config: DataConfig) -> Dataset:
    """Open CUB-200-2011 at `config.path`, or in data/cub, with its boxes and masks where they are present.

    Boxes are given as published: some extend a little beyond their image.

    Args:
        config: `variant` is 'alia' (4,994 training, 1,000 validation, 5,794 test images), or unset (validation is
            carved from the 5,994 published training images).

    Raises:
        DataError: it is not there, a line of a table is malformed, the tables do not list the same images, or an
            image is missing.
    """
    root = data_folder(CARD.name, config)
    base = next((each for each in (root, root / _INNER) if (each / _IMAGES).is_file()), None)
    if base is None:
        raise not_found(CARD.title, root, (_LAYOUT,), CARD.download)
    for table in (_CLASSES, _LABELS, _SPLIT):
        if not (base / table).is_file():
            raise not_found(f"{table} of {CARD.title}", base, (_LAYOUT,), CARD.download)
    files = {key: f"images/{row.fields[0]}" for key, row in _rows(base / _IMAGES, "file").items()}
    names = _names(base / _CLASSES)
    labels = _labels(base / _LABELS, files, names)
    splits = _splits(base / _SPLIT, files)
    notes: list[str] = []
    if config.variant == _ALIA:
        notes.append(_hold_out_validation(labels, splits))
    items = [Item(files[key], labels[key], splits[key]) for key in files]
    source = FolderSource(base)
    check_files(CARD.title, items, source)
    boxes = _boxes(base / _BOXES, files) if (base / _BOXES).is_file() else {}
    masks = _masks(base, files.values())
    if masks and len(masks) < len(files):
        notes.append(f"{counted(len(files) - len(masks), 'image has', 'images have')} no mask in {_MASKS}")
    assembled = assemble(items, base, list(names.values()))
    return Dataset(
        replace(CARD, classes=assembled.classes, superclasses=("bird",) * len(names)),
        assembled.records,
        source,
        notes=tuple(notes),
        missing=assembled.missing,
        boxes=boxes,
        masks=masks,
    )


def _rows(file: Path, *names: str) -> dict[int, _TableLine]:
    """The lines of a table by the id they begin with; `names` are the other fields."""
    rows: dict[int, _TableLine] = {}
    with file.open(encoding="utf-8-sig") as opened:
        for number, line in enumerate(opened, start=1):
            if not line.strip():
                continue
            at = f"{file}, line {number}"
            key, *fields = line.split()
            if not key.isdecimal() or len(fields) != len(names):
                raise DataError(
                    f"{at}: expected an id (a number) and {', '.join(names)}, found {line.strip()!r}"
                )
            if int(key) in rows:
                raise DataError(f"{at}: id {key} is listed twice, first in {rows[int(key)].at}")
            rows[int(key)] = _TableLine(tuple(fields), at)
    return rows


def _rows_of(file: Path, files: Mapping[int, str], *names: str) -> dict[int, _TableLine]:
    """As `_rows`, for a table that has a line for each image and for nothing else."""
    rows = _rows(file, *names)
    apart = sorted(rows.keys() ^ files.keys())
    if apart:
        which = [f"{key} ({files.get(key, rows[key].at if key in rows else '')})" for key in apart]
        raise DataError(
            f"{file} and {_IMAGES} do not list the same images: only one of them has the ids "
            f"{shortened(which)}. Take both from one archive."
        )
    return rows


def _names(file: Path) -> dict[int, str]:
    """Class id → name: 'Black footed Albatross' for 001.Black_footed_Albatross."""
    names: dict[int, str] = {}
    for key, row in sorted(_rows(file, "name").items()):
        number, dot, name = row.fields[0].partition(".")
        names[key] = (name if dot and number.isdecimal() else row.fields[0]).replace("_", " ")
    return names


def _labels(file: Path, files: Mapping[int, str], names: Mapping[int, str]) -> dict[int, str]:
    labels: dict[int, str] = {}
    for key, row in _rows_of(file, files, "class id").items():
        text = row.fields[0]
        if not text.isdecimal() or int(text) not in names:
            raise DataError(
                f"{row.at}: {_CLASSES} has no class {text!r}; it has {min(names)} to {max(names)}"
            )
        labels[key] = names[int(text)]
    return labels


def _splits(file: Path, files: Mapping[int, str]) -> dict[int, Split]:
    splits: dict[int, Split] = {}
    for key, row in _rows_of(file, files, "1 or 0").items():
        if row.fields[0] not in _SPLITS:
            raise DataError(f"{row.at}: expected 1 (train) or 0 (test), found {row.fields[0]!r}")
        splits[key] = _SPLITS[row.fields[0]]
    return splits


def _hold_out_validation(labels: Mapping[int, str], splits: dict[int, Split]) -> str:
    """Move the last training images of each class to validation; returns a note about it."""
    train: defaultdict[str, list[int]] = defaultdict(list)
    for key in sorted(splits):
        if splits[key] == "train":
            train[labels[key]].append(key)
    held = [key for keys in train.values() for key in keys[-_ALIA_HELD_OUT:]]
    splits.update(dict.fromkeys(held, "validation"))
    return (
        f"variant {_ALIA}: the last {_ALIA_HELD_OUT} training images of each class, by id, are validation "
        f"({len(held)} in all), which ALIA adds to train for its baseline with more real images"
    )


def _boxes(file: Path, files: Mapping[int, str]) -> dict[str, Corners]:
    boxes: dict[str, Corners] = {}
    for key, row in _rows_of(file, files, "x", "y", "width", "height").items():
        try:
            x, y, width, height = map(float, row.fields)
        except ValueError:
            x = y = width = height = math.nan
        if not (math.isfinite(x) and math.isfinite(y) and 0 < width < math.inf and 0 < height < math.inf):
            raise DataError(
                f"{row.at}: expected x, y, width and height in pixels, width and height above 0, found "
                f"{' '.join(row.fields)!r}"
            )
        boxes[files[key]] = Corners(x, y, x + width, y + height)
    return boxes


def _masks(base: Path, files: Iterable[str]) -> dict[str, Path]:
    """The masks that are present, in the folder within `base` or beside it."""
    folder = next(
        (each / _MASKS for each in (base, base.absolute().parent) if (each / _MASKS).is_dir()), None
    )
    if folder is None:
        return {}
    masks: dict[str, Path] = {}
    for file in files:
        mask = (folder / file.removeprefix("images/")).with_suffix(".png")
        if mask.is_file():
            masks[file] = mask
    return masks


ENTRY = Entry(
    open_cub,
    CARD,
    counts=({"train": 5994, "test": 5794}, {"train": 4994, "validation": 1000, "test": 5794}),
    variants=(_ALIA,),
    fetch="kaggle:wenewone/cub2002011",
)

"""`iwildcam`: animals in photographs of camera traps, 182 classes, in the layout of WILDS (iWildCam 2020-WILDS).

The splits are the official ones that share no camera traps: train, val and test. `id_val` and `id_test` are frames of
the training traps on other days: they measure something else and are not used.

Variants, seven classes each: `alia` is the subset that ALIA publishes as lists of files (from few traps; its validation
images are from `id_test`); `alia-classes` has the same classes with all of their images in the official splits.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.datasets.assemble import Item, assemble
from tools.datasets.cards import read_card
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.folder.csv_table import read_table, whole_number
from tools.datasets.folder.source import FolderSource
from tools.datasets.location import data_folder, files_missing, not_found
from tools.datasets.types import Card, Dataset, Split
from tools.errors import DataError
from tools.text import counted

VARIANTS = ("alia", "alia-classes")

_INNER = "iwildcam_v2.0"
_IMAGES = "train"
"""The folder of all images, whatever their split."""
_TABLE, _NAMES = "metadata.csv", "categories.csv"
_COLUMNS = ("split", "y", "location_remapped", "sequence_remapped", "filename")
_OFFICIAL: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}
_SAME_TRAPS = ("id_val", "id_test")
_ALIA_TABLES: dict[str, Split] = {
    "train_subset.csv": "train",
    "val_subset.csv": "validation",
    "test_subset.csv": "test",
}
_ALIA_EXTRA = "train_extra_subset.csv"
_ALIA: dict[int, tuple[str, str]] = {
    0: ("background", ""),
    24: ("cattle", "cattle"),
    32: ("elephants", "elephant"),
    36: ("impalas", "impala"),
    48: ("zebras", "zebra"),
    49: ("giraffes", "giraffe"),
    52: ("dik-diks", "dik-dik"),
}
"""y → its name in ALIA, and what a detector finds in its frames."""
_EMPTY = "empty"
"""The category of frames without an animal."""

CARD = read_card(Path(__file__).with_suffix(".yaml"))

_LAYOUT = (
    f"{_TABLE}          {','.join(_COLUMNS)} and others",
    f"{_NAMES}        y,category_id,name",
    f"{_IMAGES}/FILENAME          the images of all splits",
    f"(or all of it in {_INNER}/)",
)
_ALIA_LAYOUT = (
    f"{', '.join([*_ALIA_TABLES, _ALIA_EXTRA])}",
    f"                      of ALIA, with the columns of {_TABLE}",
    f"{_IMAGES}/FILENAME",
    f"(or all of it in {_INNER}/)",
)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A row of a table."""

    filename: str
    split: str
    y: int
    location: str
    sequence: str


def open_iwildcam(config: DataConfig) -> Dataset:
    """Open iWildCam at `config.path`, or in data/iwildcam; `config.variant` may be one of `VARIANTS`.

    Groups are the camera traps. In ALIA's lists some traps are both in train and in validation; the images of these
    traps are grouped by burst.

    Raises:
        DataError: it is not there, an image of a table is missing, a row is wrong, or a trap is in two splits.
    """
    variant = config.variant
    root = data_folder(CARD.name, config)
    inner = root / _INNER if (root / _INNER).is_dir() else root
    tables = list(_ALIA_TABLES) if variant == "alia" else [_TABLE, _NAMES]
    if not all((inner / table).is_file() for table in tables) or not (inner / _IMAGES).is_dir():
        title = CARD.title if variant is None else f"{CARD.title}, variant {variant},"
        raise not_found(title, inner, (_ALIA_LAYOUT if variant == "alia" else _LAYOUT,), CARD.download)
    if variant == "alia":
        frames, notes = _listed_by_alia(inner)
    else:
        frames, notes = _official(inner, None if variant is None else _ALIA)
    _check_files(frames, inner / _IMAGES)
    names, superclasses = _classes(inner, frames, variant)
    items = [
        Item(f"{_IMAGES}/{frame.filename}", names[frame.y], _OFFICIAL[frame.split], group)
        for frame, group in zip(frames, _groups(frames, variant), strict=True)
    ]
    assembled = assemble(items, inner, tuple(names.values()), gaps=True)
    return Dataset(
        _card(assembled.classes, superclasses, variant),
        assembled.records,
        FolderSource(inner),
        notes=tuple(notes),
        missing=assembled.missing,
    )


def _official(inner: Path, only: Mapping[int, object] | None) -> tuple[list[_Frame], list[str]]:
    rows = list(_rows(inner / _TABLE))
    frames = [frame for frame in rows if frame is not None]
    notes = [f"{len(rows) - len(frames)} empty rows of {_TABLE} skipped"] if len(rows) > len(frames) else []
    unknown = sorted({frame.split for frame in frames} - {*_OFFICIAL, *_SAME_TRAPS})
    if unknown:
        raise DataError(f"{inner / _TABLE} has the splits {', '.join(unknown)}, which WILDS does not have")
    if only is not None:
        frames = [frame for frame in frames if frame.y in only]
    same_traps = Counter(frame.split for frame in frames if frame.split in _SAME_TRAPS)
    if same_traps:
        notes.append(
            f"{' and '.join(f'{n} images of {split}' for split, n in sorted(same_traps.items()))} are not used: they "
            "are from the camera traps of train"
        )
    frames, note = _single([frame for frame in frames if frame.split in _OFFICIAL])
    return frames, notes + note


def _listed_by_alia(inner: Path) -> tuple[list[_Frame], list[str]]:
    """The frames in ALIA's lists, whose column `split` gives the split of WILDS (id_test for validation images)."""
    frames: list[_Frame] = []
    notes: list[str] = []
    wilds = {split: name for name, split in _OFFICIAL.items()}
    for table, split in _ALIA_TABLES.items():
        rows = list(_rows(inner / table))
        frames += [replace(frame, split=wilds[split]) for frame in rows if frame is not None]
        if empty := sum(frame is None for frame in rows):
            notes.append(f"{empty} empty rows of {table} skipped")
    unknown = sorted({frame.y for frame in frames} - _ALIA.keys())
    if unknown:
        raise DataError(
            f"ALIA's lists in {inner} have the labels {', '.join(map(str, unknown))}; its seven classes are "
            f"{', '.join(f'{y} {name}' for y, (name, _) in _ALIA.items())}"
        )
    training = {frame.location for frame in frames if frame.split == "train"}
    shared = [frame for frame in frames if frame.split == "val" and frame.location in training]
    if shared:
        notes.append(
            f"{len(shared)} validation images are from {len({frame.location for frame in shared})} camera traps "
            "that are in train too, as published: validation is too optimistic about new places, test is not"
        )
    if (inner / _ALIA_EXTRA).is_file():
        extra = sum(frame is not None for frame in _rows(inner / _ALIA_EXTRA))
        notes.append(f"{extra} real images of {_ALIA_EXTRA} (ALIA's upper bound) are not used")
    frames, note = _single(frames)
    return frames, notes + note


def _rows(file: Path) -> Iterator[_Frame | None]:
    """The frame of each row; None for an empty one."""
    for row in read_table(file, _COLUMNS):
        split, y, location, sequence, filename = (row.values[column] for column in _COLUMNS)
        if not (split or y or location or sequence or filename):
            yield None
            continue
        number = whole_number(y)
        if number is None or not (split and location and sequence and filename):
            raise DataError(
                f"{row.at}: expected a split, a whole number y, a location, a sequence and a filename, found "
                f"{split!r}, {y!r}, {location!r}, {sequence!r}, {filename!r}"
            )
        yield _Frame(filename, split, number, location, sequence)


def _single(frames: Sequence[_Frame]) -> tuple[list[_Frame], list[str]]:
    """Each image once; an image that is listed with several species has no single label and is omitted."""
    first: dict[str, _Frame] = {}
    ambiguous: set[str] = set()
    for frame in frames:
        if first.setdefault(frame.filename, frame).y != frame.y:
            ambiguous.add(frame.filename)
    kept = [frame for name, frame in first.items() if name not in ambiguous]
    what = counted(
        len(ambiguous), "image that shows several classes is", "images that show several classes are"
    )
    return kept, [f"{what} not used"] if ambiguous else []


def _groups(frames: Sequence[_Frame], variant: str | None) -> Iterator[str]:
    locations = {
        split: {frame.location for frame in frames if frame.split == split} for split in ("train", "val")
    }
    shared = locations["train"] & locations["val"] if variant == "alia" else set()
    for frame in frames:
        burst = f", sequence {frame.sequence}" if frame.location in shared else ""
        yield f"location {frame.location}{burst}"


def _check_files(frames: Sequence[_Frame], folder: Path) -> None:
    # One listing instead of 200,000 look-ups, which take minutes on a network drive.
    present = set(os.listdir(folder))
    lost = [frame.filename for frame in frames if frame.filename not in present]
    if lost:
        raise files_missing(f"{CARD.title} in {folder}", lost, len(frames))


def _classes(
    inner: Path, frames: Sequence[_Frame], variant: str | None
) -> tuple[dict[int, str], tuple[str, ...]]:
    """y → name of each class of the frames, in the order of y; and what a detector finds in each."""
    present = sorted({frame.y for frame in frames})
    if variant is not None:
        chosen = {y: _ALIA[y] for y in present}
        return {y: name for y, (name, _) in chosen.items()}, tuple(found for _, found in chosen.values())
    named: dict[int, str] = {}
    for row in read_table(inner / _NAMES, ("y", "name")):
        number = whole_number(row.values["y"])
        if number is not None:
            named.setdefault(number, row.values["name"])
    unnamed = [str(y) for y in present if not named.get(y)]
    if unnamed:
        raise DataError(f"{inner / _NAMES} names no category for y {', '.join(unnamed)}")
    times = Counter(named[y] for y in present)
    superclasses = tuple("" if named[y] == _EMPTY else named[y] for y in present)
    # Two categories of WILDS are called 'mazama temama'.
    return {y: named[y] if times[named[y]] == 1 else f"{named[y]} ({y})" for y in present}, superclasses


def _card(classes: tuple[str, ...], superclasses: tuple[str, ...], variant: str | None) -> Card:
    card = replace(CARD, classes=classes, superclasses=superclasses)
    if variant is None:
        return card
    return replace(card, title=f"{CARD.title}, seven classes ({variant})", warnings=CARD.warnings[1:2])


ENTRY = Entry(
    open_iwildcam,
    CARD,
    counts=(
        {"train": 129809, "validation": 14961, "test": 42791},
        {"train": 6052, "validation": 2826, "test": 8483},
    ),
    variants=VARIANTS,
)

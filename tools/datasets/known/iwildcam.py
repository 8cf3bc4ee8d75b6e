"""`iwildcam`: animals in photographs of camera traps, 182 classes, in the layout of WILDS (iWildCam 2020-WILDS).

The three splits are the official ones that hold other camera traps: train, val and test. `id_val` and `id_test` are
frames of the training traps on other days, so they measure something else and are left out.

Variants, seven classes each: `alia` is the subset that ALIA publishes as lists of files (of few traps; its validation
images are of `id_test`); `alia-classes` has the same classes, but all of their images in the official splits.
"""

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.datasets.assemble import Item, assemble
from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.known.common import missing, place_of
from tools.datasets.types import Card, Dataset, Entry, Split
from tools.errors import DataError

VARIANTS = ("alia", "alia-classes")

_NAMED = 5
_INNER = "iwildcam_v2.0"
_IMAGES = "train"
"""All images lie in this folder, whatever their split."""
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
"""Category of the frames without an animal."""

CARD = Card(
    name="iwildcam",
    title="iWildCam 2020-WILDS",
    modality="natural",
    description=(
        "Photographs that camera traps took when something moved before them, in forests, savannas and at water holes "
        "of several continents: by day in colour, by night in the grey of an infrared flash. A trap stands still, so "
        "all its frames share one background, and frames come in bursts of a few seconds. Most frames carry a strip "
        "with date, time or temperature. The label is the species (182, many with a handful of frames; six in the "
        "variants), or 'empty' (there: 'background') where no animal is seen; more frames are empty than of any "
        "species. The animal may be small, far, "
        "blurred, half hidden or cut by the edge of the frame. Its shape, its coat's pattern and its size against the "
        "place decide the label: tight crops, strong erasing, strong blur and downscaling lose it and turn a frame "
        "into an empty one; a pasted animal turns an empty frame into a wrong label; patterns (stripes, spots) must "
        "survive; a vertical flip or a quarter turn shows what no trap sees. Mirroring keeps the label. Light, "
        "contrast, greyscale, mild noise, blur and colour imitate day, night and other cameras. Validation and test "
        "are of traps that were never seen in training, so what helps is to make the background matter less."
    ),
    classes=(),
    metric="validation_macro_f1",
    image_size=224,
    licence="CDLA-Permissive-1.0",
    citation=(
        "S. Beery, A. Agarwal, E. Cole, V. Birodkar: The iWildCam 2021 Competition Dataset. arXiv:2105.03494; "
        "S. Beery, E. Cole, A. Gjoka: The iWildCam 2020 Competition Dataset. arXiv:2004.10340; as split in P. W. Koh "
        "et al.: WILDS: A Benchmark of in-the-Wild Distribution Shifts. ICML 2021. Variant alia: L. Dunlap et al.: "
        "Diversify Your Vision Datasets with Automatic Diffusion-based Augmentation. NeurIPS 2023."
    ),
    download=(
        "pip install wilds\n"
        "python -c \"import wilds; wilds.get_dataset('iwildcam', root_dir='data/iwildcam', download=True)\"\n"
        "(about 12 GB) and for --data.variant alia its four lists, beside metadata.csv:\n"
        "git clone https://github.com/lisadunlap/ALIA && cp ALIA/data/iwildcam_v2.0/*.csv data/iwildcam/iwildcam_v2.0/"
    ),
    warnings=(
        "classes are very unequal, and some are in train only: read macro F1, as WILDS does",
        "many frames carry a strip with date, time or temperature, which tells the camera",
        "WILDS trains at 448 pixels: at 224 small animals are a few pixels",
    ),
)

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

    Groups are the camera traps. In ALIA's lists some traps are in train and in validation; the groups of those traps
    are the bursts.

    Raises:
        DataError: it is not there, an image of a table is missing, a row is wrong, or a trap is in two splits.
    """
    variant = config.variant
    root = place_of(CARD.name, config)
    inner = root / _INNER if (root / _INNER).is_dir() else root
    tables = list(_ALIA_TABLES) if variant == "alia" else [_TABLE, _NAMES]
    if not all((inner / table).is_file() for table in tables) or not (inner / _IMAGES).is_dir():
        title = CARD.title if variant is None else f"{CARD.title}, variant {variant},"
        raise missing(title, inner, (_ALIA_LAYOUT if variant == "alia" else _LAYOUT,), CARD.download)
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
    aside = Counter(frame.split for frame in frames if frame.split in _SAME_TRAPS)
    if aside:
        notes.append(
            f"{' and '.join(f'{n} images of {split}' for split, n in sorted(aside.items()))} are not used: their "
            "camera traps are those of train"
        )
    frames, note = _single([frame for frame in frames if frame.split in _OFFICIAL])
    return frames, notes + note


def _listed_by_alia(inner: Path) -> tuple[list[_Frame], list[str]]:
    """What ALIA's lists say; their column `split` is that of WILDS (validation images are of id_test)."""
    frames: list[_Frame] = []
    notes: list[str] = []
    wilds = {split: name for name, split in _OFFICIAL.items()}
    for table, split in _ALIA_TABLES.items():
        rows = list(_rows(inner / table))
        frames += [replace(frame, split=wilds[split]) for frame in rows if frame is not None]
        if empty := sum(frame is None for frame in rows):
            notes.append(f"{empty} empty rows of {table} skipped")
    strange = sorted({frame.y for frame in frames} - _ALIA.keys())
    if strange:
        raise DataError(
            f"ALIA's lists in {inner} have the labels {', '.join(map(str, strange))}; its seven classes are "
            f"{', '.join(f'{y} {name}' for y, (name, _) in _ALIA.items())}"
        )
    training = {frame.location for frame in frames if frame.split == "train"}
    shared = [frame for frame in frames if frame.split == "val" and frame.location in training]
    if shared:
        notes.append(
            f"{len(shared)} validation images are of {len({frame.location for frame in shared})} camera traps that "
            "are in train too, as published: validation says too much good about new places, test does not"
        )
    if (inner / _ALIA_EXTRA).is_file():
        extra = sum(frame is not None for frame in _rows(inner / _ALIA_EXTRA))
        notes.append(f"{extra} real images of {_ALIA_EXTRA} (ALIA's upper bound) are not used")
    frames, note = _single(frames)
    return frames, notes + note


def _rows(file: Path) -> Iterator[_Frame | None]:
    """The frame of each row; None for an empty one."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened, restval="")
        absent = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
        if absent:
            raise DataError(
                f"{file} lacks the columns {', '.join(absent)}; it has {', '.join(reader.fieldnames or ()) or 'none'}"
            )
        for row in reader:
            split, y, location, sequence, filename = (row[column].strip() for column in _COLUMNS)
            if not (split or y or location or sequence or filename):
                yield None
                continue
            number = _whole(y)
            if number is None or not (split and location and sequence and filename):
                raise DataError(
                    f"{file}, line {reader.line_num}: expected a split, a whole number y, a location, a sequence and "
                    f"a filename, found {split!r}, {y!r}, {location!r}, {sequence!r}, {filename!r}"
                )
            yield _Frame(filename, split, number, location, sequence)


def _whole(text: str) -> int | None:
    try:
        number = float(text)  # a table that was saved again with empty rows has 2.0 for 2
    except ValueError:
        return None
    return int(number) if number >= 0 and number.is_integer() else None


def _single(frames: Sequence[_Frame]) -> tuple[list[_Frame], list[str]]:
    """Each image once; one that is listed with several species has no single label and is left out."""
    first: dict[str, _Frame] = {}
    ambiguous: set[str] = set()
    for frame in frames:
        if first.setdefault(frame.filename, frame).y != frame.y:
            ambiguous.add(frame.filename)
    kept = [frame for name, frame in first.items() if name not in ambiguous]
    return kept, [f"{len(ambiguous)} images that show several classes are not used"] if ambiguous else []


def _groups(frames: Sequence[_Frame], variant: str | None) -> Iterator[str]:
    places = {
        split: {frame.location for frame in frames if frame.split == split} for split in ("train", "val")
    }
    shared = places["train"] & places["val"] if variant == "alia" else set()
    for frame in frames:
        burst = f", sequence {frame.sequence}" if frame.location in shared else ""
        yield f"location {frame.location}{burst}"


def _check_files(frames: Sequence[_Frame], folder: Path) -> None:
    # One listing instead of 200,000 questions, which take minutes on a network drive.
    present = set(os.listdir(folder))
    lost = [frame.filename for frame in frames if frame.filename not in present]
    if lost:
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        raise DataError(
            f"{len(lost)} of {len(frames)} images that the tables of {CARD.title} list are missing in {folder}: "
            f"{', '.join(lost[:_NAMED])}{more}. Is the archive unpacked completely?"
        )


def _classes(
    inner: Path, frames: Sequence[_Frame], variant: str | None
) -> tuple[dict[int, str], tuple[str, ...]]:
    """y → name for each y of the frames, in the order of y, and what a detector finds in each."""
    present = sorted({frame.y for frame in frames})
    if variant is not None:
        chosen = {y: _ALIA[y] for y in present}
        return {y: name for y, (name, _) in chosen.items()}, tuple(found for _, found in chosen.values())
    named: dict[int, str] = {}
    with (inner / _NAMES).open(encoding="utf-8-sig", newline="") as opened:
        for row in csv.DictReader(opened, restval=""):
            number = _whole(row.get("y", ""))
            if number is not None:
                named.setdefault(number, row.get("name", "").strip())
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
    return replace(
        card,
        title=f"{CARD.title}, seven classes ({variant})",
        warnings=CARD.warnings[1:2],
    )


ENTRY = Entry(
    open_iwildcam,
    CARD,
    counts=(
        {"train": 129809, "validation": 14961, "test": 42791},
        {"train": 6052, "validation": 2826, "test": 8483},
    ),
    variants=VARIANTS,
)

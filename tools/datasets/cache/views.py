"""Write a view: which rows of a folder of pixels are in which split (`read.py` reads it)."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.datasets.cache.pixels import FORMAT, Decoding, read_part
from tools.datasets.cache.read import Skipped
from tools.datasets.splits.split_file import NAME as SPLITS_FILE
from tools.datasets.splits.split_file import write_splits
from tools.datasets.types import SPLITS, Card, Record, Split
from tools.errors import DataError
from tools.files import read_json, sync, write_json
from tools.text import clean


@dataclass(frozen=True)
class View:
    """What a view holds. `rows` and `contents` (SHA-256) go with `records`, which are in their final order."""

    card: Card
    records: Sequence[Record]
    rows: Sequence[int]
    contents: Sequence[bytes]
    skipped: Sequence[Skipped]
    notes: Sequence[str]
    warnings: Sequence[str] = ()


def write_view(parent: Path, view: View, decoding: Decoding, gaps: set[tuple[Split, int]]) -> Path:
    """Write the view below `parent`, unless it is already there and whole; returns its folder.

    Args:
        parent: the folder of the pixels.
        view: what it holds.
        decoding: how the pixels were made.
        gaps: (split, label) of classes without images in a published split.

    Raises:
        DataError: a class has no image in a split, and this is not one of the gaps.
    """
    fingerprint = _fingerprint(view, decoding)
    names = [(each.file, each.group) for each in view.records]
    key = _digest([fingerprint, names, [asdict(each) for each in view.skipped]])
    folder = parent / "views" / key[:16]
    if not _is_whole(folder):
        counts = count_classes(view, gaps)
        partial = folder.with_name(f"{folder.name}.writing")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for split in SPLITS:
            positions = [at for at, record in enumerate(view.records) if record.split == split]
            write_json(
                partial / f"{split}.json",
                {
                    "rows": [view.rows[at] for at in positions],
                    "labels": [view.records[at].label for at in positions],
                    "files": [view.records[at].file for at in positions],
                    "groups": [view.records[at].group for at in positions],
                },
            )
        write_splits(partial / SPLITS_FILE, view.records, view.card)
        sync(partial / SPLITS_FILE)
        write_json(
            partial / "meta.json",
            {
                "format": FORMAT,
                "fingerprint": fingerprint,
                "image_size": decoding.size,
                "span": decoding.span,
                "class_counts": counts,
                "class_groups": count_groups(view),
                "skipped": [asdict(each) for each in view.skipped],
                **(_counts_of_sets(view) if view.card.several_labels else {}),
            },
        )
        _write_about(partial, view)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    _write_about(folder, view)
    return folder


def _is_whole(folder: Path) -> bool:
    """Whether every file of a view is there, and those that the search reads can be read. (Test is sealed.)"""
    read = ("meta.json", "about.json", *(f"{split}.json" for split in SPLITS if split != "test"))
    there = all((folder / name).is_file() for name in (*read, "test.json", SPLITS_FILE))
    return there and all(read_json(folder / name) is not None for name in read)


def _fingerprint(view: View, decoding: Decoding) -> str:
    """Identifies the data as trials see them: it does not depend on the names of files and groups."""
    digest = hashlib.sha256()
    # What is rarely used is fed only where it is used, so that other data keep their fingerprint.
    more: list[object] = [] if decoding.span is None else [list(decoding.span)]
    more += ["several labels"] if view.card.several_labels else []
    _feed(digest, FORMAT, decoding.size, decoding.fit, view.card.classes, *more)
    numbers: dict[str, int] = {}
    for record, content in zip(view.records, view.contents, strict=True):
        group = numbers.setdefault(record.group, len(numbers))
        _feed(digest, content.hex(), record.label, record.split, group)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", *values: object) -> None:
    digest.update(json.dumps(values).encode() + b"\n")


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def count_classes(view: View, gaps: set[tuple[Split, int]]) -> dict[Split, dict[str, int]]:
    """Images of each class in each split.

    Raises:
        DataError: as in `write_view`.
    """
    classes = view.card.classes
    counts: dict[Split, dict[str, int]] = {split: dict.fromkeys(classes, 0) for split in SPLITS}
    for record in view.records:
        for label in view.card.labels_of(record.label):
            counts[record.split][classes[label]] += 1
    empty = [
        f"{name} in {split}"
        for split in SPLITS
        for label, name in enumerate(classes)
        if counts[split][name] == 0 and (split, label) not in gaps
    ]
    if empty:
        removed = f" after {len(view.skipped)} unreadable files were skipped" if view.skipped else ""
        raise DataError(
            f"no usable image of class {', '.join(empty)} in {view.card.name}{removed}. Every class needs at least one "
            "image in each split."
        )
    return counts


def count_groups(view: View) -> dict[Split, dict[str, int]]:
    """Groups (patients, sources) of each class in each split."""
    card = view.card
    counts: dict[Split, dict[str, int]] = {split: dict.fromkeys(card.classes, 0) for split in SPLITS}
    seen: set[tuple[Split, str, int]] = {
        (each.split, each.group, label) for each in view.records for label in card.labels_of(each.label)
    }
    for split, _, label in seen:
        counts[split][card.classes[label]] += 1
    return counts


def _counts_of_sets(view: View) -> dict[str, object]:
    """Images of each split, and without a label: with several an image, those of the labels do not add up to them."""
    return {
        "images": {split: sum(record.split == split for record in view.records) for split in SPLITS},
        "without_label": sum(record.label == 0 for record in view.records),
    }


def _write_about(folder: Path, view: View) -> None:
    # they name files and folders, whose names may be in any encoding
    told = {"notes": list(map(clean, view.notes)), "warnings": list(map(clean, view.warnings))}
    about = json.loads(json.dumps({"card": asdict(view.card), **told}))
    file = folder / "about.json"
    if not file.exists() or read_part(file) != about:
        write_json(file, about)

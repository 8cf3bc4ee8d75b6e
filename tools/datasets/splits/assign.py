"""The final split of each image: as published, carved, by folds, or from a file; then the few labels.

Everything here is decided by names, labels, groups and a seed, never by pixels. Pairs of images that show the same
picture are given (`alike`), and are never divided here.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace

from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.label_sets import NONE, as_matrix
from tools.datasets.splits.carve import carve_splits, fold_splits
from tools.datasets.splits.connected import connected_parts, missing_links
from tools.datasets.splits.leaks import resolve_group_leaks
from tools.datasets.splits.several_labels import carve_several, fold_several
from tools.datasets.splits.split_file import read_splits
from tools.datasets.types import SPLITS, Dataset, Record, Split
from tools.errors import ConfigurationError, DataError
from tools.text import encoded


def assign_splits(dataset: Dataset, config: DataConfig, alike: Sequence[tuple[int, int]] = ()) -> Dataset:
    """The data set with the splits that are used, and notes about them.

    Args:
        dataset: as published, with or without splits.
        config: `splits`, `fold`, `folds`, `validation_fraction`, `test_fraction`, `split_seed`, `fraction` and
            `per_class`.
        alike: pairs of records (by position) that show the same image; splits made here do not divide them.

    Raises:
        DataError: a class is too small, the file of splits does not fit, or a group is in two splits (and
            `on_leak` is 'stop').
        ConfigurationError: nothing can be trained on the data set.
    """
    if dataset.shift_of is not None:
        raise ConfigurationError(
            f"{dataset.card.name} has a test split only: it tests classifiers that were trained on {dataset.shift_of}. "
            f"Use --dataset {dataset.shift_of}."
        )
    notes: list[str] = []
    records = list(dataset.records)
    if config.splits is not None:
        records, note = read_splits(config.splits, records)
        notes.append(note)
    if config.folds == "on" and (config.splits is not None or "validation" not in dataset.missing):
        records, said = _pool_validation(dataset, records, alike)
        notes += said
    place = dataset.source.root if isinstance(dataset.source, FolderSource) else dataset.card.name
    records, said = resolve_group_leaks(records, config.on_leak, str(place))
    notes += said
    if config.splits is None:
        divided: set[Split] = {"train"} if config.fold is None else {"train", "validation"}
        if dataset.missing or config.fold is not None:
            records = _join_alike(dataset, records, alike, divided)
        wanted: list[Split] = [split for split in dataset.missing if split == "test" or config.fold is None]
        records, said = _carve(dataset, records, wanted, config)
        notes += said
        if config.fold is not None:
            records, note = _fold(dataset, records, config)
            notes.append(note)
    records, few = _few_labels(dataset, records, config)
    notes += few
    return replace(dataset, records=tuple(records), notes=(*dataset.notes, *notes), published=dataset)


def _join_alike(
    dataset: Dataset, records: list[Record], alike: Sequence[tuple[int, int]], splits: set[Split]
) -> list[Record]:
    """`records` with one group for those that show the same picture and are in these splits."""
    # Records may have been dropped since `alike` was found. What they connected is still the same picture.
    position_of = {record.file: position for position, record in enumerate(records)}
    now_at = {
        at: position_of[record.file]
        for at, record in enumerate(dataset.records)
        if record.file in position_of
    }
    left = [(one, other) for one, other in alike if one in now_at and other in now_at]
    left += [(link.one, link.other) for link in missing_links(alike, left, now_at)]
    pairs = [(now_at[one], now_at[other]) for one, other in left]
    return _join_groups(
        records,
        [(one, other) for one, other in pairs if {records[one].split, records[other].split} <= splits],
    )


def _pool_validation(
    dataset: Dataset, records: list[Record], alike: Sequence[tuple[int, int]]
) -> tuple[list[Record], list[str]]:
    """With folds, train and validation are one: what is in both is no leak, but is never divided by a fold.

    It all counts as validation, which is fold 0.

    Raises:
        DataError: that would be most of the training images.
    """
    records = _join_alike(dataset, records, alike, {"train", "validation"})
    validation = {record.group for record in records if record.split == "validation"}
    train = sum(record.split == "train" for record in records)
    moved = [at for at, each in enumerate(records) if each.split == "train" and each.group in validation]
    if not moved:
        return records, []
    if 2 * len(moved) > train:
        raise DataError(
            f"data.folds on: {len(moved)} of {train} training images share a group (patient, source) or a picture with "
            "a validation image, so that folds cannot be cut around this validation split. Remove it, to have one "
            "carved, or use --data.folds off"
        )
    for at in moved:
        records[at] = replace(records[at], split="validation")
    return records, [
        f"{len(moved)} training images count as validation, because their group or picture is in both splits: each "
        "fold holds out all of a group"
    ]


def _join_groups(records: list[Record], alike: Sequence[tuple[int, int]]) -> list[Record]:
    """Groups that share an image become one, named as the first of them by name."""
    names = sorted({records[position].group for pair in alike for position in pair})
    numbers = {name: number for number, name in enumerate(names)}
    pairs = [(numbers[records[one].group], numbers[records[other].group]) for one, other in alike]
    joined = {names[number]: names[part[0]] for part in connected_parts(pairs) for number in part}
    return (
        [replace(record, group=joined.get(record.group, record.group)) for record in records]
        if joined
        else records
    )


def _carve(
    dataset: Dataset, records: list[Record], missing: Sequence[Split], config: DataConfig
) -> tuple[list[Record], list[str]]:
    if not missing:
        return records, []
    pool = [position for position, record in enumerate(records) if record.split == "train"]
    sizes: dict[Split, float] = {"validation": config.validation_fraction, "test": config.test_fraction}
    labels, groups = [records[position].label for position in pool], [records[at].group for at in pool]
    card = dataset.card
    if card.several_labels:
        wanted: dict[Split, float] = {split: sizes[split] for split in missing}
        parts = carve_several(
            as_matrix(labels, len(card.classes)), groups, wanted, config.split_seed, card.classes
        )
    else:
        parts = carve_splits(
            labels,
            groups,
            sizes["validation"] if "validation" in missing else 0,
            sizes["test"] if "test" in missing else 0,
            config.split_seed,
            card.classes,
        )
    for position, part in zip(pool, parts, strict=True):
        records[position] = replace(records[position], split=part)
    named = " and ".join(f"{split} ({sizes[split]:.0%})" for split in SPLITS if split in missing)
    return records, [
        f"{named} carved from {len(pool)} images, stratified by {_by(dataset)}, groups kept together, split seed "
        f"{config.split_seed}"
    ]


def _by(dataset: Dataset) -> str:
    return "label (iterative stratification)" if dataset.card.several_labels else "class"


def _fold(dataset: Dataset, records: list[Record], config: DataConfig) -> tuple[list[Record], str]:
    assert config.fold is not None
    part, parts = map(int, config.fold.split("/"))
    pool = [position for position, record in enumerate(records) if record.split != "test"]
    if len(dataset.folds) == parts:
        chosen = dataset.folds[part - 1]
        held = [records[position].file in chosen for position in pool]
        how = "as published"
    else:
        card = dataset.card
        labels, groups = [records[position].label for position in pool], [records[at].group for at in pool]
        if card.several_labels:
            matrix = as_matrix(labels, len(card.classes))
            held = fold_several(matrix, groups, part, parts, config.split_seed, card.classes)
        else:
            held = fold_splits(labels, groups, part, parts, config.split_seed, card.classes)
        how = f"stratified by {_by(dataset)}, groups kept together, split seed {config.split_seed}"
    for position, validation in zip(pool, held, strict=True):
        records[position] = replace(records[position], split="validation" if validation else "train")
    return records, (
        f"fold {part} of {parts}: {sum(held)} of {len(pool)} images are validation ({how}); the test split is the "
        "same in every fold"
    )


def _few_labels(
    dataset: Dataset, records: list[Record], config: DataConfig
) -> tuple[list[Record], list[str]]:
    """The first training images of each class in an order that the seed decides: fewer are always part of more."""
    if config.fraction is None and config.per_class is None:
        return records, []
    seed = config.split_seed

    def rank(position: int) -> tuple[bytes, bytes]:
        record = records[position]
        return _hash(seed, record.group), _hash(seed, record.file)

    train = [position for position, record in enumerate(records) if record.split == "train"]
    kept: set[int] = set()
    labels_of = dataset.card.labels_of
    strata = [
        (name, [position for position in train if label in labels_of(records[position].label)])
        for label, name in enumerate(dataset.card.classes)
    ]
    if dataset.card.several_labels and config.fraction is not None:
        strata.append((NONE, [position for position in train if not records[position].label]))
    for name, members in strata:
        of_class = sorted(members, key=rank)
        if config.per_class is not None and len(of_class) < config.per_class:
            raise DataError(
                f"data.per_class is {config.per_class}, but class {name!r} has only {len(of_class)} training images: "
                f"use at most {min(len(members) for _, members in strata)}"
            )
        kept.update(of_class[: config.per_class or math.ceil((config.fraction or 1) * len(of_class))])
    few = [record for position, record in enumerate(records) if record.split != "train" or position in kept]
    share = f"{config.per_class} of each class" if config.per_class else f"{config.fraction:g} of each class"
    return few, [
        f"few labels: {len(kept)} of {len(train)} training images are used ({share}, split seed {seed})"
    ]


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(encoded(f"{seed}\0{name}")).digest()

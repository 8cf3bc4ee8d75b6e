"""Carve the splits that a data set does not have: stratified, never dividing a group, seeded."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from tools.datasets.types import SPLITS, Split
from tools.errors import DataError
from tools.text import counted


def carve_splits(
    labels: Sequence[int],
    groups: Sequence[str],
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    class_names: Sequence[str] | None = None,
) -> list[Split]:
    """A split for each image, such that no group crosses splits and every class is in each split.

    Within each class (a group's class is that of most of its images), groups are drawn at random until the split
    holds its fraction of the class's images, at least one group and as close to the fraction as whole groups allow.
    scikit-learn's `StratifiedGroupKFold` is not used: its folds are 1/k of the data, so it cannot make 15%, and it
    does not guarantee that a rare class is in every fold.

    Args:
        labels: class index of each image.
        groups: group of each image; give each image its own where there are none.
        validation_fraction: share of each class for validation, 0 (no such split) to 1, exclusive.
        test_fraction: the same for test.
        seed: the same seed gives the same splits.
        class_names: for messages, by label.

    Raises:
        DataError: a class has fewer groups than there are splits, or the groups cannot be divided so that every
            class is in each split.
    """
    fractions: dict[Split, float] = {"test": test_fraction, "validation": validation_fraction}
    wanted: dict[Split, float] = {split: fraction for split, fraction in fractions.items() if fraction > 0}
    check_fractions(wanted)
    images: dict[str, list[int]] = {}
    for label, group in zip(labels, groups, strict=True):
        images.setdefault(group, []).append(label)
    strata: dict[int, list[str]] = {}
    for group, group_labels in images.items():
        strata.setdefault(_majority(group_labels), []).append(group)

    chosen: dict[str, Split] = dict.fromkeys(images, "train")
    for label in sorted(strata):
        if len(strata[label]) <= len(wanted):
            raise _too_few(label, strata[label], images, wanted, _name(label, class_names))
        _carve_class(strata[label], images, wanted, np.random.default_rng([seed, label]), chosen)

    splits: list[Split] = [chosen[group] for group in groups]
    present = set(zip(labels, splits, strict=True))
    for label in sorted(set(labels)):
        for split in ("train", *wanted):
            if (label, split) not in present:
                raise DataError(
                    f"{_name(label, class_names)} would have no image in the {split} split: its images share groups "
                    "with other classes. Try another --data.split_seed, or define the splits yourself (manifest.csv)."
                )
    return splits


def check_fractions(wanted: Mapping[Split, float]) -> None:
    """Check that the splits that are wanted leave something to train on.

    Raises:
        DataError: they do not.
    """
    if not 0 <= sum(wanted.values()) < 1:
        said = " and ".join(f"data.{split}_fraction {wanted[split]:g}" for split in SPLITS if split in wanted)
        raise DataError(f"{said} leave no training images: their sum must be below 1")


def fold_splits(
    labels: Sequence[int],
    groups: Sequence[str],
    part: int,
    parts: int,
    seed: int,
    class_names: Sequence[str] | None = None,
) -> list[bool]:
    """Whether each image is in the `part`-th of `parts` folds (1-based), as scikit-learn's StratifiedGroupKFold cuts.

    Args:
        labels: class index of each image.
        groups: group of each image: no group crosses folds.
        part: 1 to `parts`.
        parts: number of folds.
        seed: the same seed gives the same folds, whatever the order in which the images are listed.
        class_names: for messages, by label.

    Raises:
        DataError: a class would be missing in the fold or in the rest.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    codes = {group: number for number, group in enumerate(sorted(set(groups)))}
    order = sorted(range(len(labels)), key=lambda at: (codes[groups[at]], labels[at]))
    sorted_labels = np.array([labels[at] for at in order])
    sorted_groups = np.array([codes[groups[at]] for at in order])
    smallest = min(Counter(labels).values())
    if len(codes) < parts or smallest < parts:
        raise DataError(
            f"{parts} folds need {parts} images of each class and {parts} groups: there are {len(codes)} groups, and "
            f"the smallest class has {counted(smallest, 'image')}. Use fewer folds."
        )
    cutter = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    folds = list(cutter.split(np.zeros(len(order)), sorted_labels, sorted_groups))
    held = [False] * len(labels)
    for at in folds[part - 1][1]:
        held[order[at]] = True
    for label in sorted(set(labels)):
        sides = {held[at] for at in range(len(labels)) if labels[at] == label}
        if sides != {True, False}:
            raise DataError(
                f"{_name(label, class_names)} would be in only one of train and validation in fold {part}/{parts}: its "
                "images are in too few groups. Use fewer folds, or another --data.split_seed."
            )
    return held


def _majority(labels: Sequence[int]) -> int:
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def _name(label: int, class_names: Sequence[str] | None) -> str:
    return f"class {class_names[label]!r}" if class_names else f"class {label}"


def _too_few(
    label: int,
    groups: Sequence[str],
    images: Mapping[str, list[int]],
    wanted: Mapping[Split, float],
    name: str,
) -> DataError:
    """The error for a class that has `groups`, too few to be in each split."""
    holding = [labels.count(label) for labels in images.values() if label in labels]
    has, needed = f"has {counted(sum(holding), 'image')}", ""
    if sum(holding) > len(holding):
        has, needed = f"{has} in {counted(len(holding), 'group')}", " groups"
    if len(holding) > len(groups):
        has = f"{has}, and most of the images in {len(groups)} of these"
    *before, last = (split for split in SPLITS if split == "train" or split in wanted)
    return DataError(
        f"{name} {has}; to be in {', '.join(before)} and {last} it needs at least {len(wanted) + 1}{needed}. Add "
        "images, omit the class, or define the splits yourself (manifest.csv)."
    )


def _carve_class(
    groups: list[str],
    images: dict[str, list[int]],
    wanted: dict[Split, float],
    generator: np.random.Generator,
    chosen: dict[str, Split],
) -> None:
    # Sorted first, so that the order in which the images were listed does not matter.
    listed = sorted(groups)
    remaining = [listed[position] for position in generator.permutation(len(listed))]
    total = sum(len(images[group]) for group in groups)
    others = len(wanted)
    for split, fraction in wanted.items():
        target = fraction * total
        held = 0
        taken = []
        for group in remaining:
            size = len(images[group])
            if len(remaining) - len(taken) > others and abs(held + size - target) < abs(held - target):
                taken.append(group)
                held += size
        # Every group is so large that no group comes closer to the target: the split still needs one.
        taken = taken or [min(remaining, key=lambda group: len(images[group]))]
        chosen.update(dict.fromkeys(taken, split))
        remaining = [group for group in remaining if chosen[group] != split]
        others -= 1

"""Divide images with several labels each, so that every label has its share in every part; no group is divided.

Iterative stratification (Sechidis, Tsoumakas and Vlahavas: On the Stratification of Multi-Label Data, ECML PKDD 2011),
with whole groups in the place of images: the label with the fewest images left goes first, and each of its groups to
the part that lacks most of that label. Images without any label count as one more label. The packages that have the
method divide groups, or their folds depend on a library's random stream; folds must be a pure function of the data.
"""

from collections.abc import Sequence

import numpy as np

from tools.datasets.splits.carve import check_fractions
from tools.datasets.types import Split
from tools.errors import DataError
from tools.text import counted


def divide(labels: np.ndarray, groups: np.ndarray, shares: Sequence[float], rank: np.ndarray) -> np.ndarray:
    """The part of each group: int64 (G,), 0 to len(shares) - 1.

    A label that has as many groups as there are parts, or more, is in every part, but for very few images: there its
    groups may have gone along with a rarer label.

    Args:
        labels: 0 or 1 (N, L).
        groups: int (N,), the group of each image, 0 to G - 1.
        shares: of the images, of each part; they add up to 1.
        rank: (G,), decides between groups that are alike: the lowest first.
    """
    counts = _counts(labels, groups)
    sizes = np.bincount(groups, minlength=len(counts))
    wanted = np.outer(shares, counts.sum(axis=0)).astype(np.float64)
    room = np.asarray(shares) * sizes.sum()
    held = np.zeros_like(wanted)
    part_of = np.full(len(counts), -1, dtype=np.int64)
    left = counts.sum(axis=0)
    while left.any():
        label = min(np.flatnonzero(left).tolist(), key=lambda each: (left[each], each))
        members = np.flatnonzero((part_of < 0) & (counts[:, label] > 0)).tolist()
        members.sort(key=lambda group: (-counts[group, label], rank[group]))
        for done, group in enumerate(members):
            lacking = np.flatnonzero(held[:, label] == 0)
            among = lacking if 0 < len(lacking) >= len(members) - done else np.arange(len(shares))
            part = max(among.tolist(), key=lambda each: (wanted[each, label], room[each], -each))
            part_of[group] = part
            wanted[part] -= counts[group]
            held[part] += counts[group]
            room[part] -= sizes[group]
            left = left - counts[group]
    return part_of


def carve_several(
    labels: np.ndarray, groups: Sequence[str], shares: dict[Split, float], seed: int, names: Sequence[str]
) -> list[Split]:
    """A split for each image, as `carve_splits` gives it for classes that exclude each other.

    Args:
        labels: 0 or 1 (N, L).
        groups: group of each image.
        shares: of validation and test, as far as they are wanted; the rest is train.
        seed: the same seed gives the same splits, whatever the order in which the images are listed.
        names: of the labels.

    Raises:
        DataError: a label has fewer groups than there are splits, or is not in all of them, or nothing is left to
            train on.
    """
    check_fractions(shares)
    parts: list[Split] = ["train", *shares]
    codes, ranks = _coded(groups, seed)
    counts = (_counts(labels, codes)[:, :-1] > 0).sum(axis=0)
    if len(few := np.flatnonzero(counts < len(parts))):
        first = few[np.argmin(counts[few])]
        size = int(labels[:, first].sum())
        raise DataError(
            f"label {names[first]!r} is on {counted(size, 'image')} in {counted(counts[first], 'group')}; to be in "
            f"{', '.join(parts[:-1])} and {parts[-1]} it needs at least {len(parts)} groups. Add images, leave out its "
            "column (--data.labels FILE:ID:LABEL,LABEL,…), or define the splits yourself (--data.splits)."
        )
    found = divide(labels, codes, [1 - sum(shares.values()), *shares.values()], ranks)
    splits = np.array([parts[part] for part in found[codes]])
    for label, name in enumerate(names):
        for split in parts:
            if not labels[splits == split, label].any():
                raise DataError(
                    f"label {name!r} would be on no image in the {split} split, since its images have rarer labels "
                    "too. Add images, try another --data.split_seed, or define the splits yourself (--data.splits)."
                )
    return splits.tolist()


def fold_several(
    labels: np.ndarray, groups: Sequence[str], part: int, parts: int, seed: int, names: Sequence[str]
) -> list[bool]:
    """Whether each image is in the `part`-th of `parts` folds (1-based), as `fold_splits` for classes.

    Raises:
        DataError: a label has fewer groups than there are folds.
    """
    codes, ranks = _coded(groups, seed)
    counts = (_counts(labels, codes)[:, :-1] > 0).sum(axis=0)
    if counts.min() < parts:
        raise DataError(
            f"{parts} folds need each label in {parts} groups: {names[int(counts.argmin())]!r} is in {counts.min()}. "
            "Use fewer folds."
        )
    found = divide(labels, codes, [1 / parts] * parts, ranks)
    return (found[codes] == part - 1).tolist()


def _coded(groups: Sequence[str], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The number of each image's group, by name, and the ranks of the groups under this seed."""
    names, codes = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    return codes, np.random.default_rng(seed).permutation(len(names))


def _counts(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """int64 (G, L + 1): images of each group with each label, and those without any."""
    columns = np.column_stack([labels, ~np.asarray(labels).any(axis=1)]).astype(np.int64)
    counts = np.zeros((int(groups.max()) + 1, columns.shape[1]), dtype=np.int64)
    np.add.at(counts, groups, columns)
    return counts

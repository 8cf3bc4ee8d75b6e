"""Whether each seed of a study is validated on another fold of the training and validation images, and on how many.

With one validation split, its sample of images is the larger part of the noise of a comparison, and more seeds do not
help. With folds, three seeds see three times the images, and pairs stay pairs: all candidates share the fold of a seed.
"""

from dataclasses import dataclass

import numpy as np

from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.splits.folds import cut_into_parts, fold_count
from tools.datasets.types import Dataset
from tools.errors import ConfigurationError
from tools.text import counted


@dataclass(frozen=True)
class SeedFolds:
    """How many folds a study has, and why."""

    count: int | None
    """None: every seed is validated on the validation split."""
    why: str
    """In words."""
    unusual: bool = False
    """Whether it is off although the setting alone would have it on."""


def seed_folds(config: DataConfig, published: Dataset, data: CachedDataset, gate: bool = False) -> SeedFolds:
    """The folds of a study on `data`.

    Args:
        config: `folds` decides; `auto` is for validation splits that were carved here.
        published: the data set before its splits were made.
        data: the same, decoded.
        gate: whether a classifier judges synthetic images: it has seen images that some seed is validated on.

    Raises:
        ConfigurationError: folds are asked for and cannot be had.
    """
    if config.folds == "off":
        return SeedFolds(None, "off")
    if config.folds == "auto" and (reason := _own_splits(config, published)):
        return SeedFolds(None, reason)
    train, validation = map(data.size, ("train", "validation"))
    count = fold_count(train, validation)
    problem = _problem(data, count)
    if gate:
        problem = "aga.gates.classifier was trained on images that some seeds would be validated on"
    if problem and config.folds == "on":
        raise ConfigurationError(f"data.folds on: {problem}. Use --data.folds off")
    if problem:
        return SeedFolds(None, f"off, since {problem}", unusual=True)
    return SeedFolds(count, f"{count} of the {train + validation:,} training and validation images")


def describe_folds(count: int, images: int) -> str:
    """One line for the start of a study; `images` are those of the training and validation splits."""
    return (
        f"folds: seeds take turns with {count} folds of the {images:,} training and validation images, each validated "
        f"on about {round(images / count):,} of them and trained on the others"
    )


def _own_splits(config: DataConfig, published: Dataset) -> str:
    """Why the validation split is not one that was carved here from all training images; '' where it is."""
    if config.splits is not None:
        return "off: the splits are those of data.splits"
    if config.fold is not None:
        return f"off: data.fold {config.fold} is the validation of all seeds"
    if config.fraction is not None or config.per_class is not None:
        return "off: few labels (data.fraction, data.per_class) are drawn from the training split alone"
    if "validation" not in published.missing:
        return "off: the data set has a validation split of its own"
    return ""


def _problem(data: CachedDataset, count: int) -> str:
    """Why the training split cannot be cut for that many folds; '' where it can."""
    train = data.split("train")
    parts = cut_into_parts(train.labels, train.groups, count - 1)
    in_validation = _present(data.split("validation").labels)
    for part in range(count - 1):
        held = parts == part
        if not held.any():
            groups = counted(len(set(train.groups)), "group")
            return f"{count} folds need more groups than the training split has ({groups})"
        left = in_validation | _present(train.labels[~held])
        if lost := sorted(_present(train.labels) - left):
            return f"class {data.card.classes[lost[0]]!r} would have no training image in fold {part + 2} of {count}"
    return ""


def _present(labels: np.ndarray) -> set[int]:
    """The classes, or labels, that some image has."""
    return set(
        np.flatnonzero(labels.any(axis=0)).tolist() if labels.ndim == 2 else np.unique(labels).tolist()
    )

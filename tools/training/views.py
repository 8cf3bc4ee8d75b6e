"""The images that a trial trains on and those that it is validated on: the only way to them.

With folds over seeds, the training and validation splits are one pool, and seed s is validated on fold s mod K of it
(`tools.training.config.Fold`). Fold 0 is the validation split as it is; the others are cut from the training split,
and where one of these is held out, the validation split is trained on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tools.datasets.cache.read import SplitView, open_cache
from tools.datasets.splits.folds import cut_into_parts
from tools.errors import DataError
from tools.training.config import Fold, TrialSpec

Role = Literal["train", "validation"]


@dataclass(frozen=True)
class PoolView(SplitView):
    """Some images of the training and validation splits. Pickles as its path and places, never as pixels."""

    places: np.ndarray
    """int64 (N,): place in the training split, or, in the validation split, that plus the size of the training split.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _pool_view, (self.folder, self.name, self.places)


def training_view(spec: TrialSpec) -> SplitView:
    """The real images that a trial trains on: of the training split first, then of the validation split.

    Raises:
        DataError: the decoded data set is missing, or has no such fold.
    """
    return fold_view(spec.cache, "train", spec.fold)


def validation_view(spec: TrialSpec) -> SplitView:
    """The images that a trial is validated on.

    Raises:
        DataError: as in `training_view`.
    """
    return fold_view(spec.cache, "validation", spec.fold)


def fold_view(cache: Path, role: Role, fold: Fold | None) -> SplitView:
    """What a trial in `fold` trains on, or what it is validated on.

    Raises:
        DataError: as in `training_view`.
    """
    if fold is None or fold.is_as_split:
        return open_cache(cache).split(role)
    if fold.of == "all":
        cached = open_cache(cache)
        if role == "validation":
            return cached.split(role)
        return _pool_view(
            cache, role, np.arange(len(cached.split("train")) + len(cached.split("validation")))
        )
    held = _held_out(cache, fold)
    if role == "validation":
        return _pool_view(cache, role, np.flatnonzero(held))
    trained = np.flatnonzero(~held)
    if fold.of == "both":
        trained = np.concatenate([trained, len(held) + np.arange(len(open_cache(cache).split("validation")))])
    return _pool_view(cache, role, trained)


def training_size(cache: Path, fold: Fold | None) -> int:
    """How many real images a trial in `fold` trains on.

    Raises:
        DataError: as in `training_view`.
    """
    train = len(open_cache(cache).split("train"))
    if fold is None or fold.is_as_split:
        return train
    if fold.of == "all":
        return train + len(open_cache(cache).split("validation"))
    kept = train - int(_held_out(cache, fold).sum())
    return kept + len(open_cache(cache).split("validation")) if fold.of == "both" else kept


def source_places(spec: TrialSpec) -> np.ndarray:
    """Where each image of the training split is in the trial's training view: int64 (N,); -1 where it is held out."""
    view = training_view(spec)
    if not isinstance(view, PoolView):
        return np.arange(len(view))
    places = np.full(len(open_cache(spec.cache).split("train")), -1, dtype=np.int64)
    of_train = np.flatnonzero(view.places < len(places))
    places[view.places[of_train]] = of_train
    return places


def shown_view(cache: Path, fold_count: int | None, seeds: Iterable[int]) -> SplitView:
    """Training images that may be shown while something is decided by the trials of `seeds`.

    None of these seeds is validated on them. Where every image of the training split is in the fold of one of them
    (fewer folds than seeds, say), it is the whole training split, as it is without folds.
    """
    train = open_cache(cache).split("train")
    if fold_count is None:
        return train
    validated = [seed % fold_count - 1 for seed in seeds]
    free = np.flatnonzero(~np.isin(_parts(cache, fold_count - 1), validated))
    return _pool_view(cache, "train", free) if len(free) else train


def _held_out(cache: Path, fold: Fold) -> np.ndarray:
    """Which images of the training split a fold holds out: bool (N,)."""
    both = fold.of == "both"
    held = _parts(cache, fold.count - both) == fold.number - both
    if not held.any() or (not both and held.all()):
        raise DataError(
            f"fold {fold} of the images in {cache} is empty: the training split has too few groups for "
            f"{fold.count} folds. Use --data.folds off"
        )
    return held


@lru_cache(maxsize=8)
def _parts(cache: Path, parts: int) -> np.ndarray:
    train = open_cache(cache).split("train")
    found = cut_into_parts(train.labels, train.groups, parts)
    found.flags.writeable = False
    return found


def _pool_view(cache: Path, role: Role, places: np.ndarray) -> PoolView:
    cached = open_cache(cache)
    pool = cached.split("train")
    if len(places) and int(places.max()) >= len(pool):
        pool = _joined(pool, cached.split("validation"))
    labels = pool.labels[places]
    labels.flags.writeable = False
    return PoolView(
        folder=cache,
        name=role,
        images=pool.images.only(places),
        labels=labels,
        files=[pool.files[at] for at in places],
        groups=[pool.groups[at] for at in places],
        places=places,
    )


def _joined(train: SplitView, validation: SplitView) -> SplitView:
    # All splits of a data set are rows of one file of pixels.
    images = train.images.only(np.arange(len(train)))
    images.rows = np.concatenate([train.images.rows, validation.images.rows])
    return replace(
        train,
        images=images,
        labels=np.concatenate([train.labels, validation.labels]),
        files=[*train.files, *validation.files],
        groups=[*train.groups, *validation.groups],
    )

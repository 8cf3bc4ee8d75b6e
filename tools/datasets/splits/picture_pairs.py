"""Pairs of pictures that are alike, gathered within bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from tools.datasets.splits.connected import connected_labels

MOST_PAIRS = 100_000
"""At least this many pairs, and `_MOST_EACH` per picture, are kept; beyond them, only pairs that connect more."""
_MOST_EACH = 10


@dataclass(frozen=True, slots=True)
class PicturePairs:
    """Pairs, one to a row of each array."""

    one: np.ndarray
    """int64 (pairs,)."""
    other: np.ndarray
    """int64 (pairs,)."""
    orientation: np.ndarray
    """int64 (pairs,): which of the eight orientations of `other` is like `one`."""
    correlation: np.ndarray
    """float32 (pairs,)."""
    residual: np.ndarray
    """float32 (pairs,)."""

    def select(self, rows: np.ndarray) -> "PicturePairs":
        """The pairs at these rows."""
        return PicturePairs(*(getattr(self, each.name)[rows] for each in fields(self)))


def no_pairs() -> PicturePairs:
    """An empty set of pairs."""
    kinds = (np.int64, np.int64, np.int64, np.float32, np.float32)
    return PicturePairs(*(np.empty(0, kind) for kind in kinds))


def concatenate(parts: Sequence[PicturePairs]) -> PicturePairs:
    """All pairs of all parts, in order."""
    return PicturePairs(
        *(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(PicturePairs))
    )


def merge_labels(labels: np.ndarray, pairs: PicturePairs) -> np.ndarray:
    """The labels of pictures, equal for those that `pairs` connect too."""
    return connected_labels(len(labels), labels[pairs.one], labels[pairs.other])[labels]


class PairCollector:
    """All pairs found, or only those that connect further pictures once there are too many."""

    def __init__(self, count: int) -> None:
        """`count`: number of pictures."""
        self.labels: np.ndarray | None = None
        """Of each picture, equal for connected ones; None as long as all pairs are kept."""
        self._count = count
        self._parts = [no_pairs()]
        self._total = 0

    def add(self, pairs: PicturePairs) -> None:
        """Keep these pairs, or those of them that connect further pictures."""
        if self.labels is not None:
            one, other = self.labels[pairs.one], self.labels[pairs.other]
            links = np.stack([np.minimum(one, other), np.maximum(one, other)])
            first = np.unique(links, axis=1, return_index=True)[1]
            pairs = pairs.select(first[links[0, first] != links[1, first]])
        self._parts.append(pairs)
        self._total += len(pairs.one)
        if self.labels is not None:
            self.labels = merge_labels(self.labels, pairs)
        elif self._total > max(_MOST_EACH * self._count, MOST_PAIRS):
            self.labels = merge_labels(np.arange(self._count), self.pairs())

    def pairs(self) -> PicturePairs:
        """What was kept."""
        return concatenate(self._parts)

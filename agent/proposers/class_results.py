"""What results say about single classes: recalls, those that changed, and which classes are confused.

Data sets have up to some hundreds of classes: whatever a prompt shows of them is bounded here, and says what it omits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from agent.memory.history import IterationRecord

SMALLEST_CHANGE = 0.03
"""A class whose recall changed by less is not mentioned."""
MOST_CHANGES = 6
MOST_CONFUSIONS = 6
MOST_CLASSES = 24
"""With more, only the classes with the lowest recall are named."""


@dataclass(frozen=True)
class RecallChange:
    """A class that gained or lost against the reference. Recalls are 0..1, means over seeds."""

    name: str
    value: float
    reference: float


@dataclass(frozen=True)
class RecallSummary:
    """Recalls, all of them or the lowest, as (class, 0..1), and what the others are like."""

    shown: tuple[tuple[str, float], ...]
    others: int
    """Classes that are not shown: their recalls are not below those that are."""
    others_median: float | None


@dataclass(frozen=True)
class Confusion:
    """Images of one class taken for another: shares (0..1) of the class's validation images, means over seeds."""

    true: str
    predicted: str
    reference: float | None
    best: float | None


def mean_recalls(record: IterationRecord, classes: Sequence[str]) -> dict[str, float]:
    """Class → recall, 0..1, mean over the finished seeds; without classes that have no validation image."""
    finished = [trial.per_class_recall for trial in record.trials if trial.status == "finished"]
    recalls = {
        name: mean_of(recall[index] for recall in finished if index < len(recall))
        for index, name in enumerate(classes)
    }
    return {name: value for name, value in recalls.items() if value is not None}


def summary(recalls: dict[str, float]) -> RecallSummary:
    """All recalls in the order of the classes, or the lowest where there are many."""
    if len(recalls) <= MOST_CLASSES:
        return RecallSummary(tuple(recalls.items()), 0, None)
    ranked = sorted(recalls.items(), key=lambda item: item[1])
    rest = [value for _, value in ranked[MOST_CLASSES:]]
    return RecallSummary(tuple(ranked[:MOST_CLASSES]), len(rest), median(rest))


def changes(recalls: dict[str, float], reference: dict[str, float]) -> tuple[tuple[RecallChange, ...], int]:
    """The classes whose recall changed most, the greatest loss first, and how many more changed noticeably."""
    changed = [
        RecallChange(name, value, reference[name])
        for name, value in recalls.items()
        if name in reference and abs(value - reference[name]) >= SMALLEST_CHANGE
    ]
    largest = sorted(changed, key=lambda change: -abs(change.value - change.reference))[:MOST_CHANGES]
    kept = tuple(sorted(largest, key=lambda change: change.value - change.reference))
    return kept, len(changed) - len(kept)


def confusions(
    reference: IterationRecord | None, best: IterationRecord | None, classes: Sequence[str]
) -> tuple[Confusion, ...]:
    """The largest cells off the diagonal of the confusion matrices of the reference and of the best policy."""
    matrices = [_matrix(record, len(classes)) for record in (reference, best)]
    cells = {cell: None for matrix in matrices if matrix is not None for cell in _largest(matrix)}
    shares = [None if matrix is None else _shares(matrix) for matrix in matrices]

    def share(which: int, true: int, predicted: int) -> float | None:
        of = shares[which]
        return None if of is None else float(of[true, predicted])

    return tuple(
        Confusion(classes[true], classes[predicted], share(0, true, predicted), share(1, true, predicted))
        for true, predicted in cells
    )


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _matrix(record: IterationRecord | None, classes: int) -> np.ndarray | None:
    """Images (C, C), rows true, columns predicted, mean over the finished seeds."""
    found = (
        [] if record is None else [np.asarray(trial.confusion, dtype=np.float64) for trial in record.trials]
    )
    fitting = [matrix for matrix in found if matrix.shape == (classes, classes)]
    return np.mean(fitting, axis=0) if fitting else None


def _largest(matrix: np.ndarray) -> list[tuple[int, int]]:
    """(true, predicted) of the largest cells off the diagonal, the largest first; none of less than an image."""
    errors = matrix.copy()
    np.fill_diagonal(errors, 0)
    order = np.argsort(-errors, axis=None, kind="stable")[:MOST_CONFUSIONS]
    cells = [divmod(int(at), len(matrix)) for at in order]
    return [(true, predicted) for true, predicted in cells if errors[true, predicted] >= 1]


def _shares(matrix: np.ndarray) -> np.ndarray:
    images = matrix.sum(axis=1, keepdims=True)
    return np.divide(matrix, images, out=np.zeros_like(matrix), where=images > 0)

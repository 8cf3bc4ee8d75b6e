"""Scores of classifiers by label: areas under curves, and everything for images that may have several labels.

Labels of several an image are each a question of their own: there or not, by a probability of 0.5. Macro scores are
means over the labels for which they are defined.
"""

from collections.abc import Sequence

import numpy as np

from tools.errors import DataError
from tools.training.types import Scores

THRESHOLD = 0.5
"""From this probability on, a label is predicted."""
_AT_ONCE = 64
"""Labels that are sorted together, which bounds the memory."""


def areas(probabilities: np.ndarray, members: np.ndarray) -> list[float | None]:
    """Area under the ROC curve of each label, as the statistic of Mann and Whitney.

    One ranking of all of them at once: after every epoch, a curve for each label took longer than all other scores.

    Args:
        probabilities: float (N, L).
        members: bool (N, L), which images have the label.

    Returns:
        0..1 for each label; None where all images have it, or none.
    """
    from scipy.stats import rankdata

    inside = members.sum(axis=0)
    defined = np.flatnonzero((inside > 0) & (inside < len(members)))
    found: list[float | None] = [None] * members.shape[1]
    if len(defined):
        ranks = rankdata(probabilities[:, defined], axis=0)
        count = inside[defined]
        total = (ranks * members[:, defined]).sum(axis=0)
        values = (total - count * (count + 1) / 2) / (count * (len(members) - count))
        for label, value in zip(defined.tolist(), values.tolist(), strict=True):
            found[label] = float(value)
    return found


def average_precisions(probabilities: np.ndarray, members: np.ndarray) -> list[float | None]:
    """Average precision of each label, as scikit-learn defines it: the mean precision at its images.

    Args and the result as for `areas`.
    """
    inside = members.sum(axis=0)
    defined = np.flatnonzero((inside > 0) & (inside < len(members)))
    found: list[float | None] = [None] * members.shape[1]
    for start in range(0, len(defined), _AT_ONCE):
        columns = defined[start : start + _AT_ONCE]
        for label, value in zip(
            columns.tolist(), _precisions(probabilities[:, columns], members[:, columns]), strict=True
        ):
            found[label] = float(value)
    return found


def _precisions(probabilities: np.ndarray, members: np.ndarray) -> np.ndarray:
    """float (L,): one sorting of all labels at once, since a curve for each takes far longer where there are many."""
    order = np.argsort(-probabilities, axis=0, kind="stable")
    sorted_scores = np.take_along_axis(probabilities, order, axis=0)
    there = np.take_along_axis(members, order, axis=0)
    # images of one score share a threshold: its last place among them
    ends = np.where(
        np.vstack([sorted_scores[1:] != sorted_scores[:-1], np.ones((1, members.shape[1]), dtype=bool)]),
        np.arange(len(members))[:, None],
        len(members),
    )
    last = np.minimum.accumulate(ends[::-1], axis=0)[::-1]
    precision = np.take_along_axis(there.cumsum(axis=0), last, axis=0) / (last + 1)
    return (precision * there).sum(axis=0) / there.sum(axis=0)


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of what is defined; None where nothing is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def score_sets(probabilities: np.ndarray, labels: np.ndarray, loss: float) -> Scores:
    """Scores where an image may have several labels, or none.

    The accuracy is the share of all labels that are right; macro F1 the mean over the labels that some image has or is
    given; balanced accuracy the mean over labels of the mean of both recalls (of the images with and without it). There
    is no confusion of one label with another, and no kappa.

    Args:
        probabilities: float (N, L), each 0..1.
        labels: 0 or 1 (N, L).
        loss: copied to the result.

    Raises:
        DataError: shapes that do not match, or labels other than 0 and 1.
    """
    if probabilities.shape != labels.shape or not len(labels) or not np.isin(labels, (0, 1)).all():
        raise DataError(
            f"cannot score probabilities of shape {probabilities.shape} against labels of shape {labels.shape}: "
            "expected 0 and 1 in the same shape (N, L), with N at least 1"
        )
    members, predicted = labels.astype(bool), probabilities >= THRESHOLD
    both, either = (members & predicted).sum(axis=0), members.sum(axis=0) + predicted.sum(axis=0)
    inside = members.sum(axis=0)
    outside = len(members) - inside
    recalls = [int(b) / int(n) if n else None for b, n in zip(both, inside, strict=True)]
    rejected = (~members & ~predicted).sum(axis=0)
    balanced = [
        (b / n + r / m) / 2 if n and m else None
        for b, n, r, m in zip(
            both.tolist(), inside.tolist(), rejected.tolist(), outside.tolist(), strict=True
        )
    ]
    f1 = [float(2 * b / e) if e else None for b, e in zip(both, either, strict=True)]
    area, precision = areas(probabilities, members), average_precisions(probabilities, members)
    return Scores(
        loss=float(loss),
        accuracy=float((members == predicted).mean()),
        macro_f1=mean_of(f1) or 0.0,
        balanced_accuracy=mean_of(balanced) or 0.0,
        quadratic_kappa=None,
        per_class_recall=tuple(recalls),
        confusion=(),
        auroc=mean_of(area),
        average_precision=mean_of(precision),
        per_label_auroc=tuple(area),
        per_label_precision=tuple(precision),
    )

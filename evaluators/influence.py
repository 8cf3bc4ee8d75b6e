"""What each image adds to a score, so that intervals over images are there for every metric.

An accuracy is a mean over images; the other metrics are not. Each is therefore linearised (the infinitesimal jackknife;
Efron and Tibshirani, An Introduction to the Bootstrap, chapter 21): an image's value is the score plus what the score
changes by where the image weighs a little more, times the number of images. These values have the score as their mean,
and their spread is that of the score; they are what the analysis of several readers and cases takes for such metrics
(Dorfman, Berbaum and Metz 1992).
"""

import numpy as np

from tools.training.label_scores import THRESHOLD
from tools.training.metrics import Metric

_SMALL = 1e-5
"""Weight by which an image's influence is measured; every metric here is smooth in the weights."""
_LEAST = 1e-12
"""A probability of zero would be an infinite loss."""


def image_values(probabilities: np.ndarray, labels: np.ndarray, metric: Metric) -> np.ndarray:
    """float (N,) whose mean is the metric of these predictions; NaN throughout where it is not defined.

    Args:
        probabilities: (N, C) float, rows sum to 1.
        labels: (N,) int, 0..C-1; or 0 and 1 (N, C), where images may have several labels.
        metric: which score.
    """
    if metric in ("auroc", "average_precision"):
        values = label_values(probabilities, members_matrix(labels, probabilities.shape[1]), metric)
        known = values[np.isfinite(values).all(axis=1)]
        return known.mean(axis=0) if len(known) else np.full(len(labels), np.nan)
    if metric == "accuracy":
        return correct_shares(probabilities, labels).astype(np.float64)
    if labels.ndim == 2:
        return _of_tables(probabilities, labels, metric)
    predicted = probabilities.argmax(axis=1)
    classes = probabilities.shape[1]
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (labels, predicted), 1.0)
    score = _SCORES[metric]
    value = score(confusion, confusion)
    change = np.zeros_like(confusion)
    for cell in np.argwhere(confusion > 0):
        more = confusion.copy()
        more[tuple(cell)] += _SMALL
        change[tuple(cell)] = (score(more, confusion) - value) / _SMALL
    found = len(labels) * change[labels, predicted]
    return value + found - found.mean()


def _balanced_accuracy(confusion: np.ndarray, counted: np.ndarray) -> float:
    """`counted` says which classes occur: an image that weighs a little more makes no class occur."""
    occurs = counted.sum(axis=1) > 0
    return float((np.diag(confusion)[occurs] / confusion.sum(axis=1)[occurs]).mean())


def _macro_f1(confusion: np.ndarray, counted: np.ndarray) -> float:
    occurs = counted.sum(axis=1) + counted.sum(axis=0) > 0
    both = (confusion.sum(axis=1) + confusion.sum(axis=0))[occurs]
    return float((2 * np.diag(confusion)[occurs] / both).mean())


def _kappa(confusion: np.ndarray, counted: np.ndarray) -> float:
    """Weighted by the square of the distance; NaN with one class alone in labels and predictions."""
    place = np.arange(len(confusion))
    weights = (place[:, None] - place[None, :]) ** 2
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / confusion.sum()
    apart = float((weights * expected).sum())
    return 1 - float((weights * confusion).sum()) / apart if apart > 0 else float("nan")


_SCORES = {"balanced_accuracy": _balanced_accuracy, "macro_f1": _macro_f1, "kappa": _kappa}


def correct_shares(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which images are classified correctly, bool (N,); of several labels an image, the share of them, float (N,)."""
    if labels.ndim == 2:
        return ((probabilities >= THRESHOLD) == labels.astype(bool)).mean(axis=1)
    return probabilities.argmax(axis=1) == labels


def image_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log loss of each image in nats, float64 (N,); of several labels an image, their mean."""
    sure = probabilities.astype(np.float64)
    if labels.ndim == 2:
        right = np.where(labels.astype(bool), sure, 1 - sure)
        return -np.log(np.maximum(right, _LEAST)).mean(axis=1)
    return -np.log(np.maximum(np.take_along_axis(sure, labels[:, None], axis=1)[:, 0], _LEAST))


def members_matrix(labels: np.ndarray, classes: int) -> np.ndarray:
    """bool (N, C): which images are of each class, or have each label."""
    return labels.astype(bool) if labels.ndim == 2 else labels[:, None] == np.arange(classes)


def label_values(probabilities: np.ndarray, members: np.ndarray, metric: Metric) -> np.ndarray:
    """float (C, N), each row of which has the mean of one label's area or average precision; NaN where undefined.

    Args:
        probabilities: (N, C) float.
        members: bool (N, C).
        metric: 'auroc' or 'average_precision'.
    """
    each = _area if metric == "auroc" else _precision
    found = np.full(members.shape[::-1], np.nan)
    for label in range(members.shape[1]):
        if 0 < members[:, label].sum() < len(members):
            found[label] = each(probabilities[:, label].astype(np.float64), members[:, label])
    return found


def _area(scores: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """Of one label against the rest (the components of DeLong et al. 1988)."""
    from scipy.stats import rankdata

    inside, outside, count = int(belongs.sum()), int((~belongs).sum()), len(belongs)
    ranks = rankdata(scores)
    below = (ranks[belongs] - rankdata(scores[belongs])) / outside
    above = 1 - (ranks[~belongs] - rankdata(scores[~belongs])) / inside
    area = float(below.mean())
    found = np.empty(count)
    found[belongs] = area + count * (below - area) / inside
    found[~belongs] = area + count * (above - area) / outside
    return found


def _precision(scores: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """Of one label: how the mean of the precisions at its images changes with the weight of each image."""
    _, place = np.unique(-scores, return_inverse=True)  # images of one score share a threshold
    taken = np.cumsum(np.bincount(place))
    right = np.bincount(place, belongs.astype(np.float64))
    precision = np.cumsum(right) / taken
    inside, count = right.sum(), len(scores)
    value = float((right * precision).sum() / inside)
    # an image counts at its own threshold and at every lower one
    more = np.cumsum((right / taken)[::-1])[::-1]
    less = np.cumsum((right * precision / taken)[::-1])[::-1]
    own = belongs * (precision[place] - value)
    return value + count * (own + belongs * more[place] - less[place]) / inside


def _of_tables(probabilities: np.ndarray, labels: np.ndarray, metric: Metric) -> np.ndarray:
    """Macro F1 and balanced accuracy over labels that are there or not: from four counts of each label."""
    members, predicted = labels.astype(bool), probabilities >= THRESHOLD
    values = []
    for label in range(labels.shape[1]):
        cell = 2 * members[:, label] + predicted[:, label]
        table = np.bincount(cell, minlength=4).astype(np.float64)
        defined = table[1:].sum() if metric == "macro_f1" else table[:2].sum() * table[2:].sum()
        if not defined:
            continue
        score = _label_f1 if metric == "macro_f1" else _label_balanced
        value, change = score(table), np.zeros(4)
        for at in np.flatnonzero(table):
            more = table.copy()
            more[at] += _SMALL
            change[at] = (score(more) - value) / _SMALL
        found = len(labels) * change[cell]
        values.append(value + found - found.mean())
    return np.mean(values, axis=0) if values else np.full(len(labels), np.nan)


def _label_f1(table: np.ndarray) -> float:
    """Of (rightly not, wrongly, missed, found)."""
    return float(2 * table[3] / (2 * table[3] + table[1] + table[2]))


def _label_balanced(table: np.ndarray) -> float:
    return float((table[3] / (table[2] + table[3]) + table[0] / (table[0] + table[1])) / 2)

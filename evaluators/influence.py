"""What each image adds to a score, so that intervals over images are there for every metric.

An accuracy is a mean over images; the other metrics are not. Each is therefore linearised (the infinitesimal jackknife;
Efron and Tibshirani, An Introduction to the Bootstrap, chapter 21): an image's value is the score plus what the score
changes by where the image weighs a little more, times the number of images. These values have the score as their mean,
and their spread is that of the score; they are what the analysis of several readers and cases takes for such metrics
(Dorfman, Berbaum and Metz 1992).
"""

import numpy as np

from tools.training.metrics import Metric

_SMALL = 1e-5
"""Weight by which an image's influence is measured; every metric here is smooth in the weights."""


def image_values(probabilities: np.ndarray, labels: np.ndarray, metric: Metric) -> np.ndarray:
    """float (N,) whose mean is the metric of these predictions; NaN throughout where it is not defined.

    Args:
        probabilities: (N, C) float, rows sum to 1.
        labels: (N,) int, 0..C-1.
        metric: which score.
    """
    predicted = probabilities.argmax(axis=1)
    if metric == "accuracy":
        return (predicted == labels).astype(np.float64)
    if metric == "auroc":
        return _areas(probabilities.astype(np.float64), labels)
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


def _areas(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean area over the classes against the rest (the components of DeLong et al. 1988)."""
    from scipy.stats import rankdata

    values = []
    for label in range(probabilities.shape[1]):
        belongs = labels == label
        inside, outside = int(belongs.sum()), int((~belongs).sum())
        if not inside or not outside:
            continue
        scores = probabilities[:, label]
        ranks = rankdata(scores)
        below = (ranks[belongs] - rankdata(scores[belongs])) / outside
        above = 1 - (ranks[~belongs] - rankdata(scores[~belongs])) / inside
        area = float(below.mean())
        found = np.empty(len(labels))
        found[belongs] = area + len(labels) * (below - area) / inside
        found[~belongs] = area + len(labels) * (above - area) / outside
        values.append(found)
    return np.mean(values, axis=0) if values else np.full(len(labels), np.nan)

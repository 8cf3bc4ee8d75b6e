"""Scores of a classifier on one split, by scikit-learn."""

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
)

from tools.errors import AugurError, DataError
from tools.training.types import Scores


class NonFiniteLoss(AugurError):
    """The classifier has diverged: its loss is NaN or infinite. The text says where."""


def score(probabilities: np.ndarray, labels: np.ndarray, ordinal: bool, loss: float) -> Scores:
    """Scores of predictions; the predicted class is the most probable one, the lowest where several tie.

    Macro-F1 and balanced accuracy are means over the classes that occur (in labels or predictions, and in
    labels), as scikit-learn defines them, so that a class without images neither helps nor hurts.

    Args:
        probabilities: (N, C) float, rows sum to 1.
        labels: (N,) int, 0..C-1.
        ordinal: whether classes are ordered; only then is the quadratic kappa given (None where it is
            undefined: one class alone, in labels and predictions).
        loss: mean cross-entropy in nats, carried into the result.

    Raises:
        DataError: no predictions, shapes that do not match, labels outside 0..C-1, or probabilities that are
            not finite.
    """
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels):
        raise DataError(
            f"cannot score probabilities of shape {probabilities.shape} against labels of shape "
            f"{labels.shape}: expected (N, C) and (N,) with N at least 1"
        )
    if not np.isfinite(probabilities).all():
        raise DataError("cannot score probabilities that are NaN or infinite: the classifier has diverged")
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"labels run from {labels.min()} to {labels.max()}, but the classifier has {classes} classes"
        )
    predicted = probabilities.argmax(axis=1)
    every_class = np.arange(classes)
    confusion = confusion_matrix(labels, predicted, labels=every_class)
    images = confusion.sum(axis=1)
    present = images > 0
    recalls = [float(confusion[c, c] / images[c]) if present[c] else None for c in every_class]
    kappa = None
    if ordinal and (len(np.unique(labels)) > 1 or len(np.unique(predicted)) > 1):
        kappa = float(cohen_kappa_score(labels, predicted, labels=every_class, weights="quadratic"))
    return Scores(
        loss=float(loss),
        accuracy=float(accuracy_score(labels, predicted)),
        macro_f1=float(f1_score(labels, predicted, average="macro")),
        # as balanced_accuracy_score defines it, without its warning about predictions of empty classes
        balanced_accuracy=float(np.mean([recall for recall in recalls if recall is not None])),
        quadratic_kappa=kappa,
        per_class_recall=tuple(recalls),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )

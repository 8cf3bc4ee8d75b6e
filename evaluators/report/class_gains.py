"""Gains by class, and confusion matrices, on the test set."""

from collections.abc import Sequence

import numpy as np

from evaluators.report.comparison import TestScores
from evaluators.report.sections import ClassGain, Confusion
from evaluators.statistics import Interval, interval_over_both
from tools.training.label_scores import mean_of


def class_gains(
    treatment: TestScores, control: TestScores, classes: Sequence[str], groups: Sequence[str] | None
) -> list[ClassGain]:
    """Recall of each class by both, and its gain with an interval over seeds and images at once.

    Where images may have several labels, it is the AUROC of each label.

    Args:
        treatment: what is recommended.
        control: no augmentation.
        classes: their names.
        groups: group of each test image; None where every image is its own.
    """
    seeds = sorted(treatment.correct.keys() & control.correct.keys())
    labels = treatment.labels
    if not seeds or labels is None:
        return []
    if labels.ndim == 2:
        return _label_gains(treatment, control, seeds, classes, groups)
    treated = np.stack([treatment.correct[seed] for seed in seeds]).astype(np.float64)
    controls = np.stack([control.correct[seed] for seed in seeds]).astype(np.float64)
    return [
        ClassGain(name, int(rows.size), *_of_class(treated[:, rows], controls[:, rows], groups, rows))
        for label, name in enumerate(classes)
        for rows in (np.flatnonzero(labels == label),)
    ]


def _label_gains(
    treatment: TestScores,
    control: TestScores,
    seeds: Sequence[int],
    labels: Sequence[str],
    groups: Sequence[str] | None,
) -> list[ClassGain]:
    assert treatment.labels is not None
    found = []
    for label, name in enumerate(labels):
        treated, controls = (
            np.stack([scores.by_label[seed][label] for seed in seeds]) for scores in (treatment, control)
        )
        images = int(treatment.labels[:, label].sum())
        if not np.isfinite(treated).all():
            found.append(ClassGain(name, images, None, None, None))
            continue
        gain = interval_over_both(treated, controls, groups)
        precisions = (
            _mean_precision(control, seeds, label),
            _mean_precision(treatment, seeds, label),
        )
        found.append(
            ClassGain(name, images, float(controls.mean()), float(treated.mean()), gain, *precisions)
        )
    return found


def _mean_precision(scores: TestScores, seeds: Sequence[int], label: int) -> float | None:
    return mean_of([scores.per_label_precision[seed][label] for seed in seeds])


def _of_class(
    treated: np.ndarray, controls: np.ndarray, groups: Sequence[str] | None, rows: np.ndarray
) -> tuple[float | None, float | None, Interval | None]:
    """Recall by no augmentation and by the other, and the gain; of no image, nothing."""
    if not rows.size:
        return None, None, None
    own = [groups[row] for row in map(int, rows)] if groups is not None else None
    return float(controls.mean()), float(treated.mean()), interval_over_both(treated, controls, own)


def confusion_of(title: str, scores: TestScores, classes: Sequence[str]) -> Confusion | None:
    """Mean over the fresh seeds; None where none is known."""
    found = [np.array(matrix, dtype=np.float64) for matrix in scores.confusion.values() if matrix]
    if not found:
        return None
    mean = np.mean(found, axis=0)
    return Confusion(title, tuple(classes), [[float(value) for value in row] for row in mean.tolist()])

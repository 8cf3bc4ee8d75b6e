"""Gains by class, who pays for them, and confusion matrices, on the test set."""

from collections.abc import Sequence

import numpy as np

from evaluators.report.comparison import TestScores
from evaluators.report.sections import ClassGain, Confusion
from evaluators.statistics import (
    CONFIDENCE,
    FEWEST_IMAGES,
    FEWEST_SEEDS,
    Interval,
    by_group,
    interval_over_both,
)
from evaluators.wording import percent, signed
from tools.text import counted
from tools.training.label_scores import mean_of
from tools.training.metrics import Metric


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
    found = []
    for label, name in enumerate(classes):
        rows = np.flatnonzero(labels == label)
        after, before = treated[:, rows], controls[:, rows]
        own = [groups[row] for row in map(int, rows)] if groups is not None else None
        falls = _falls(after - before, own, _MUCH, len(classes))
        found.append(ClassGain(name, int(rows.size), *_of_class(after, before, own), falls=falls))
    return found


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
        falls = _falls(treated - controls, groups, _MUCH_AUROC, len(labels))
        found.append(
            ClassGain(name, images, float(controls.mean()), float(treated.mean()), gain, *precisions, falls)
        )
    return found


def _mean_precision(scores: TestScores, seeds: Sequence[int], label: int) -> float | None:
    return mean_of([scores.per_label_precision[seed][label] for seed in seeds])


def _of_class(
    treated: np.ndarray, controls: np.ndarray, groups: Sequence[str] | None
) -> tuple[float | None, float | None, Interval | None]:
    """Recall by no augmentation and by the other, and the gain; of no image, nothing."""
    if not treated.size:
        return None, None, None
    return float(controls.mean()), float(treated.mean()), interval_over_both(treated, controls, groups)


_MUCH, _MUCH_AUROC = 0.1, 0.05
"""A class that loses so much of its recall, or a label of its AUROC, is worth a sentence."""


def _falls(difference: np.ndarray, groups: Sequence[str] | None, much: float, classes: int) -> bool:
    """Whether a class loses at least `much` on average, something under every seed, and more than its images explain.

    The last by a t test over images (groups), at a level that allows for looking at all classes.

    Args:
        difference: (seeds, images) of the class, each from -1 to 1.
        groups: of these images.
        much: above 0.
        classes: how many are looked at.
    """
    from scipy import stats

    seeds, images = difference.shape
    if (
        seeds < FEWEST_SEEDS
        or not images
        or difference.mean() > -much
        or (difference.mean(axis=1) >= 0).any()
    ):
        return False
    sums, counts = by_group(difference.mean(axis=0, keepdims=True), groups)
    if counts.size < FEWEST_IMAGES:
        return False
    # Each group as a deviation from no difference, weighted by its images.
    cases = sums[0] * counts.size / counts.sum()
    if np.ptp(cases) == 0:
        return True
    chance = float(stats.ttest_1samp(cases, 0.0, alternative="less")[1])  # type: ignore[arg-type]
    return chance < (1 - CONFIDENCE) / classes


_NAMED = 3
"""Classes that the sentence names; the table has them all."""


def who_pays(classes: Sequence[ClassGain], recommended: str, metric: Metric, several_labels: bool) -> str:
    """A sentence on the classes that lose much by what is recommended, and on what to do; empty where none does.

    Args:
        classes: of what is recommended.
        recommended: its title in a sentence.
        metric: that the study chose by.
        several_labels: whether they are labels, by their AUROC.
    """
    losing = sorted((each for each in classes if each.falls), key=_change)
    if not losing:
        return ""
    score, kinds = ("AUROC", "labels") if several_labels else ("recall", "classes")
    seeds = losing[0].difference.count if losing[0].difference else 0
    told = "; ".join(
        f"{each.name} from {percent(each.before)} to {percent(each.after)} ({signed(_change(each))} points, "
        f"{counted(each.images, 'test image')})"
        for each in losing[:_NAMED]
    )
    more = f"; and {len(losing) - _NAMED} more" if len(losing) > _NAMED else ""
    advice = ""
    if metric == "accuracy" and not several_labels:
        advice = (
            " Accuracy counts images, not classes: if these matter more than their number, choose by "
            "--search.metric balanced_accuracy in a new study, or see training.imbalance."
        )
    return (
        f"Under each of {counted(seeds, 'seed')}, {recommended} lowers the test {score} of {len(losing)} of "
        f"{len(classes)} {kinds}, against no augmentation: {told}{more}.{advice}"
    )


def _change(each: ClassGain) -> float:
    return (each.after or 0.0) - (each.before or 0.0)


def confusion_of(title: str, scores: TestScores, classes: Sequence[str]) -> Confusion | None:
    """Mean over the fresh seeds; None where none is known."""
    found = [np.array(matrix, dtype=np.float64) for matrix in scores.confusion.values() if matrix]
    if not found:
        return None
    mean = np.mean(found, axis=0)
    return Confusion(title, tuple(classes), [[float(value) for value in row] for row in mean.tolist()])

"""How the candidates of a study compare on the test set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

import numpy as np

from evaluators.influence import correct_shares, image_values, label_values
from evaluators.recommendation import Estimate
from evaluators.statistics import (
    SCORES,
    Interval,
    Limits,
    Verdict,
    differences_of_metric,
    image_interval,
    interval_over_both,
    mean_interval,
    paired_difference,
    scores_of_metric,
)
from tools.training.metrics import Metric, metric_title
from tools.training.types import Predictions


@dataclass(frozen=True)
class TestScores:
    """One arm on the test set, by seed. Scores are 0..1."""

    __test__ = False  # pytest must not collect it

    accuracy: Mapping[int, float]
    macro_f1: Mapping[int, float]
    correct: Mapping[int, np.ndarray]
    """Seed → bool (images,): which test images were classified correctly, in the data set's order; where they may have
    several labels, float: the share of them that is right."""
    per_class_recall: Mapping[int, tuple[float | None, ...]] = field(default_factory=dict)
    quadratic_kappa: Mapping[int, float] = field(default_factory=dict)
    """Only where labels are ordinal."""
    metric: Metric = "accuracy"
    """What the arms are compared by."""
    images: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Seed → float (images,), what each image adds to the metric, if that is not the accuracy (`influence.py`)."""
    confusion: Mapping[int, tuple[tuple[int, ...], ...]] = field(default_factory=dict)
    """Seed → images by true (rows) and predicted class (columns)."""
    average_precision: Mapping[int, float] = field(default_factory=dict)
    """Seed → mean over the labels; only where an image may have several."""
    labels: np.ndarray | None = None
    """int (images,): the true class of each test image; or 0 and 1 (images, labels)."""
    by_label: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Seed → float (labels, images), each row with the mean of one label's AUROC; only of several labels an image."""
    per_label_auroc: Mapping[int, tuple[float | None, ...]] = field(default_factory=dict)
    per_label_precision: Mapping[int, tuple[float | None, ...]] = field(default_factory=dict)

    @property
    def values(self) -> Mapping[int, float]:
        """Seed → the metric, over the seeds for which it is defined."""
        if self.metric == "accuracy":
            return self.accuracy
        return {seed: float(values.mean()) for seed, values in self.images.items()}

    @property
    def by_image(self) -> Mapping[int, np.ndarray]:
        """Seed → (images,), whose mean is the metric."""
        return self.correct if self.metric == "accuracy" else self.images

    def of_seed(self, seed: int) -> dict[str, float]:
        """Accuracy, macro F1 and the metric under one seed, by their names in MLflow."""
        own = {self.metric: self.values[seed]} if seed in self.values else {}
        return {"accuracy": self.accuracy[seed], "macro_f1": self.macro_f1[seed], **own}

    @property
    def means(self) -> dict[str, float]:
        """The same over all seeds; there must be one."""
        found = {"accuracy": self.accuracy, "macro_f1": self.macro_f1, self.metric: self.values}
        return {name: fsum(by_seed.values()) / len(by_seed) for name, by_seed in found.items() if by_seed}

    @classmethod
    def of(cls, predictions: Mapping[int, Predictions], metric: Metric = "accuracy") -> "TestScores":
        """From the predictions under each seed."""
        images = {}
        if metric != "accuracy":
            images = {
                seed: image_values(p.probabilities, p.labels, metric) for seed, p in predictions.items()
            }
        return cls(
            metric=metric,
            images={seed: values for seed, values in images.items() if np.isfinite(values).all()},
            accuracy={seed: p.scores.accuracy for seed, p in predictions.items()},
            macro_f1={seed: p.scores.macro_f1 for seed, p in predictions.items()},
            correct={seed: correct_shares(p.probabilities, p.labels) for seed, p in predictions.items()},
            by_label={seed: _by_label(p) for seed, p in predictions.items() if p.labels.ndim == 2},
            average_precision={
                seed: p.scores.average_precision
                for seed, p in predictions.items()
                if p.labels.ndim == 2 and p.scores.average_precision is not None
            },
            per_label_auroc={seed: p.scores.per_label_auroc for seed, p in predictions.items()},
            per_label_precision={seed: p.scores.per_label_precision for seed, p in predictions.items()},
            per_class_recall={seed: p.scores.per_class_recall for seed, p in predictions.items()},
            confusion={seed: p.scores.confusion for seed, p in predictions.items()},
            labels=next((p.labels for p in predictions.values()), None),
            quadratic_kappa={
                seed: p.scores.quadratic_kappa
                for seed, p in predictions.items()
                if p.scores.quadratic_kappa is not None
            },
        )


def _by_label(found: Predictions) -> np.ndarray:
    return label_values(found.probabilities, found.labels.astype(bool), "auroc")


@dataclass(frozen=True)
class Comparison:
    """One arm of the final table. Scores are of the study's metric (0..1; kappa -1..1) unless they are named."""

    name: str
    policy: str
    role: str
    """'reference', 'baseline', 'proposal', 'ablation', or 'finalist', which is never tested."""
    validation: Interval | None
    """Over the seeds of the search and of the choice: too high for the recommended, which was chosen by it."""
    fresh_validation: Interval | None
    """Over the fresh seeds."""
    test: Interval | None
    """Over the fresh seeds, like all that follows."""
    accuracy: Interval | None
    macro_f1: Interval | None
    """This, or, where an image may have several labels, `average_precision` is in the tables beside the accuracy."""
    kappa: Interval | None
    verdict: Verdict | None
    """Against no augmentation; None for that itself."""
    over_default: Verdict | None = None
    """Against the default policy; None for that itself, and where it was not trained."""
    recommended: bool = False
    estimate: Estimate | None = None
    """What the choice believed of it, on validation; None of what could not be recommended."""
    test_by_seed: Mapping[int, float] = field(default_factory=dict)
    average_precision: Interval | None = None
    """Its mean over the labels; None where an image has one class."""

    @property
    def second(self) -> Interval | None:
        """What stands beside the accuracy."""
        return self.average_precision or self.macro_f1


def verdict_between(
    treatment: TestScores, control: TestScores, groups: Sequence[str] | None, resamples: int = 2000
) -> Verdict | None:
    """How one arm compares with another on the test set, over the seeds that both finished; None without any.

    Args:
        treatment: test scores of the arm.
        control: those of what it is compared with, such as the reference.
        groups: group of each test image; None where every image is its own.
        resamples: bootstrap samples of the interval over images.
    """
    limits = differences_of_metric(treatment.metric)
    over_seeds = paired_difference(treatment.values, control.values, limits)
    if over_seeds is None:
        return None
    one, other = treatment.by_image, control.by_image
    seeds = sorted(one.keys() & other.keys())
    treated = np.stack([one[seed] for seed in seeds]).astype(np.float64)
    controls = np.stack([other[seed] for seed in seeds]).astype(np.float64)
    return Verdict(
        over_seeds,
        image_interval(treated.mean(axis=0), controls.mean(axis=0), groups, resamples, limits),
        interval_over_both(treated, controls, groups, limits),
        metric_title(treatment.metric),
    )


@dataclass(frozen=True)
class Arm:
    """What is known of one arm before it is compared."""

    name: str
    policy: str
    """In one line."""
    role: str
    validation: Mapping[int, float]
    """Seed → score on validation, in the search and the choice."""
    fresh_validation: Mapping[int, float]
    """The same under the fresh seeds."""
    test: TestScores | None
    """Under the fresh seeds; None where it was not tested."""
    recommended: bool = False
    estimate: Estimate | None = None


def compare(
    arm: Arm,
    reference: TestScores | None,
    default: TestScores | None,
    groups: Sequence[str] | None,
    metric: Metric = "accuracy",
) -> Comparison:
    """Compare one arm with no augmentation and with the default policy, over the seeds that both have.

    Args:
        arm: which.
        reference: test scores of no augmentation; None for that itself.
        default: those of the default policy; None for that itself, and where it was not trained.
        groups: group of each test image; None where every image is its own.
        metric: of the study.
    """
    test = arm.test
    limits = scores_of_metric(metric)
    return Comparison(
        name=arm.name,
        policy=arm.policy,
        role=arm.role,
        validation=_interval(arm.validation, limits),
        fresh_validation=_interval(arm.fresh_validation, limits),
        test=_interval(test.values, limits) if test else None,
        accuracy=_interval(test.accuracy) if test else None,
        macro_f1=_interval(test.macro_f1) if test else None,
        kappa=_interval(test.quadratic_kappa, scores_of_metric("kappa")) if test else None,
        average_precision=_interval(test.average_precision) if test else None,
        verdict=verdict_between(test, reference, groups) if test and reference else None,
        over_default=verdict_between(test, default, groups) if test and default else None,
        recommended=arm.recommended,
        estimate=arm.estimate,
        test_by_seed=test.values if test else {},
    )


def _interval(by_seed: Mapping[int, float], limits: Limits = SCORES) -> Interval | None:
    """Over the seeds under which the score is defined: kappa is not where all images are of one class."""
    values = [by_seed[seed] for seed in sorted(by_seed) if np.isfinite(by_seed[seed])]
    return mean_interval(values, limits) if values else None


@dataclass(frozen=True)
class Versus:
    """What is recommended against a baseline, on the test set."""

    name: str
    verdict: Verdict

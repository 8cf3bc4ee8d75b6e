"""How the candidates of a study compare on the test set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluators.statistics import (
    DIFFERENCES,
    SCORES,
    Interval,
    Verdict,
    image_interval,
    interval_over_both,
    mean_interval,
    paired_difference,
)
from tools.training.types import Predictions


@dataclass(frozen=True)
class TestScores:
    """One arm on the test set, by seed. Scores are 0..1."""

    __test__ = False  # pytest must not collect it

    accuracy: Mapping[int, float]
    macro_f1: Mapping[int, float]
    correct: Mapping[int, np.ndarray]
    """Seed → bool (images,): which test images were classified correctly, in the data set's order."""
    per_class_recall: Mapping[int, tuple[float | None, ...]] = field(default_factory=dict)
    quadratic_kappa: Mapping[int, float] = field(default_factory=dict)
    """Only where labels are ordinal."""

    @classmethod
    def of(cls, predictions: Mapping[int, Predictions]) -> "TestScores":
        """From the predictions under each seed."""
        return cls(
            accuracy={seed: p.scores.accuracy for seed, p in predictions.items()},
            macro_f1={seed: p.scores.macro_f1 for seed, p in predictions.items()},
            correct={seed: p.probabilities.argmax(axis=1) == p.labels for seed, p in predictions.items()},
            per_class_recall={seed: p.scores.per_class_recall for seed, p in predictions.items()},
            quadratic_kappa={
                seed: p.scores.quadratic_kappa
                for seed, p in predictions.items()
                if p.scores.quadratic_kappa is not None
            },
        )


@dataclass(frozen=True)
class Comparison:
    """One arm of the final table. Differences are to the reference, in accuracy (0..1)."""

    name: str
    policy: str
    validation: Interval | None
    """Over the seeds of the search and of the choice: the chosen policy's is too high, because it was chosen by it."""
    fresh_validation: Interval | None
    """Over the fresh seeds."""
    test: Interval | None
    """Over the fresh seeds, like all that follows."""
    macro_f1: Interval | None
    kappa: Interval | None
    verdict: Verdict | None
    """None for the reference itself."""
    role: str
    """'reference', 'baseline', 'chosen', 'ablation', or 'finalist', which is never tested."""
    test_by_seed: Mapping[int, float] = field(default_factory=dict)


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
    over_seeds = paired_difference(treatment.accuracy, control.accuracy)
    if over_seeds is None:
        return None
    seeds = sorted(treatment.correct.keys() & control.correct.keys())
    treated = np.stack([treatment.correct[seed] for seed in seeds]).astype(np.float64)
    controls = np.stack([control.correct[seed] for seed in seeds]).astype(np.float64)
    return Verdict(
        over_seeds,
        image_interval(treated.mean(axis=0), controls.mean(axis=0), groups, resamples),
        interval_over_both(treated, controls, groups),
    )


def compare(
    name: str,
    policy: str,
    role: str,
    validation: Mapping[int, float],
    fresh_validation: Mapping[int, float],
    test: TestScores | None,
    reference: TestScores | None,
    groups: Sequence[str] | None,
) -> Comparison:
    """Compare one arm with the reference, over the seeds that both have.

    Args:
        name: of the arm.
        policy: its one-line form.
        role: 'reference', 'baseline', 'chosen', 'ablation' or 'finalist'.
        validation: seed → validation accuracy, in the search and the choice.
        fresh_validation: the same under the fresh seeds.
        test: its test scores, under the fresh seeds; None where it was not tested.
        reference: those of the reference; None for the reference itself.
        groups: group of each test image; None where every image is its own.
    """
    verdict = None
    if test is not None and reference is not None:
        verdict = verdict_between(test, reference, groups)
    return Comparison(
        name=name,
        policy=policy,
        role=role,
        validation=_interval(validation),
        fresh_validation=_interval(fresh_validation),
        test=_interval(test.accuracy) if test else None,
        macro_f1=_interval(test.macro_f1) if test else None,
        kappa=_interval(test.quadratic_kappa, DIFFERENCES) if test else None,
        verdict=verdict,
        test_by_seed=test.accuracy if test else {},
    )


def _interval(by_seed: Mapping[int, float], limits: tuple[float, float] = SCORES) -> Interval | None:
    """Over the seeds under which the score is defined: kappa is not where all images are of one class."""
    values = [by_seed[seed] for seed in sorted(by_seed) if np.isfinite(by_seed[seed])]
    return mean_interval(values, limits) if values else None


@dataclass(frozen=True)
class Versus:
    """The chosen policy against a baseline, on the test set."""

    name: str
    verdict: Verdict

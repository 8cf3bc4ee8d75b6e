"""Which candidates of a search are better: what the star, the incumbent and TPE go by."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from agent.memory.history import IterationRecord, TrialRecord
from agent.memory.proposal import Proposal
from agent.memory.ranking import best_iteration, measure_of, measured

NOTHING = Proposal(hypothesis="h", expected_gain=0.0, policy=[])
Trials = Mapping[int, tuple[float, float]]
"""Seed → score, log loss."""


def record(number: int, trials: Trials, name: str = "", arm: str = "tpe") -> IterationRecord:
    made = tuple(
        TrialRecord(seed, "finished", score, loss=loss) for seed, (score, loss) in sorted(trials.items())
    )
    mean = float(np.mean([score for score, _ in trials.values()])) if trials else None
    return IterationRecord(
        number, arm, name or f"iteration {number}", NOTHING, made, mean, None, None, None, None
    )


def study(
    skills: Mapping[str, float], noise: float, seed: int = 0, related: bool = True
) -> list[IterationRecord]:
    """No augmentation, the default and iterations of these true scores; log loss is a tenth as noisy."""
    draw = np.random.default_rng(seed)
    found = []
    for name, skill in skills.items():
        iteration = name.startswith("iteration ")
        trials = {}
        for number in range(3):
            loss = 1.2 - skill if related else draw.uniform(0.3, 0.6)
            trials[number] = (skill + draw.normal(0, noise), loss + draw.normal(0, noise / 10))
        arm = "tpe" if iteration else "reference" if name == "no augmentation" else "baseline"
        found.append(record(int(name.split()[1]) if iteration else 0, trials, name, arm))
    return found


SKILLS = {
    "no augmentation": 0.75,
    "default": 0.80,
    **{f"iteration {number}": 0.70 + number / 100 for number in range(1, 13)},
}


def test_the_best_iteration_is_found_by_log_loss_where_the_metric_is_noisy():
    by_measure, by_metric = [], []
    for seed in range(20):
        records = study(SKILLS, noise=0.04, seed=seed)
        assert measure_of(records) == "metric and log loss"
        best = best_iteration(records)
        highest = max(records, key=lambda each: each.mean or 0 if each.number else 0)
        assert best is not None
        by_measure.append(SKILLS[best.name])
        by_metric.append(SKILLS[highest.name])
    assert np.mean(by_measure) > np.mean(by_metric) + 0.003
    assert min(by_measure) > min(by_metric)


def test_where_log_loss_says_nothing_the_metric_decides():
    records = study(SKILLS, noise=0.001, related=False)
    assert measure_of(records) == "metric"
    best = best_iteration(records)
    assert best is not None
    assert best.name == "iteration 12"
    found = measured(records)
    default = next(each.mean for each in records if each.name == "default")
    assert found[best.name] == pytest.approx((best.mean or 0) - (default or 0))


def test_candidates_that_luck_may_explain_are_still_told_apart():
    alike = dict.fromkeys(SKILLS, 0.8)
    found = measured(study(alike, noise=0.02))
    iterations = [value for name, value in found.items() if name.startswith("iteration ")]
    assert len(set(iterations)) == len(iterations)


def test_the_earlier_of_equal_iterations_is_the_best_and_failed_ones_are_none():
    first, failed = record(1, {0: (0.9, 0.3)}), record(2, {})
    assert best_iteration([record(3, {0: (0.9, 0.3)}), failed, first]) is first
    assert best_iteration([failed]) is None
    assert best_iteration([]) is None


def test_without_reference_and_default_the_mean_decides():
    records = [record(1, {0: (0.8, 0.1)}), record(2, {0: (0.9, 0.9)})]
    assert best_iteration(records) is records[1]


def test_an_iteration_that_shares_no_seed_with_the_reference_is_not_compared():
    reference = record(0, {0: (0.8, 0.5)}, "no augmentation", "reference")
    apart, paired = record(1, {7: (0.99, 0.1)}), record(2, {0: (0.85, 0.4)})
    assert set(measured([reference, apart, paired])) == {"no augmentation", "iteration 2"}
    assert best_iteration([reference, apart, paired]) is paired


def test_scores_that_were_stored_without_trials_are_compared_as_they_are():
    plain = [replace(record(n, {}), mean=mean) for n, mean in ((1, 0.7), (2, 0.9), (3, 0.8))]
    assert best_iteration(plain) is plain[1]

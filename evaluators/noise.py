"""How much accuracies differ by chance, learnt from all candidates of a search together.

Two or three seeds of one candidate say little of its spread: in one of five cases, the standard deviation of three
values is less than half the true one. All candidates are trained under the same seeds, so what is left after the mean
of each candidate and the effect of each seed is chance, and all of them estimate it together (two-way analysis of
variance of candidates × seeds without interaction). With two candidates this is the paired t interval.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluators.scatter import scatter_of
from evaluators.statistics import DIFFERENCES, Interval, Limits, t_bounds

Accuracies = Mapping[str, Mapping[int, float]]
"""Candidate → seed → accuracy (0..1), over the finished trials."""

FEWEST_FREEDOM = 2
"""Degrees of freedom below which the spread is not estimated: three paired seeds of two candidates have two."""
_EQUAL = 1e-9


@dataclass(frozen=True)
class Noise:
    """Standard deviations of one trial's accuracy (0..1), pooled over candidates."""

    between_seeds: float
    """Of one candidate trained under different seeds."""
    paired: float
    """What is left of that when a seed's effect on all candidates is taken out."""
    freedom: int
    """Degrees of freedom of `paired`; with 0 it is 0."""


def pooled_noise(accuracies: Accuracies) -> Noise | None:
    """The noise of a trial, estimated from all candidates; None where none of them finished two seeds."""
    found = scatter_of(
        [{seed: np.array([score]) for seed, score in by_seed.items()} for by_seed in accuracies.values()]
    )
    if found is None:
        return None
    left = max(0.0, float(found.left[0, 0])) / found.freedom if found.freedom > 0 else 0.0
    within = float(found.within[0, 0]) / found.within_freedom
    return Noise(float(np.sqrt(within)), float(np.sqrt(left)), found.freedom)


def pooled_gain(
    treatment: Mapping[int, float],
    control: Mapping[int, float],
    noise: Noise | None,
    limits: Limits = DIFFERENCES,
) -> Interval | None:
    """Mean of treatment − control over the seeds that both have, with the 95% interval that the pooled noise gives.

    It is cut at `limits` (`differences_of_metric`). None without a pair. There are no bounds where the noise has fewer
    than two degrees of freedom, or is zero.
    """
    seeds = sorted(treatment.keys() & control.keys())
    if not seeds:
        return None
    values = tuple(treatment[seed] - control[seed] for seed in seeds)
    mean = sum(values) / len(values)
    if noise is None or noise.freedom < FEWEST_FREEDOM or noise.paired < _EQUAL:
        return Interval(mean, None, None, len(values), values)
    error = noise.paired * float(np.sqrt(2 / len(values)))
    return Interval(mean, *t_bounds(mean, error, noise.freedom, limits), len(values), values)


def chance_of_gain(
    treatment: Mapping[int, float], control: Mapping[int, float], noise: Noise | None
) -> float | None:
    """The probability (0..1) that the true mean of `treatment` is above that of `control`; None without a common seed.

    Where the noise cannot be estimated (a single seed, or all trials equal), the number of seeds with a gain decides,
    by Laplace's rule of succession: (gains + 1) / (seeds + 2), a tie for half a gain.

    Args:
        treatment: of the candidate.
        control: of the reference.
        noise: estimated from all candidates.
    """
    seeds = sorted(treatment.keys() & control.keys())
    if not seeds:
        return None
    gains = np.array([treatment[seed] - control[seed] for seed in seeds])
    if noise is None or noise.freedom < 1 or noise.paired < _EQUAL:
        wins = float(np.sum(gains > _EQUAL) + np.sum(np.abs(gains) <= _EQUAL) / 2)
        return (wins + 1) / (len(seeds) + 2)
    from scipy import stats

    error = noise.paired * np.sqrt(2 / len(seeds))
    return float(stats.t.cdf(gains.mean() / error, noise.freedom))

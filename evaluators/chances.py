"""The chance that a candidate is really better than the reference, by the spread that all candidates show together.

Three seeds of one candidate say little of its spread; all candidates of a search, trained under the same seeds, say
much more. What is left of their accuracies after the mean of each candidate and the effect of each seed is the noise
(two-way analysis of variance without interaction), and the gain is compared with it by Student's t.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Accuracies = Mapping[int, float]
"""Seed → accuracy, 0..1."""

_EQUAL = 1e-9
"""Accuracies closer than this differ by rounding only."""


@dataclass(frozen=True)
class TrialNoise:
    """How much a trial's accuracy differs by chance, beside the effects of its candidate and its seed."""

    deviation: float
    """Standard deviation, of accuracies 0..1; 0 where it cannot be estimated."""
    freedom: int
    """Degrees of freedom of the estimate."""


def trial_noise(pool: Mapping[str, Accuracies]) -> TrialNoise:
    """The noise of a trial, estimated from all candidates: `pool` is candidate → accuracies."""
    trials = [(name, seed, value) for name, by_seed in pool.items() for seed, value in by_seed.items()]
    if not trials:
        return TrialNoise(0.0, 0)
    names, seeds, values = zip(*trials, strict=True)
    accuracies = np.array(values, dtype=np.float64)
    effects = np.concatenate([_indicators(names), _indicators(seeds)], axis=1)
    fitted, _, rank, _ = np.linalg.lstsq(effects, accuracies, rcond=None)
    freedom = len(trials) - int(rank)
    left = float(np.sum((accuracies - effects @ fitted) ** 2))
    return TrialNoise(float(np.sqrt(left / freedom)) if freedom > 0 else 0.0, freedom)


def chance_of_gain(treatment: Accuracies, control: Accuracies, noise: TrialNoise) -> float | None:
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
    if noise.freedom < 1 or noise.deviation < _EQUAL:
        wins = float(np.sum(gains > _EQUAL) + np.sum(np.abs(gains) <= _EQUAL) / 2)
        return (wins + 1) / (len(seeds) + 2)
    from scipy import stats

    error = noise.deviation * np.sqrt(2 / len(seeds))
    return float(stats.t.cdf(gains.mean() / error, noise.freedom))


def _indicators(labels: tuple[object, ...]) -> np.ndarray:
    """(N, K): a column for each distinct label, 1 where the row has it."""
    place = {label: at for at, label in enumerate(dict.fromkeys(labels))}
    return np.eye(len(place))[[place[label] for label in labels]]

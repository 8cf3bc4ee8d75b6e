"""Which of everything that was tried to use: no augmentation, a baseline, or a proposal.

The best mean of many noisy ones was mostly lucky. Each mean is therefore shrunk towards that of all contenders, by as
much as chance explains of their spread (empirical Bayes; the random-effects model of meta-analysis, with the spread of
the true values by Paule and Mandel 1982). What is left decides, and in doubt the simpler contender wins: a proposal
has to be likely better than the baseline that needs no search, and anything has to be likely better than no
augmentation. Pure functions of candidate → seed → score, on validation alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LIKELY = 0.75
"""Probability of being better than no augmentation that a recommendation needs at least."""
CLEARLY = 0.6
"""Probability of being better than a simpler contender that a less simple one needs at least."""
_FEWEST = 3
"""Contenders below which the spread of their true values is not estimated, and nothing is shrunk."""


@dataclass(frozen=True)
class Contender:
    """Something that may be recommended."""

    name: str
    simplicity: int
    """0 for no augmentation; the higher, the more a user has to take over (baseline, policy, new backgrounds)."""
    scores: Mapping[int, float]
    """Seed → score (0..1, higher is better), over the finished trials."""
    image_error: float = 0.0
    """Standard error (0..1) of its gain over no augmentation that is due to the sample of validation images."""


@dataclass(frozen=True)
class Estimate:
    """What is believed of a contender after all were seen."""

    gain: float
    """Shrunk gain over no augmentation (0..1)."""
    deviation: float
    """Standard deviation of that belief."""
    probability: float
    """That it is better than no augmentation."""


@dataclass(frozen=True)
class Recommendation:
    """The contender to use."""

    name: str
    estimates: Mapping[str, Estimate]
    """By contender, without the reference."""


def recommend(
    reference: Contender, contenders: Sequence[Contender], deviation: float, freedom: float
) -> Recommendation:
    """The contender to use; the reference where nothing is likely better.

    Args:
        reference: no augmentation.
        contenders: everything else that finished a trial; the earlier one wins a tie.
        deviation: standard deviation of one trial's score when a seed's effect on all is taken out (`noise.py`).
        freedom: degrees of freedom of `deviation`.
    """
    tried = [each for each in contenders if each.scores and reference.scores]
    estimates = estimate(reference, tried, deviation, freedom)
    likely = [each for each in tried if estimates[each.name].probability >= LIKELY]
    if not likely:
        return Recommendation(reference.name, estimates)
    best = max(likely, key=lambda each: estimates[each.name].gain)
    for simplicity in sorted({each.simplicity for each in likely if each.simplicity < best.simplicity}):
        level = [each for each in likely if each.simplicity == simplicity]
        simple = max(level, key=lambda each: estimates[each.name].gain)
        if _is_better(estimates[best.name], estimates[simple.name], freedom) < CLEARLY:
            return Recommendation(simple.name, estimates)
    return Recommendation(best.name, estimates)


def estimate(
    reference: Contender, contenders: Sequence[Contender], deviation: float, freedom: float
) -> dict[str, Estimate]:
    """Shrunk gain over the reference of every contender; see `recommend`.

    Gains are paired over the seeds that a contender and the reference both finished. A contender without such a seed
    has no estimate.
    """
    paired = {each.name: sorted(each.scores.keys() & reference.scores.keys()) for each in contenders}
    known = [each for each in contenders if paired[each.name]]
    if not known:
        return {}
    gains = np.array([_mean_gain(each, reference, paired[each.name]) for each in known])
    seeds = np.array([len(paired[each.name]) for each in known], dtype=np.float64)
    images = np.array([each.image_error for each in known]) ** 2 / 2
    own = deviation**2 / seeds + images
    common = deviation**2 / float(seeds.max()) + float(images.mean())
    middle, spread = _random_effects(gains, own)
    kept = np.ones_like(own) if spread is None else spread / (spread + own)
    shrunk = middle + kept * (gains - middle)
    beliefs = np.sqrt(kept * own + common)
    return {
        each.name: Estimate(float(gain), float(belief), _above_zero(float(gain), float(belief), freedom))
        for each, gain, belief in zip(known, shrunk, beliefs, strict=True)
    }


def _mean_gain(contender: Contender, reference: Contender, seeds: Sequence[int]) -> float:
    return float(np.mean([contender.scores[seed] - reference.scores[seed] for seed in seeds]))


def _random_effects(values: np.ndarray, variances: np.ndarray) -> tuple[float, float | None]:
    """Mean and variance of the true values behind noisy ones; (mean, None) where these are too few to tell.

    Paule and Mandel's variance is the one with which the values spread as much as they should.
    """
    if len(values) < _FEWEST:
        return float(values.mean()), None
    if not variances.all():
        return float(values.mean()), None

    def excess(spread: float) -> float:
        weights = 1 / (variances + spread)
        middle = float(weights @ values / weights.sum())
        return float(weights @ (values - middle) ** 2) - (len(values) - 1)

    spread = 0.0
    if excess(0.0) > 0:
        from scipy.optimize import root_scalar

        spread = float(root_scalar(excess, bracket=(0.0, float(np.ptp(values)) ** 2 * len(values))).root)
    weights = 1 / (variances + spread)
    return float(weights @ values / weights.sum()), spread


def _is_better(one: Estimate, other: Estimate, freedom: float) -> float:
    """Probability that the first is better. The error of the reference, which both share, is counted: cautious."""
    return _above_zero(one.gain - other.gain, float(np.hypot(one.deviation, other.deviation)), freedom)


def _above_zero(mean: float, deviation: float, freedom: float) -> float:
    from scipy import stats

    if deviation <= 0:
        return 0.5 if mean == 0 else float(mean > 0)
    return float(stats.t.cdf(mean / deviation, max(freedom, 1.0)))

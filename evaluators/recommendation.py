"""Which of everything that was tried to use: no augmentation, a baseline, or a proposal.

The best mean of many noisy ones was mostly lucky, so that picking it loses to a plain default. Here the default is
what must be beaten: gains over it are measured by the study's metric and by log loss together, as far as the study's
own trials show that the two go together (`measure.py`); they are shrunk (`shrinkage.py`) and judged by the noise of
seeds and of images (`scatter.py`). A candidate replaces the default only if it is better with a probability of
`REPLACES`, and better than no augmentation with one of `HARMLESS`; between the default and no augmentation, the higher
one wins: neither was picked from many, so that no luck is taken off. Pure functions, on validation alone;
docs/choice.md explains it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from evaluators.contenders import Contender, ImageScores, Kind
from evaluators.evidence import Belief, Evidence, Measure, above_zero, evidence_of, mean
from evaluators.wording import signed

__all__ = [
    "CLEARLY",
    "REPLACES",
    "Contender",
    "Estimate",
    "ImageScores",
    "Kind",
    "Measure",
    "Recommendation",
    "leading_half",
    "rank",
    "recommend",
]

REPLACES = 0.7
"""Probability of being better than the default that a candidate needs at least."""
HARMLESS = 0.8
"""Probability of being better than no augmentation that it needs besides."""
CLEARLY = 0.6
"""Probability of being better than a simpler candidate that passed, which a less simple one needs at least."""


_DIGITS = 9
"""Of gains that are equal but for rounding."""


@dataclass(frozen=True)
class Estimate:
    """What is believed of a contender after all were seen; differences of the metric."""

    gain_over_default: float
    """Shrunk; 0 for the default. Without a default among the contenders, over no augmentation."""
    gain_over_none: float
    """Shrunk; 0 for no augmentation. Without no augmentation among the contenders, over the default."""
    deviation: float
    """Standard deviation of the belief in `gain_over_default`; for the default, in `gain_over_none`."""
    better_than_default: float
    """Probability (0..1); one half for the default itself."""
    better_than_none: float
    """Probability (0..1); one half for no augmentation itself."""


@dataclass(frozen=True)
class Recommendation:
    """The contender to use."""

    name: str
    measure: Measure
    """What gains were measured by."""
    estimates: Mapping[str, Estimate]
    """By contender; those that share no finished seed with the default (or no augmentation) have none."""
    reason: str
    """Why this one, in a sentence."""


def recommend(contenders: Sequence[Contender]) -> Recommendation:
    """The contender to use: the default, or no augmentation, where nothing is likely enough to be better.

    The earlier contender wins a tie. Where neither of the two finished a trial, the highest mean is taken.

    Raises:
        ValueError: if no contender finished a trial, a name comes twice, or a kind that can be there once does.
    """
    evidence = evidence_of(contenders)
    estimates = _estimates(evidence)
    if evidence.anchor is None:
        best = max(evidence.finished, key=lambda each: mean(each.scores))
        why = "neither no augmentation nor the default finished a trial; this has the highest mean score"
        return Recommendation(best.name, evidence.measure, estimates, why)
    name, why = _choose(evidence, estimates, evidence.anchor)
    return Recommendation(name, evidence.measure, estimates, why)


def rank(contenders: Sequence[Contender]) -> list[str]:
    """All contenders that finished a trial, best first by the least noisy measure; the earlier one where they tie.

    Where luck may explain all their differences, the shrunk gains are equal: the gains as they were seen then decide.
    Those that share no seed with the default (or no augmentation) come last, by their mean score.
    """
    evidence = evidence_of(contenders)
    estimates = _estimates(evidence)
    seen = evidence.measured(evidence.anchor, evidence.finished) if evidence.anchor else {}

    def place(each: Contender) -> tuple[bool, float, float]:
        if each.name not in estimates:
            return False, mean(each.scores), 0.0
        return True, round(estimates[each.name].gain_over_default, _DIGITS), seen.get(each.name, 0.0)

    return [each.name for each in sorted(evidence.finished, key=place, reverse=True)]


def leading_half(contenders: Sequence[Contender], racing: Collection[str]) -> list[str]:
    """The better half of those that race, best first; one more where they are odd in number.

    Args:
        contenders: all that is known, from which the measure and its noise are learnt.
        racing: names of those that are compared; what finished no trial is left behind.
    """
    order = [name for name in rank([each for each in contenders if each.scores]) if name in racing]
    return order[: ceil(len(racing) / 2)]


def _estimates(evidence: Evidence) -> dict[str, Estimate]:
    none, default, anchor = evidence.none, evidence.default, evidence.anchor
    if anchor is None:
        return {}
    candidates = [each for each in evidence.finished if each is not none and each is not default]
    over_default = evidence.beliefs(default, candidates) if default else {}
    over_none = evidence.beliefs(none, candidates) if none else {}
    if none and default:
        # The default was not picked for its luck: nothing is taken off.
        over_none |= evidence.beliefs(none, [default])
    zero = Belief(0.0, 0.0, 0.5)
    if default and none:
        between = over_none.get(default.name)
        over_default[default.name] = Belief(0.0, between.deviation if between else 0.0, 0.5)
        over_none[none.name] = zero
        if between:
            over_default[none.name] = Belief(-between.gain, between.deviation, 1 - between.probability)
    else:
        over_none = over_default = {anchor.name: zero, **(over_default or over_none)}
    return {
        each.name: Estimate(
            over_default[each.name].gain,
            over_none[each.name].gain,
            over_default[each.name].deviation,
            over_default[each.name].probability,
            over_none[each.name].probability,
        )
        for each in evidence.finished
        if each.name in over_default and each.name in over_none
    }


def _choose(evidence: Evidence, estimates: Mapping[str, Estimate], anchor: Contender) -> tuple[str, str]:
    """Name and reason."""
    passed = [
        each
        for each in evidence.finished
        if each.kind not in ("none", "default")
        and each.name in estimates
        and _suffices(estimates[each.name], evidence)
    ]
    if not passed:
        return _simple_choice(evidence, estimates, anchor)

    def gain(each: Contender) -> float:
        return estimates[each.name].gain_over_default

    best = max(passed, key=gain)
    for simplicity in sorted({each.simplicity for each in passed if each.simplicity < best.simplicity}):
        other = max((each for each in passed if each.simplicity == simplicity), key=gain)
        one, two = estimates[best.name], estimates[other.name]
        deviation = float(np.hypot(one.deviation, two.deviation))
        chance = above_zero(np.array(gain(best) - gain(other)), np.array(deviation), evidence.freedom)
        if chance < CLEARLY:
            return other.name, f"{best.name} is not clearly better, and {other.name} is simpler"
    found = estimates[best.name]
    over = "the default" if evidence.default else "no augmentation"
    return best.name, (
        f"better than {over} with a probability of {_percent(_sure(found))}, by {signed(found.gain_over_default)} "
        "points after what luck explains is taken off"
    )


def _simple_choice(
    evidence: Evidence, estimates: Mapping[str, Estimate], anchor: Contender
) -> tuple[str, str]:
    """The default or no augmentation: the higher shrunk mean."""
    nothing = f"nothing else is better with a probability of {_percent(REPLACES)}"
    none, default = evidence.none, evidence.default
    if not (none and default) or default.name not in estimates:
        return anchor.name, nothing
    found = estimates[default.name].gain_over_none
    if found > 0:
        return default.name, f"{signed(found)} points over no augmentation, and {nothing}"
    return none.name, f"the default gains {signed(found)} points, and {nothing}"


def _suffices(estimate: Estimate, evidence: Evidence) -> bool:
    if evidence.default is None:
        return estimate.better_than_none >= HARMLESS
    return estimate.better_than_default >= REPLACES and estimate.better_than_none >= (
        HARMLESS if evidence.none else REPLACES
    )


def _sure(estimate: Estimate) -> float:
    return min(estimate.better_than_default, estimate.better_than_none)


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f}%"

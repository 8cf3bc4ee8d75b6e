"""Whether a cheap measure ranks candidates like full trainings do, so that it may be used in their place. Pure.

How well two rankings agree is said by Kendall's τ: 1 if every pair of candidates is in the same order in both, −1 if
none is, 0 by chance. Each study has a τ of its own, over the candidates that it measured in both ways; studies are
pooled as Fisher's z of τ, whose variance is 0.437 / (n − 4) for n candidates (Fieller, Hartley and Pearson 1957). What
is compared is noisy in both rankings, so that τ is what a search really gets, and not what endless seeds would give.

Studies of the same data, recipe and seed reuse one another's trials: each pair of trials counts once (`counted_once`).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.statistics import CONFIDENCE

LEAST_AGREEMENT = 0.3
"""Lower bound of τ above which a cheap measure is trusted."""
LARGEST_SHARE = 0.35
"""Of the training images of a full training, for a cheap measure that is worth while."""
FEWEST_CANDIDATES = 5
"""Of a study that counts: with fewer, its τ has no variance that is known."""
_VARIANCE = 0.437


@dataclass(frozen=True)
class Pair:
    """One candidate, measured in both ways on the same seeds. Higher is better."""

    candidate: str
    cheap: float
    full: float
    trials: tuple[str, str] | None = None
    """Keys of the cheap trial and the full one; None where an earlier version did not write them down."""


@dataclass(frozen=True)
class Agreement:
    """How well the two rankings agree, over all studies; those that share trials are one (`counted_once`)."""

    tau: float | None
    """Pooled; None where no study has enough candidates."""
    low: float | None
    """Lower bound of its 95% interval."""
    high: float | None
    candidates: int
    """In the studies that count."""
    studies: int
    """Those with enough candidates."""


@dataclass(frozen=True)
class Trust:
    """Whether the cheap measure is used, and why."""

    agreement: Agreement
    share: float
    """What it takes of the training images of full trainings, 0..1."""

    @property
    def is_given(self) -> bool:
        """Whether it ranks like full trainings, at a cost that is worth while."""
        low = self.agreement.low
        return self.is_worth_knowing and low is not None and low > LEAST_AGREEMENT

    @property
    def is_worth_knowing(self) -> bool:
        """Whether it would be used if it ranked well enough."""
        return self.share <= LARGEST_SHARE + 1e-9

    @property
    def sentence(self) -> str:
        """The outcome and its reason, for the user."""
        found = self.agreement
        if not self.is_worth_knowing:
            return (
                "Candidates are not measured cheaply first: in a study of this size that would take "
                f"{self.share:.0%} of the full trainings that it replaces, more than {LARGEST_SHARE:.0%}."
            )
        if found.tau is None or found.low is None or found.high is None:
            return (
                "Candidates are not measured cheaply first: too few were measured in both ways to know whether the "
                f"last quarter of a training ranks like all of it (it takes {FEWEST_CANDIDATES} in one study)."
            )
        studies = "1 study" if found.studies == 1 else f"{found.studies} studies"
        basis = (
            f"Kendall's τ {_number(found.tau)}, 95% interval {_number(found.low)} to {_number(found.high)}, over "
            f"{found.candidates} candidates of {studies}"
        )
        if self.is_given:
            return (
                f"Candidates are measured cheaply first, in the last quarter of a training: that ranks like full "
                f"trainings ({basis}) at {self.share:.0%} of the cost."
            )
        return (
            "Candidates are not measured cheaply first: it is not shown that the last quarter of a training ranks "
            f"like all of it ({basis}; the lower end must be above {LEAST_AGREEMENT:g})."
        )


def agreement_of(studies: Sequence[Sequence[Pair]]) -> Agreement:
    """τ between the cheap and the full ranking, pooled over studies; candidates of different studies are not compared.

    Studies that share trials count as one. A study whose candidates are all equal in one of the two rankings says
    nothing, and does not count.
    """
    from scipy import stats

    found: list[tuple[float, int]] = []
    for pairs in counted_once(studies):
        if len(pairs) < FEWEST_CANDIDATES:
            continue
        compared = stats.kendalltau([pair.cheap for pair in pairs], [pair.full for pair in pairs])
        tau = float(compared.statistic)  # pyright: ignore[reportAttributeAccessIssue]
        if np.isfinite(tau):
            found.append((tau, len(pairs)))
    candidates = sum(count for _, count in found)
    if not found:
        return Agreement(None, None, None, candidates, 0)
    weights = np.array([count - 4 for _, count in found], dtype=np.float64)
    z = float(np.average([_z(tau, count) for tau, count in found], weights=weights))
    half = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * float(np.sqrt(_VARIANCE / weights.sum()))
    low, middle, high = (float(np.tanh(value)) for value in (z - half, z, z + half))
    return Agreement(middle, low, high, candidates, len(found))


def counted_once(studies: Sequence[Sequence[Pair]]) -> list[list[Pair]]:
    """The studies with each pair of trials once: what is seen again says nothing new.

    Studies that share a pair of trials with the same results are one: they have the same data, recipe, seed and metric,
    so that all of their candidates may be compared. Of pairs whose keys were not written down, those are the same that
    have the same name and the same two results; this makes no two studies one.
    """
    found: list[list[Pair]] = []
    known: set[Hashable] = set()
    for pairs in studies:
        results = _results(pairs)
        same = [each for each in found if results & _results(each)]
        fresh = [pair for pair in pairs if not _marks(pair, of_copies=True) & known]
        known.update(*(_marks(pair) for pair in pairs))
        found = [each for each in found if each not in same]
        found.append([pair for each in (*same, fresh) for pair in each])
    return found


def _results(pairs: Sequence[Pair]) -> set[Hashable]:
    """The pairs of trials whose keys are known, with what they came to."""
    return {(pair.trials, pair.cheap, pair.full) for pair in pairs if pair.trials is not None}


def _marks(pair: Pair, of_copies: bool = False) -> set[Hashable]:
    """What a pair is known by; with `of_copies`, what another one may be known by that is the same.

    One without keys is the same as any with its name and results; one with keys is so only where the other has none.
    """
    by_name = (pair.candidate, pair.cheap, pair.full)
    if pair.trials is None:
        return {("any", by_name)} if of_copies else {("any", by_name), ("without keys", by_name)}
    return {pair.trials, ("without keys", by_name) if of_copies else ("any", by_name)}


def cheap_share(planned: int, cooldown: float) -> float:
    """What measuring `planned` candidates cheaply takes of training them in full, on one seed (0..1, or more).

    Each trains for the cool-down alone; the trunk is one more training, with the default policy.

    Args:
        planned: candidates of the whole study.
        cooldown: share of the epochs after the trunk.
    """
    return cooldown + 1 / planned if planned else float("inf")


def _z(tau: float, count: int) -> float:
    """Fisher's z. Perfect agreement would be infinite: it counts as half a pair less than perfect."""
    most = 1 - 2 / (count * (count - 1))
    return float(np.arctanh(np.clip(tau, -most, most)))


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")

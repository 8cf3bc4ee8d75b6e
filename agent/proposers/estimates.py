"""How every candidate stands against the default policy and against no augmentation, by the rule of the recommendation.

The model is told what the study itself will go by in the end: gains that are shrunk by as much as chance explains of
them, and the probability that they are real.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from agent.memory.candidate import REFERENCE
from agent.memory.history import History, IterationRecord
from agent.memory.ranking import contender_of, measured
from evaluators.noise import pooled_gain, pooled_noise
from evaluators.recommendation import Estimate, recommend
from evaluators.statistics import differences_of_metric
from evaluators.wording import likelihood
from tools.policy.named import DEFAULT


@dataclass(frozen=True)
class Versus:
    """A candidate against another one. Differences of the metric (1 = 100 points), paired by seed."""

    measured: float
    interval: tuple[float, float] | None
    """95%, by the noise of all candidates; None where that is not known."""
    believed: float
    """Shrunk."""
    chance: str
    """Of being better, in graded words."""


class Standing:
    """Of all candidates of a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        first = [history.reference] if history.reference else []
        self._records = [*first, *history.baselines, *history.past]
        self._noise = pooled_noise({record.name: record.scores for record in self._records})
        self._default = next((r for r in history.baselines if r.name == DEFAULT and r.scores), None)

    @property
    def best(self) -> IterationRecord | None:
        """The proposal that is believed to be best, or was seen to be where luck may explain all; else the earlier.

        Those that were left behind are not among them.
        """
        known = [
            record for record in self._history.past if record.name in self._estimates and not record.stopped
        ]
        seen = measured(self._records)

        def place(record: IterationRecord) -> tuple[float, float]:
            return round(self._estimates[record.name].gain_over_default, 9), seen.get(record.name, 0.0)

        return max(known, key=place, default=None)

    def over_default(self, record: IterationRecord) -> Versus | None:
        """Against the default; None for it and for no augmentation, and where they share no seed."""
        estimate = self._estimates.get(record.name)
        if self._default is None or estimate is None or record.name == REFERENCE:
            return None
        return self._versus(record, self._default, estimate.gain_over_default, estimate.better_than_default)

    def over_none(self, record: IterationRecord) -> Versus | None:
        """Against no augmentation; None for itself, and where they share no seed."""
        estimate = self._estimates.get(record.name)
        if self._history.reference is None or estimate is None:
            return None
        return self._versus(
            record, self._history.reference, estimate.gain_over_none, estimate.better_than_none
        )

    def _versus(
        self, record: IterationRecord, other: IterationRecord, believed: float, probability: float
    ) -> Versus | None:
        gain = pooled_gain(
            record.scores, other.scores, self._noise, differences_of_metric(self._history.metric)
        )
        if record.name == other.name or gain is None:
            return None
        known = gain.low is not None and gain.high is not None
        interval = (gain.low, gain.high) if known else None
        return Versus(gain.mean, interval, believed, likelihood(probability))  # type: ignore[arg-type]

    @cached_property
    def _estimates(self) -> Mapping[str, Estimate]:
        contenders = [contender_of(record) for record in self._records]
        if not any(each.scores for each in contenders):
            return {}
        return recommend(contenders).estimates

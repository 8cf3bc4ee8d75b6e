"""One search of an arm on a table: it proposes, entries stand in for its proposals, and the best so far is chosen.

What proposes, what is compared by, and what is left behind is the code that studies run: the arms of
`agent/proposers`, `measured` of `agent/memory/ranking.py`, `rank` and `leading_half` of `evaluators/recommendation.py`.
Only the trainings are looked up. Everything is counted in full trainings: one of a quarter of the length takes a
quarter.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np

from agent.memory.history import History, IterationRecord
from agent.memory.proposal import Proposal, Proposals
from agent.memory.ranking import measured
from agent.proposers import Malformed, Proposer
from agent.proposers.nearby import NearbyProposer
from agent.proposers.random import RandomProposer
from agent.proposers.tpe import TPEProposer
from agent.simulating.arms import TableArm, Way
from agent.simulating.ruled import RuledHybrid
from agent.simulating.told import default_of, history_of, record_of, reference_of
from agent.simulating.trained import Trained
from evaluators.recommendation import Contender, Kind, leading_half, rank
from tools.policy.named import DEFAULT
from tools.policy.priors import uniform

_MAKERS: dict[Way, Callable[[], Proposer]] = {
    "random": RandomProposer,
    "nearby": NearbyProposer,
    "tpe": TPEProposer,
    "hybrid": RuledHybrid,
}
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Rules:
    """What is equal for all arms."""

    budget: float
    """Full trainings that a search may take, those of the default policy included, of no augmentation not."""
    candidates: int = 4
    """Proposals in an iteration of an arm that saves trainings."""


@dataclass(frozen=True)
class Point:
    """A search after one of its iterations."""

    trainings: int
    """Of any length."""
    cost: float
    """In full trainings."""
    entry: int
    """The best of the table so far, by validation."""


@dataclass(frozen=True)
class Searched:
    """What a search came to."""

    points: tuple[Point, ...]
    tried: tuple[int, ...]
    """Entries, in the order of the proposals."""
    distances: tuple[float, ...]
    """How far each was from what was proposed (`pool.py`)."""
    records: tuple[IterationRecord, ...]
    """No augmentation, the default where it was told, and what was tried."""

    @property
    def winner(self) -> int:
        """The entry that the search chose."""
        return self.points[-1].entry


@dataclass(frozen=True)
class _Tried:
    name: str
    entry: int
    hypothesis: str


class TableSearch:
    """One search."""

    def __init__(
        self, trained: Trained, arm: TableArm, rules: Rules, seeds: Sequence[int], random_seed: int
    ) -> None:
        """Nothing is done yet.

        Args:
            trained: the table.
            arm: what searches.
            rules: its budget.
            seeds: places of the table's seeds under which it validates.
            random_seed: of its draws.
        """
        self._trained, self._arm, self._rules, self._seeds = trained, arm, rules, list(seeds)
        none, default = trained.full.none, trained.full.default
        reference = reference_of(*trained.validation(none, self._seeds))
        usual = default_of(trained.policies[default], *trained.validation(default, self._seeds))
        self._anchor = usual
        self._entries = {reference.name: none} | ({} if arm.plain else {usual.name: default})
        self._history: History = history_of(
            trained.modality, trained.grey, random_seed, None, reference, None if arm.plain else usual
        )
        self._taken = {none} if arm.plain else {none, default}
        self._trainings = 0 if arm.plain else len(self._seeds)
        self._cost = float(self._trainings)
        self._distances: list[float] = []
        self._short_default = False

    def run(self) -> Searched:
        """Search until the budget has no room for another iteration, or the table has nothing new."""
        proposer = _MAKERS[self._arm.way]()
        points = [] if self._arm.plain else [self._point()]
        iteration = 1
        while self._has_room():
            with uniform() if self._arm.plain else nullcontext():
                candidates = self._propose(proposer, iteration)
            records = self._train(candidates, iteration)
            self._history = replace(self._history, past=(*self._history.past, *records))
            points.append(self._point())
            iteration += 1
        history = self._history
        assert history.reference is not None
        return Searched(
            tuple(points),
            tuple(self._entries[record.name] for record in history.past),
            tuple(self._distances),
            (history.reference, *history.baselines, *history.past),
        )

    def _has_room(self) -> bool:
        free = len(self._trained.full.names) - len(self._taken)
        return free >= self.count and self._cost + self._dearest() <= self._rules.budget + _ROUNDING

    @property
    def least_cost(self) -> float:
        """What has been taken and one more iteration, in full trainings."""
        return self._cost + self._dearest()

    @property
    def count(self) -> int:
        """Proposals in an iteration."""
        return 1 if self._arm.saving == "none" else self._rules.candidates

    def _dearest(self) -> float:
        """What one more iteration takes, in full trainings."""
        seeds = len(self._seeds)
        if self._arm.saving == "short":
            trained = self.count + (not self._short_default)
            return seeds * (trained * self._trained.share + 1)
        total, left = 0, self.count
        for _ in range(seeds):
            total, left = total + left, left if self._arm.saving == "none" else (left + 1) // 2
        return float(total)

    def _propose(self, proposer: Proposer, iteration: int) -> list[_Tried]:
        """Entries in the place of what the arm proposes, each of them once in a search."""
        history = replace(self._history, iteration=iteration, iterations=iteration, candidates=self.count)
        found: list[_Tried] = []
        while len(found) < self.count:
            pending = tuple(self._as_proposal(each) for each in found)
            if not proposer.at_once:
                history = replace(history, pending=pending, candidates=1)
            answer = proposer.ask(history)
            assert not isinstance(answer, Malformed)
            for proposal in answer.proposals if isinstance(answer, Proposals) else [answer]:
                found.append(self._stand_in(proposal, iteration, len(found)))
            if proposer.at_once:
                break
        return found

    def _stand_in(self, proposal: Proposal, iteration: int, place: int) -> _Tried:
        entry, distance = self._trained.pool.nearest(proposal.as_policy(), self._taken)
        name = (
            f"iteration {iteration}" if self.count == 1 else f"iteration {iteration}, candidate {place + 1}"
        )
        self._taken.add(entry)
        self._distances.append(distance)
        self._entries[name] = entry
        return _Tried(name, entry, proposal.hypothesis)

    def _as_proposal(self, each: _Tried) -> Proposal:
        policy = self._trained.policies[each.entry]
        return Proposal(hypothesis=each.hypothesis, expected_gain=0.0, policy=policy.operations)

    def _train(self, candidates: Sequence[_Tried], iteration: int) -> list[IterationRecord]:
        if self._arm.saving == "short":
            return self._short_first(candidates, iteration)
        if self._arm.saving == "race":
            return self._race(candidates, iteration)
        return [self._in_full(each, iteration) for each in candidates]

    def _in_full(self, each: _Tried, iteration: int, cheap_gain: float | None = None) -> IterationRecord:
        self._count_trainings(len(self._seeds), 1.0)
        return self._record(each, iteration, self._seeds, cheap_gain)

    def _short_first(self, candidates: Sequence[_Tried], iteration: int) -> list[IterationRecord]:
        """All for the short length, then the best alone in full, as `agent/steps/search/racing.py` does."""
        trained, default = self._trained, self._trained.full.default
        if not self._short_default:
            self._count_trainings(len(self._seeds), trained.share)
            self._short_default = True
        self._count_trainings(len(candidates) * len(self._seeds), trained.share)
        contenders = [Contender(DEFAULT, "default", *trained.short_validation(default, self._seeds))]
        contenders += [
            Contender(each.name, "baseline", *trained.short_validation(each.entry, self._seeds))
            for each in candidates
        ]
        best = next(name for name in rank(contenders) if name != DEFAULT)
        usual = np.mean(list(contenders[0].scores.values()))
        gains = {each.name: float(np.mean(list(each.scores.values())) - usual) for each in contenders}
        return [
            self._in_full(each, iteration, gains[each.name])
            if each.name == best
            else self._record(each, iteration, [], gains[each.name], f"{best} did better")
            for each in candidates
        ]

    def _race(self, candidates: Sequence[_Tried], iteration: int) -> list[IterationRecord]:
        """Seed by seed, each time with the better half, as `agent/steps/search/racing.py` does."""
        left, seeds_of = list(candidates), {each.name: 0 for each in candidates}
        for place in range(1, len(self._seeds) + 1):
            self._count_trainings(len(left), 1.0)
            seeds_of |= {each.name: place for each in left}
            if place == len(self._seeds):
                break
            racing = [self._record(each, iteration, self._seeds[:place]) for each in left]
            known = [self._history.reference, *self._history.baselines, *self._history.past, *racing]
            kept = leading_half([_contender(r) for r in known if r is not None], [each.name for each in left])
            left = [each for each in left if each.name in kept]
        ahead = " and ".join(each.name for each in left)
        return [
            self._record(
                each,
                iteration,
                self._seeds[: seeds_of[each.name]],
                stopped="" if each in left else f"{ahead} did better",
            )
            for each in candidates
        ]

    def _record(
        self,
        each: _Tried,
        iteration: int,
        seeds: Sequence[int],
        cheap_gain: float | None = None,
        stopped: str = "",
    ) -> IterationRecord:
        return record_of(
            self._trained.policies[each.entry],
            iteration,
            self._arm.way,
            *self._trained.validation(each.entry, seeds),
            each.name,
            each.hypothesis,
            cheap_gain,
            stopped,
        )

    def _count_trainings(self, count: int, share: float) -> None:
        self._trainings += count
        self._cost += count * share

    def _point(self) -> Point:
        """The best of the default policy and what was trained under all seeds, the earlier one of a tie."""
        history = self._history
        assert history.reference is not None
        records = [history.reference, *history.baselines, *history.past]
        found = measured(records)
        known = [r for r in records[1:] if r.name in found and not r.stopped]
        best = max(known, key=lambda record: found[record.name])
        return Point(self._trainings, self._cost, self._entries[best.name])


def _contender(record: IterationRecord) -> Contender:
    kinds: dict[str, Kind] = {"reference": "none", "baseline": "default"}
    losses = {trial.seed: trial.loss for trial in record.trials if trial.loss is not None}
    return Contender(record.name, kinds.get(record.arm, "policy"), record.scores, losses)

"""The language model chooses operations and says why; TPE tunes probabilities and numbers within its choice.

After each choice of the model, TPE has the next two iterations. It tunes the last choice, or the best one, where the
last is worse by more than the noise. Both read all results: the model in its prompt, TPE as values of what it tunes.

A policy that failed in training has no value, and none is made up for it: a bad score would tell TPE of a quality that
nobody measured. It says where not to go instead: a draw that is not clearly nearer to what trained than to what failed
is pulled back towards what trained. What vet refuses is told to the model alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from agent.memory.history import History, IterationRecord
from agent.memory.proposal import Proposal, Proposals
from agent.proposers.drawn_prompts import is_safe
from agent.proposers.llm import Answer, LLMProposer
from agent.proposers.space import DRAWS, rounded_operation, seeds_of
from agent.proposers.tpe import objective
from tools.policy.catalogue import CATALOGUE, ParameterSpec
from tools.policy.policy import Change, Operation
from tools.policy.priors import PROBABILITY, share_of, value_at
from tools.policy.validate import check_policy

if TYPE_CHECKING:
    from optuna import Study

TUNINGS = 2
"""Iterations of TPE after each choice of the model."""
NEARER = 0.5
"""A draw is taken as it is where its distance to what trained is less than this share of that to what failed."""
CARE = 10
"""How much a failure counts against a success in how careful the draws are."""
_HALVINGS = 8
_TUNED = "Tuned by TPE within the operations of "
_TOLD = (
    "Tuning: choose the operations and say why. After each of your proposals, an optimiser tries other probabilities "
    "and parameter values of the same operations; its results are listed with yours. So spend your proposals on which "
    "operations to combine, with usual values."
)


class HybridProposer(LLMProposer):
    """Arm `hybrid`. Rebuilt from the history like every arm, so that a resumed study continues alike."""

    name = "hybrid"

    def ask(self, history: History) -> Answer:
        """A choice of the model, or what TPE makes of one.

        Raises:
            TransportError: the model cannot be reached.
        """
        choice = choice_to_tune(history)
        if choice is not None and not history.rejections and (found := tuned(history, choice)):
            return found[0] if len(found) == 1 else Proposals(proposals=found)
        return super().ask(replace(history, tuning=_TOLD))


def is_tuned(proposal: Proposal) -> bool:
    """Whether TPE made it, and not the model."""
    return proposal.hypothesis.startswith(_TUNED)


def choice_to_tune(history: History) -> IterationRecord | None:
    """The choice of the model that TPE tunes in this iteration; None where the model chooses."""
    choices = [record for record in history.past if not is_tuned(record.proposal) and _has_numbers(record)]
    if not choices:
        return None
    last = max(record.number for record in choices)
    if history.iteration - last > TUNINGS:
        return None
    values = objective(history)
    trained = [record for record in choices if record.mean is not None]
    latest = [record for record in trained if record.number == last]
    if not latest:  # it failed: the model reads why, and chooses again
        return None

    def reached(choice: IterationRecord) -> float:
        return max(values.get(record.name, -np.inf) for record in _alike(history, choice))

    newest, best = max(latest, key=reached), max(trained, key=reached)
    return newest if reached(newest) >= reached(best) - (history.noise or 0.0) else best


def _alike(history: History, choice: IterationRecord) -> list[IterationRecord]:
    """What was tried with the operations, backgrounds and length of a choice, in the same order and epochs."""
    return [
        record
        for record in history.past
        if _operations(record.proposal) == _operations(choice.proposal)
        and record.proposal.backgrounds == choice.proposal.backgrounds
        and record.proposal.length == choice.proposal.length
    ]


def _has_numbers(record: IterationRecord) -> bool:
    operations = record.proposal.as_policy().every_operation
    return bool(operations) and all(each.name in CATALOGUE for each in operations)


def _operations(proposal: Proposal) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """(first epoch, names of the operations from then on); most policies have one such phase, from epoch 1."""
    phases = proposal.as_policy().phases
    return tuple((first, tuple(each.name for each in policy.operations)) for first, policy in phases)


def tuned(history: History, choice: IterationRecord) -> list[Proposal]:
    """As many policies as the iteration has candidates, with the operations of `choice`; fewer where none is new."""
    import optuna

    space = _Numbers.of(choice.proposal)
    values = objective(history)
    study, good, bad = _study(history), [], []
    for record in _alike(history, choice):
        point = space.point(record.proposal)
        if point is None:
            continue
        if record.mean is None and not record.stopped:
            bad.append(point)
        elif record.name in values:
            good.append(point)
            _tell(study, dict(zip(space.keys, point, strict=True)), values[record.name])
    tried = {record.proposal.identity for record in (*history.baselines, *history.past)}
    found: list[Proposal] = []
    for _ in range(DRAWS):
        trial = study.ask()
        drawn = np.array([trial.suggest_float(key, 0, 1) for key in space.keys])
        made = space.proposal(_pulled_back(drawn, good, bad), choice)
        if made.identity not in tried and _is_valid(made, history):
            found.append(made)
            tried.add(made.identity)
            if len(found) == history.candidates:
                break
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return found


def _study(history: History) -> "Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = int(np.random.SeedSequence(seeds_of(history)).generate_state(1)[0])
    return optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=0)
    )


def _tell(study: "Study", numbers: Mapping[str, float], value: float) -> None:
    import optuna

    unit = optuna.distributions.FloatDistribution(0, 1)
    study.add_trial(
        optuna.trial.create_trial(
            value=value, params=dict(numbers), distributions=dict.fromkeys(numbers, unit)
        )
    )


def _pulled_back(point: np.ndarray, good: Sequence[np.ndarray], bad: Sequence[np.ndarray]) -> np.ndarray:
    """The point, or, where it is too near to what failed, one on the way to the nearest that trained."""
    if not bad or not good:
        return point
    # The more failed, the more careful.
    nearer = NEARER * len(good) / (len(good) + CARE * len(bad))
    home = min(good, key=lambda other: float(np.linalg.norm(point - other)))
    for _ in range(_HALVINGS):
        far = min(float(np.linalg.norm(point - other)) for other in bad)
        if float(np.linalg.norm(point - home)) < nearer * far:
            break
        point = (point + home) / 2
    return point


def _is_valid(proposal: Proposal, history: History) -> bool:
    policy = proposal.as_policy()
    counts = [len(phase.operations) for _, phase in policy.phases]
    return not check_policy(policy, min(counts), max(counts)) and is_safe(policy, history)


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a choice: each as its share of the prior (`tools/policy/priors.py`), from 0 to 1."""

    specs: tuple[tuple[int, ParameterSpec], ...]
    """(operation's place among those of all epochs, number)."""

    @classmethod
    def of(cls, proposal: Proposal) -> "_Numbers":
        specs = [
            (place, spec)
            for place, operation in enumerate(proposal.as_policy().every_operation)
            for spec in (PROBABILITY, *CATALOGUE[operation.name].parameters)
        ]
        return cls(tuple(specs))

    @property
    def keys(self) -> list[str]:
        return [f"{place}.{spec.name}" for place, spec in self.specs]

    def point(self, proposal: Proposal) -> np.ndarray | None:
        """Of a policy with these operations; None where a number is outside what is drawn."""
        shares, operations = [], proposal.as_policy().every_operation
        for place, spec in self.specs:
            operation = operations[place]
            values = {PROBABILITY.name: operation.probability} | {
                p.name: p.value for p in operation.parameters
            }
            share = share_of(values[spec.name], spec) if spec.name in values else None
            if share is None:
                return None
            shares.append(share)
        return np.array(shares)

    def proposal(self, point: np.ndarray, choice: IterationRecord) -> Proposal:
        """The policy at a point, with the backgrounds and the length of the choice."""
        policy = choice.proposal.as_policy()
        drawn: list[dict[str, float]] = [{} for _ in policy.every_operation]
        for (place, spec), share in zip(self.specs, point, strict=True):
            drawn[place][spec.name] = value_at(float(share), spec)
        numbers = iter(drawn)
        (_, first), *later = [
            (epoch, [_with_numbers(operation.name, next(numbers)) for operation in phase.operations])
            for epoch, phase in policy.phases
        ]
        return Proposal(
            hypothesis=f"{_TUNED}{choice.name}: {choice.proposal.hypothesis}"[:1_500],
            expected_gain=0.0,
            policy=first,
            backgrounds=choice.proposal.backgrounds,
            length=choice.proposal.length,
            changes=[Change(epoch=epoch, operations=operations) for epoch, operations in later],
        )


def _with_numbers(name: str, values: dict[str, float]) -> Operation:
    return rounded_operation(name, values.pop(PROBABILITY.name), values)

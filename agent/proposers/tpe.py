"""Bayesian optimisation by tree-structured Parzen estimators (Bergstra et al. 2011), by Optuna.

The search space is conditional: how many operations, which one in each place, and only then the numbers of the chosen
ones. An operation's numbers are named after the operation, not its place, so that what is learned about it holds in
every place; and every past policy is told once in each rotation of its places, since the place means little. Operations
come in the catalogue's order, which makes the space smaller. A number is searched as its share of the prior of
`tools/policy/priors.py`, so that the first draws have usual strengths.
"""

import math
from collections.abc import Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.memory.history import History, IterationRecord
from agent.memory.proposal import Proposal
from agent.memory.ranking import measured
from agent.proposers.drawn_prompts import WITHOUT, Range, prompts_from, table_of, values_of
from agent.proposers.space import DRAWS, Space, none_found, rounded_operation, seeds_of, space_of
from tools.aga.config import PromptSet
from tools.policy.catalogue import CATALOGUE, ParameterSpec
from tools.policy.policy import Operation
from tools.policy.priors import PROBABILITY, share_of, value_at

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

STARTUP = 4
"""Policies drawn at random before the model is used: Optuna's default of ten would be a whole study here."""
GOOD_SHARE = 0.1
"""Share of the tried policies that counts as good: Optuna's default, repeated here for the hypothesis."""


class TPEProposer:
    """Arm `tpe`: rebuilt from the history at every proposal, so that a resumed study proposes the same."""

    name = "tpe"
    at_once = False

    def ask(self, history: History) -> Proposal:
        """A policy that vet will accept.

        Raises:
            ConfigurationError: none was found.
        """
        import optuna

        space = space_of(history)
        judged = [
            record for record in history.past if record.mean is not None or record.cheap_gain is not None
        ]
        study = _study(history, startup=len(judged) < STARTUP)
        found = objective(history)
        for record in (*history.baselines, *history.past):
            # What was left behind, and has nothing that it can be compared by, is no failure of the policy.
            if record.name in found or not record.stopped:
                _tell(study, record, found.get(record.name), space)
        for _ in range(DRAWS):
            trial = study.ask()
            operations = _suggest(trial, space)
            backgrounds = _suggest_backgrounds(trial, history)
            if operations is not None:
                hypothesis, gain = _reason(judged, found)
                proposal = Proposal(
                    hypothesis=hypothesis, expected_gain=gain, policy=operations, backgrounds=backgrounds
                )
                if space.allows(proposal):
                    return proposal
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise none_found(history, self.name)


def _study(history: History, startup: bool) -> "Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(
        seed=int(np.random.SeedSequence(seeds_of(history)).generate_state(1)[0]),
        n_startup_trials=1_000_000_000 if startup else 0,
    )
    return optuna.create_study(direction="maximize", sampler=sampler)


def _suggest(trial: "Trial", space: Space) -> list[Operation] | None:
    """A draw from the sampler in the catalogue's order; None where it has an operation twice."""
    count = trial.suggest_int("operations", space.minimum, space.maximum)
    names = [trial.suggest_categorical(f"operation_{place}", space.names) for place in range(count)]
    if len(set(names)) < count:
        return None
    return [_suggest_operation(trial, name) for name in sorted(names, key=space.names.index)]


def _suggest_operation(trial: "Trial", name: str) -> Operation:
    def draw(spec: ParameterSpec) -> float:
        return value_at(trial.suggest_float(f"{name}.{spec.name}", 0, 1), spec)

    values = {spec.name: draw(spec) for spec in CATALOGUE[name].parameters}
    return rounded_operation(name, draw(PROBABILITY), values)


def _suggest_backgrounds(trial: "Trial", history: History) -> list[PromptSet]:
    values: dict[str, float | str] = {}
    for name, kind in table_of(history).items():
        key = f"backgrounds.{name}"
        values[name] = (
            _draw_number(trial, key, kind)
            if isinstance(kind, Range)
            else trial.suggest_categorical(key, kind)
        )
        if values[name] == WITHOUT:
            break
    return prompts_from(history, values)


def _draw_number(trial: "Trial", key: str, of: Range) -> float:
    return trial.suggest_float(key, of.low, of.high, log=of.log)


def objective(history: History) -> dict[str, float]:
    """Candidate → what is maximised: the least noisy measure of the study's metric.

    A candidate that has a score but shares no seed with what the others are compared with is as good as the worst. One
    that was measured cheaply and left behind has what it gained over the default policy by that measure.
    """
    first = [history.reference] if history.reference else []
    records = [*first, *history.baselines, *history.past]
    found = measured(records)
    worst = min(found.values(), default=0.0)
    scored = {record.name: found.get(record.name, worst) for record in records if record.mean is not None}
    cheap = {record.name: record.cheap_gain for record in history.past if record.cheap_gain is not None}
    return cheap | scored


def _tell(study: "Study", record: IterationRecord, value: float | None, space: Space) -> None:
    """Adds a policy, once in each rotation of its places; skips what the space cannot express.

    Args:
        study: what is told.
        record: of the policy.
        value: what is maximised; None where it failed.
        space: what this arm draws from.
    """
    import optuna
    from optuna.distributions import CategoricalDistribution, IntDistribution
    from optuna.trial import TrialState

    operations = record.proposal.policy
    names = [item.name for item in operations]
    if record.proposal.changes:  # its value is not that of the policy of its first epochs
        return
    known = len(set(names)) == len(names) and set(names) <= set(space.names)
    if not known or not space.minimum <= len(names) <= space.maximum:
        return
    numbers = _numbers(operations)
    drawn = values_of(space.history, record.proposal.prompts)
    if numbers is None or drawn is None:
        return
    table = table_of(space.history)
    count = {"operations": (len(names), IntDistribution(space.minimum, space.maximum))}
    backgrounds = {
        f"backgrounds.{name}": (value, _distribution(table[name])) for name, value in drawn.items()
    }
    places = CategoricalDistribution(space.names)
    for turn in range(len(names)):
        turned = names[turn:] + names[:turn]
        chosen = {f"operation_{place}": (name, places) for place, name in enumerate(turned)}
        told: dict[str, tuple[Any, BaseDistribution]] = {**count, **chosen, **numbers, **backgrounds}
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.FAIL if value is None else TrialState.COMPLETE,
                value=value,
                params={name: value for name, (value, _) in told.items()},
                distributions={name: distribution for name, (_, distribution) in told.items()},
            )
        )


def _distribution(of: Range | tuple[str, ...]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(of, tuple):
        return CategoricalDistribution(of)
    return FloatDistribution(of.low, of.high, log=of.log)


def _numbers(operations: list[Operation]) -> "dict[str, tuple[float, BaseDistribution]] | None":
    """Share and distribution of every number; None where one is outside what this arm draws."""
    unit = _distribution(Range(0, 1))
    numbers: dict[str, tuple[float, BaseDistribution]] = {}
    for item in operations:
        values = {
            PROBABILITY.name: item.probability,
            **{parameter.name: parameter.value for parameter in item.parameters},
        }
        for spec in (PROBABILITY, *CATALOGUE[item.name].parameters):
            share = share_of(values[spec.name], spec) if spec.name in values else None
            if share is None:
                return None
            numbers[f"{item.name}.{spec.name}"] = (share, unit)
    return numbers


def _reason(judged: list[IterationRecord], found: Mapping[str, float]) -> tuple[str, float]:
    """The hypothesis, and the gain to expect in points of the metric: the mean gain of the good policies."""
    if len(judged) < STARTUP:
        return (
            f"Drawn at random, around mild strengths: TPE learns from {STARTUP} results before it chooses.",
            0.0,
        )
    ranked = sorted(judged, key=lambda record: found.get(record.name, 0.0), reverse=True)
    good = ranked[: math.ceil(GOOD_SHARE * len(ranked))]
    gains = [record.gain for record in good if record.gain is not None]
    names = ", ".join(record.name for record in good)
    text = f"TPE: drawn near the best {len(good)} of {len(judged)} policies so far ({names})."
    return text, round(100 * fmean(gains), 4) if gains else 0.0

"""Bayesian optimisation by tree-structured Parzen estimators (Bergstra et al. 2011), by Optuna.

The search space is conditional: how many operations, which one in each place, and only then the numbers of those
chosen. An operation's numbers are named by the operation, not by its place, so that what is learned about it holds
wherever it stands; and every past policy is told once in each rotation of its places, since the place is of little
meaning. Operations come in the catalogue's order, which leaves a smaller space.
"""

import math
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.memory.history import History, IterationRecord
from agent.memory.proposal import Proposal
from agent.proposers.drawn_prompts import WITHOUT, Range, prompts_from, table_of, values_of
from agent.proposers.space import DRAWS, PROBABILITY, Space, none_found, operation, space_of
from tools.aga.config import PromptSet
from tools.policy.catalogue import CATALOGUE, ParameterSpec
from tools.policy.policy import Operation

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

STARTUP = 4
"""Policies that are drawn at random before the model is trusted: Optuna's ten would be a whole study here."""
GOOD_SHARE = 0.1
"""Of the policies tried, how many count as good: Optuna's default, repeated here for the words of the hypothesis."""


class TPEProposer:
    """Arm `tpe`: rebuilt from the history at every proposal, so that a resumed study proposes the same."""

    name = "tpe"

    def ask(self, history: History) -> Proposal:
        """A policy that vet will take.

        Raises:
            ConfigurationError: none was found.
        """
        space = space_of(history)
        judged = [record for record in history.past if record.mean is not None]
        study = _study(history, startup=len(judged) < STARTUP)
        for record in (*history.baselines, *history.past):
            _tell(study, record, space)
        for _ in range(DRAWS):
            trial = study.ask()
            operations = _suggest(trial, space)
            backgrounds = _suggest_backgrounds(trial, history)
            if operations is not None:
                hypothesis, gain = _reason(judged)
                proposal = Proposal(
                    hypothesis=hypothesis, expected_gain=gain, policy=operations, backgrounds=backgrounds
                )
                if space.allows(proposal):
                    return proposal
            _fail(study, trial)
        raise none_found(history, self.name)


def _study(history: History, startup: bool) -> "Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seeds = [history.seed, history.iteration, len(history.rejections)]
    sampler = optuna.samplers.TPESampler(
        seed=int(np.random.SeedSequence(seeds).generate_state(1)[0]),
        n_startup_trials=1_000_000_000 if startup else 0,
    )
    return optuna.create_study(direction="maximize", sampler=sampler)


def _suggest(trial: "Trial", space: Space) -> list[Operation] | None:
    """A draw from the sampler in the catalogue's order; None where it names an operation twice."""
    count = trial.suggest_int("operations", space.minimum, space.maximum)
    names = [trial.suggest_categorical(f"operation_{place}", space.names) for place in range(count)]
    if len(set(names)) < count:
        return None
    return [_suggest_operation(trial, name) for name in sorted(names, key=space.names.index)]


def _suggest_operation(trial: "Trial", name: str) -> Operation:
    probability = trial.suggest_float(f"{name}.probability", *PROBABILITY)
    values = {
        item.name: _suggest_value(trial, f"{name}.{item.name}", item) for item in CATALOGUE[name].parameters
    }
    return operation(name, probability, values)


def _suggest_backgrounds(trial: "Trial", history: History) -> list[PromptSet]:
    values: dict[str, float | str] = {}
    for name, kind in table_of(history).items():
        key = f"backgrounds.{name}"
        if isinstance(kind, Range):
            values[name] = trial.suggest_float(key, kind.low, kind.high, log=kind.log)
        else:
            values[name] = trial.suggest_categorical(key, kind)
        if values[name] == WITHOUT:
            break
    return prompts_from(history, values)


def _suggest_value(trial: "Trial", key: str, spec: ParameterSpec) -> float:
    if spec.integer:
        return float(trial.suggest_int(key, int(spec.low), int(spec.high), log=spec.log))
    return trial.suggest_float(key, spec.low, spec.high, log=spec.log)


def _tell(study: "Study", record: IterationRecord, space: Space) -> None:
    """Adds a judged or failed policy, once in each rotation of its places; skips what the space cannot express."""
    import optuna

    operations = record.proposal.policy
    names = [item.name for item in operations]
    known = len(set(names)) == len(names) and set(names) <= set(space.names)
    if not known or not space.minimum <= len(names) <= space.maximum:
        return
    state = optuna.trial.TrialState.FAIL if record.mean is None else optuna.trial.TrialState.COMPLETE
    numbers = _numbers(operations)
    scenes = values_of(space.history, record.proposal.prompts)
    if numbers is None or scenes is None:
        return
    table = table_of(space.history)
    kinds = {f"backgrounds.{name}": _distribution(table[name]) for name in scenes}
    for turn in range(len(names)):
        turned = names[turn:] + names[:turn]
        params: dict[str, Any] = {
            "operations": len(names),
            **{f"operation_{i}": n for i, n in enumerate(turned)},
        }
        distributions = (
            _structure(space, len(names)) | {key: kind for key, (_, kind) in numbers.items()} | kinds
        )
        params |= {key: value for key, (value, _) in numbers.items()}
        params |= {f"backgrounds.{name}": value for name, value in scenes.items()}
        study.add_trial(
            optuna.trial.create_trial(
                state=state, value=record.mean, params=params, distributions=distributions
            )
        )


def _distribution(kind: Range | tuple[str, ...]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(kind, Range):
        return FloatDistribution(kind.low, kind.high, log=kind.log)
    return CategoricalDistribution(kind)


def _structure(space: Space, count: int) -> "dict[str, BaseDistribution]":
    from optuna.distributions import CategoricalDistribution, IntDistribution

    places = {f"operation_{place}": CategoricalDistribution(space.names) for place in range(count)}
    return {"operations": IntDistribution(space.minimum, space.maximum), **places}


def _numbers(operations: list[Operation]) -> "dict[str, tuple[float | int, BaseDistribution]] | None":
    """Value and distribution of every number; None where one lies outside what this arm draws."""
    from optuna.distributions import FloatDistribution, IntDistribution

    numbers: dict[str, tuple[float | int, BaseDistribution]] = {}
    for item in operations:
        values = {parameter.name: parameter.value for parameter in item.parameters}
        numbers[f"{item.name}.probability"] = (item.probability, FloatDistribution(*PROBABILITY))
        for spec in CATALOGUE[item.name].parameters:
            if spec.name not in values:
                return None
            kind: BaseDistribution = (
                IntDistribution(int(spec.low), int(spec.high), log=spec.log)
                if spec.integer
                else FloatDistribution(spec.low, spec.high, log=spec.log)
            )
            value = values[spec.name]
            numbers[f"{item.name}.{spec.name}"] = (int(value) if spec.integer else value, kind)
    inside = all(kind._contains(kind.to_internal_repr(value)) for value, kind in numbers.values())
    return numbers if inside else None


def _fail(study: "Study", trial: "Trial") -> None:
    import optuna

    study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _reason(judged: list[IterationRecord]) -> tuple[str, float]:
    """The hypothesis in words, and the gain to expect in accuracy points: the mean of the good ones."""
    if len(judged) < STARTUP:
        return f"TPE: one of the first {STARTUP} draws, still at random.", 0.0
    ranked = sorted(judged, key=lambda record: record.mean or 0.0, reverse=True)
    good = ranked[: math.ceil(GOOD_SHARE * len(ranked))]
    gains = [record.gain for record in good if record.gain is not None]
    names = ", ".join(record.name for record in good)
    text = f"TPE: drawn near the best {len(good)} of {len(judged)} policies so far ({names})."
    return text, round(100 * fmean(gains), 4) if gains else 0.0

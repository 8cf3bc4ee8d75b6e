"""What a candidate's trials came to, on validation: mean, spread, and gains over no augmentation and the default."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import stdev

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate, Phase
from agent.memory.ledger import describe
from agent.memory.run_names import run_name
from evaluators.fit import Training, mean_training
from evaluators.noise import Noise, chance_of_gain, pooled_gain, pooled_noise
from evaluators.statistics import differences_of_metric
from evaluators.wording import likelihood
from tools.policy.named import DEFAULT
from tools.training.types import TrialResult

Pool = Mapping[str, Mapping[int, float]]
"""Candidate → seed → score on validation: the trials that the noise is estimated from."""
Known = Mapping[Phase, Mapping[str, Mapping[int, TrialResult]]]
"""Phase → candidate → seed → result."""


def known_of(context: Context, phase: Phase) -> Known:
    """The ended trials of a phase, and of that of what they are compared with, at once: a store may be far away."""
    wanted: set[Phase] = {phase, _of_controls(phase)}
    return {each: context.tracking.results(each) for each in wanted}


def _of_controls(phase: Phase) -> Phase:
    """The phase of the trials that those of `phase` are compared with."""
    return phase if phase in ("final", "choice") else "reference"


def scores_of(context: Context, name: str, phase: Phase) -> dict[int, float]:
    """Seed → the study's metric on validation, over a candidate's finished trials; in the phase final, of fresh seeds.

    Earlier versions trained the seeds of the search in that phase too: a study that one of them began may have some.
    """
    return _scores(context, context.tracking.trial_results(name, phase), phase)


def _scores(context: Context, results: Mapping[int, TrialResult], phase: Phase) -> dict[int, float]:
    fresh = set(context.config.search.fresh_seeds) if phase == "final" else None
    return {
        seed: value
        for seed, result in sorted(results.items())
        if result.scores is not None and (fresh is None or seed in fresh)
        if (value := result.scores.of(context.config.search.metric)) is not None
    }


def pool_of(context: Context, phase: Phase) -> dict[str, dict[int, float]]:
    """The trials whose noise counts in `phase`: those of the final phase, or of reference and search."""
    if phase != "final":
        return {record.name: record.scores for record in context.tracking.records()}
    fresh = set(context.config.search.fresh_seeds)
    return {
        record.name: {seed: value for seed, value in record.scores.items() if seed in fresh}
        for record in context.tracking.records("final")
    }


def judge(
    context: Context, candidate: Candidate, phase: Phase, pool: Pool | None = None, known: Known | None = None
) -> None:
    """Write a candidate's mean, spread and paired gains over no augmentation and the default policy to MLflow.

    Args:
        context: for the store.
        candidate: whose trials have ended.
        phase: of these trials.
        pool: as `pool_of` returns it, if it is at hand.
        known: as `known_of` returns it, likewise.
    """
    known = known or known_of(context, phase)
    results = known[phase].get(candidate.name, {})
    found = _scores(context, results, phase)
    own = _of_controls(phase)
    controls = {name: _scores(context, known[own].get(name, {}), own) for name in (DEFAULT, REFERENCE)}
    controls.pop(candidate.name, None)
    noise = pooled_noise(pool_of(context, phase) if pool is None else pool)
    limits = differences_of_metric(context.config.search.metric)
    gains = {name: pooled_gain(found, scores, noise, limits) for name, scores in controls.items()}
    gain, over_default = gains.get(REFERENCE), gains.get(DEFAULT)
    within = None if gain is None else not gain.excludes_zero
    run = context.tracking.open_candidate(candidate, phase)
    over = None if candidate.name == REFERENCE else over_default or gain
    context.tracking.end_candidate(
        run,
        found,
        _spread(found.values()),
        gain,
        within,
        over_default,
        _training(results.values()),
        run_name(candidate, phase, over.mean if over else None),
        _verdict(candidate, found, controls, noise, has_trials=bool(results)),
    )


def judge_all(context: Context, candidates: Sequence[Candidate], phase: Phase) -> dict[str, dict[int, float]]:
    """`judge` each of them; their scores, as `scores_of` has them."""
    pool, known = pool_of(context, phase), known_of(context, phase)
    for candidate in candidates:
        judge(context, candidate, phase, pool, known)
    return {each.name: _scores(context, known[phase].get(each.name, {}), phase) for each in candidates}


def _verdict(
    candidate: Candidate,
    found: Mapping[int, float],
    controls: Mapping[str, Mapping[int, float]],
    noise: Noise | None,
    *,
    has_trials: bool,
) -> str:
    """How it compares with the default policy, else with no augmentation, in graded words."""
    if candidate.name == REFERENCE:
        return "reference"
    if not found:
        return "failed" if has_trials else "not trained"
    scores = next((each for each in controls.values() if each), None)
    chance = None if scores is None else chance_of_gain(found, scores, noise)
    return "" if chance is None else likelihood(chance).partition(" (")[0]


def training_of(context: Context, candidate: str, phases: Sequence[Phase]) -> Training | None:
    """How its finished trials ended in some phases; None where that is not known."""
    return _training(
        [each for phase in phases for each in context.tracking.trial_results(candidate, phase).values()]
    )


def _training(results: Iterable[TrialResult]) -> Training | None:
    return mean_training(
        [
            (each.fit.loss, each.fit.accuracy, [epoch.validation_loss for epoch in each.epochs])
            for each in results
            if each.fit is not None
        ]
    )


def judge_all_again(context: Context) -> None:
    """When the search has ended: what MLflow says of each candidate, by the noise of all of them."""
    pool, known = pool_of(context, "search"), known_of(context, "search")
    for record in context.tracking.records():
        if record.mean is not None:
            judge(context, Candidate.of(record), "search" if record.number else "reference", pool, known)


def log_spending(context: Context) -> None:
    """Print what was spent, and log it with the study."""
    spent = context.ledger.spent()
    line = describe(spent, context.config.budget)
    context.terminal.ledger(line)
    context.tracking.log_study({}, tags={"ledger": line})
    context.tracking.log_json(context.tracking.study_run, asdict(spent), "ledger.json")


def has_reference(context: Context) -> bool:
    """Whether no augmentation finished a trial, without which nothing can be compared."""
    return bool(scores_of(context, REFERENCE, "reference"))


def _spread(values: Collection[float]) -> float | None:
    """Sample standard deviation; None with fewer than two values."""
    return stdev(values) if len(values) > 1 else None

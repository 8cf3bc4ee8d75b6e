"""What a candidate's trials came to, on validation: mean, spread, and gains over no augmentation and the default."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from statistics import stdev

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate, Phase, reference
from agent.memory.ledger import describe
from agent.memory.run_names import run_name
from evaluators.fit import Training, mean_training
from evaluators.noise import Noise, chance_of_gain, pooled_gain, pooled_noise
from evaluators.statistics import Interval, differences_of_metric
from evaluators.wording import likelihood
from tools.policy.named import DEFAULT

Pool = Mapping[str, Mapping[int, float]]
"""Candidate → seed → score on validation: the trials that the noise is estimated from."""


def scores_of(context: Context, name: str, phase: Phase) -> dict[int, float]:
    """Seed → the study's metric on validation, over a candidate's finished trials; in the phase final, of fresh seeds.

    Earlier versions trained the seeds of the search in that phase too: a study that one of them began may have some.
    """
    results = context.tracking.trial_results(name, phase)
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


def judge(context: Context, candidate: Candidate, phase: Phase, pool: Pool | None = None) -> None:
    """Write a candidate's mean, spread and paired gains over no augmentation and the default policy to MLflow.

    Args:
        context: for the store.
        candidate: whose trials have ended.
        phase: of these trials.
        pool: as `pool_of` returns it, if it is at hand.
    """
    found = scores_of(context, candidate.name, phase)
    noise = pooled_noise(pool_of(context, phase) if pool is None else pool)
    gain = _gain_over(context, reference().name, candidate, found, phase, noise)
    over_default = _gain_over(context, DEFAULT, candidate, found, phase, noise)
    within = None if gain is None else not gain.excludes_zero
    run = context.tracking.open_candidate(candidate, phase)
    training = training_of(context, candidate.name, (phase,))
    over = None if candidate.name == REFERENCE else over_default or gain
    context.tracking.end_candidate(
        run,
        found,
        _spread(found.values()),
        gain,
        within,
        over_default,
        training,
        run_name(candidate, phase, over.mean if over else None),
        _verdict(context, candidate, found, phase, noise),
    )


def _verdict(
    context: Context, candidate: Candidate, found: Mapping[int, float], phase: Phase, noise: Noise | None
) -> str:
    """How it compares with the default policy, else with no augmentation, in graded words."""
    if candidate.name == REFERENCE:
        return "reference"
    if not found:
        return "failed" if context.tracking.trial_results(candidate.name, phase) else "not trained"
    own: Phase = phase if phase in ("final", "choice") else "reference"
    for control in (DEFAULT, REFERENCE):
        if candidate.name != control and (scores := scores_of(context, control, own)):
            chance = chance_of_gain(found, scores, noise)
            return "" if chance is None else likelihood(chance).partition(" (")[0]
    return ""


def training_of(context: Context, candidate: str, phases: Sequence[Phase]) -> Training | None:
    """How its finished trials ended in some phases; None where that is not known."""
    results = [each for phase in phases for each in context.tracking.trial_results(candidate, phase).values()]
    return mean_training(
        [
            (each.fit.loss, each.fit.accuracy, [epoch.validation_loss for epoch in each.epochs])
            for each in results
            if each.fit is not None
        ]
    )


def _gain_over(
    context: Context,
    control: str,
    candidate: Candidate,
    found: Mapping[int, float],
    phase: Phase,
    noise: Noise | None,
) -> Interval | None:
    """None for the control itself, and where the two have no seed in common."""
    if candidate.name == control:
        return None
    own: Phase = phase if phase in ("final", "choice") else "reference"
    limits = differences_of_metric(context.config.search.metric)
    return pooled_gain(found, scores_of(context, control, own), noise, limits)


def judge_all_again(context: Context) -> None:
    """When the search has ended: what MLflow says of each candidate, by the noise of all of them."""
    pool = pool_of(context, "search")
    for record in context.tracking.records():
        if record.mean is not None:
            judge(context, Candidate.of(record), "search" if record.number else "reference", pool)


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

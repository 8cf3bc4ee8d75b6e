"""What a candidate's trials came to, on validation: mean, spread, and paired gain over the reference."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from statistics import stdev

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate, Phase, reference
from agent.memory.ledger import describe
from evaluators.noise import pooled_gain, pooled_noise

Pool = Mapping[str, Mapping[int, float]]
"""Candidate → seed → validation accuracy: the trials that the noise is estimated from."""


def accuracies(context: Context, candidate: Candidate, phase: Phase) -> dict[int, float]:
    """Seed → validation accuracy of the finished trials, by seed; in the phase final, of fresh seeds only.

    Earlier versions trained the seeds of the search in that phase too: a study that one of them began may have some.
    """
    results = context.tracking.trial_results(candidate.name, phase)
    fresh = set(context.config.search.fresh_seeds) if phase == "final" else None
    return {
        seed: result.scores.accuracy
        for seed, result in sorted(results.items())
        if result.scores is not None and (fresh is None or seed in fresh)
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
    """Write a candidate's mean, spread and paired gain over the reference to MLflow.

    Args:
        context: for the store.
        candidate: whose trials have ended.
        phase: of these trials.
        pool: as `pool_of` returns it, if it is at hand.
    """
    found = accuracies(context, candidate, phase)
    control = accuracies(context, reference(), "final" if phase == "final" else "reference")
    gain = within = None
    if candidate.name != REFERENCE:
        gain = pooled_gain(found, control, pooled_noise(pool_of(context, phase) if pool is None else pool))
        within = None if gain is None else not gain.excludes_zero
    run = context.tracking.open_candidate(candidate, phase)
    context.tracking.end_candidate(run, found, _spread(found.values()), gain, within)


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


def _spread(values: Collection[float]) -> float | None:
    """Sample standard deviation; None with fewer than two values."""
    return stdev(values) if len(values) > 1 else None

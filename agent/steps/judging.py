"""What a candidate's trials came to, on validation: mean, spread, and paired gain over the reference."""

from collections.abc import Collection
from dataclasses import asdict
from statistics import stdev

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate, Phase, reference
from agent.memory.ledger import describe
from evaluators.statistics import is_within_noise, paired_difference


def accuracies(context: Context, candidate: Candidate, phase: Phase) -> dict[int, float]:
    """Seed → validation accuracy, over the finished trials of a candidate."""
    results = context.tracking.trial_results(candidate.name, phase)
    return {seed: result.scores.accuracy for seed, result in results.items() if result.scores is not None}


def judge(context: Context, candidate: Candidate, phase: Phase) -> None:
    """Write a candidate's mean, spread and paired gain over the reference to MLflow."""
    found = accuracies(context, candidate, phase)
    control = accuracies(context, reference(), "final" if phase == "final" else "reference")
    gain = None if candidate.name == REFERENCE else paired_difference(found, control)
    within = None if gain is None else is_within_noise(gain, _spread(control.values()))
    run = context.tracking.open_candidate(candidate, phase)
    context.tracking.end_candidate(run, found, _spread(found.values()), gain, within)


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

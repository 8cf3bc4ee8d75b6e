"""The history as the prompts show it: a row for each policy, recalls that changed, how training went."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from agent.memory.history import History, IterationRecord

BEST_ROWS = 40
LATEST_ROWS = 20
"""A longer table would crowd out the rest of the prompt; the prompt says how many rows are not shown."""
SMALLEST_RECALL_CHANGE = 0.03
"""A class whose recall changed by less is not mentioned."""
OVER_FITTING = 1.5
"""Validation loss over training loss: above it a policy over-fits, below its inverse it under-fits."""

Fit = Literal["over", "under", "balanced"]


@dataclass(frozen=True)
class RecallChange:
    """A class that gained or lost against the reference. Recalls are 0..1, means over seeds."""

    name: str
    value: float
    reference: float


@dataclass(frozen=True)
class PromptRow:
    """A policy and its results."""

    record: IterationRecord
    policy: str
    hypothesis: str
    """Empty for the reference and the baselines."""
    train_loss: float | None
    validation_loss: float | None
    fit: Fit | None
    failure: str
    """Why trials failed; empty if none did."""
    seeds: tuple[tuple[int, float], ...]
    recalls: tuple[tuple[str, float], ...]
    recall_changes: tuple[RecallChange, ...]


def feedback_values(history: History) -> dict[str, Any]:
    """The values of the templates `feedback` and `results`."""
    reference = history.reference
    rows = [_row_of(record, history) for record in history.past]
    shown = _worth_showing(history.past)
    kept = [row for row in rows if row.record.number in shown]
    best = history.incumbent
    baselines = [_row_of(record, history) for record in history.baselines]
    reference_row = _row_of(reference, history) if reference and reference.mean is not None else None
    return {
        "iteration": history.iteration,
        "iterations": history.iterations,
        "reference": reference_row,
        "noise": history.noise,
        "baselines": baselines,
        "rows": kept,
        "all_rows": [*([reference_row] if reference_row else []), *baselines, *kept],
        "best": next((row for row in kept if best is not None and row.record.name == best.name), None),
        "last": kept[-1] if kept else None,
        "failures": [row for row in kept if row.failure],
        "not_shown": len(rows) - len(kept),
        "budget_left": history.budget_left,
    }


def _row_of(record: IterationRecord, history: History) -> PromptRow:
    """One row of the table."""
    finished = [trial for trial in record.trials if trial.status == "finished"]
    train_loss = _mean(trial.train_loss for trial in finished)
    validation_loss = _mean(trial.validation_loss for trial in finished)
    recalls = _recalls(record, history)
    return PromptRow(
        record=record,
        policy=record.proposal.in_one_line(),
        hypothesis=record.proposal.hypothesis if record.number > 0 else "",
        train_loss=train_loss,
        validation_loss=validation_loss,
        fit=_fit(train_loss, validation_loss),
        failure=_failure(record),
        seeds=tuple((trial.seed, trial.accuracy) for trial in finished if trial.accuracy is not None),
        recalls=tuple(recalls.items()),
        recall_changes=_changes(recalls, history),
    )


def _worth_showing(past: tuple[IterationRecord, ...]) -> set[int]:
    by_score = sorted(past, key=lambda record: -1.0 if record.mean is None else record.mean, reverse=True)
    return {record.number for record in [*by_score[:BEST_ROWS], *past[-LATEST_ROWS:]]}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _fit(train_loss: float | None, validation_loss: float | None) -> Fit | None:
    if train_loss is None or validation_loss is None:
        return None
    if validation_loss > OVER_FITTING * train_loss:
        return "over"
    return "under" if train_loss > OVER_FITTING * validation_loss else "balanced"


def _failure(record: IterationRecord) -> str:
    failed = [trial for trial in record.trials if trial.status == "failed"]
    if not failed and record.generated.startswith("failed"):
        return f"no synthetic images were made ({record.generated})"
    if not failed:
        return "" if record.mean is not None else "no trial was finished"
    reasons = "; ".join(dict.fromkeys(trial.reason or "unknown reason" for trial in failed))
    return f"{len(failed)} of {len(record.trials)} trials: {reasons}"


def _recalls(record: IterationRecord, history: History) -> dict[str, float]:
    finished = [trial.per_class_recall for trial in record.trials if trial.status == "finished"]
    recalls = {
        name: _mean(recall[index] for recall in finished if index < len(recall))
        for index, name in enumerate(history.card.classes)
    }
    return {name: value for name, value in recalls.items() if value is not None}


def _changes(recalls: dict[str, float], history: History) -> tuple[RecallChange, ...]:
    if history.reference is None:
        return ()
    reference = _recalls(history.reference, history)
    changes = [
        RecallChange(name, value, reference[name])
        for name, value in recalls.items()
        if name in reference and abs(value - reference[name]) >= SMALLEST_RECALL_CHANGE
    ]
    return tuple(sorted(changes, key=lambda change: change.value - change.reference))

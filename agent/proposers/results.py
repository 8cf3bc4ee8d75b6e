"""The history as the prompts show it: a row for each policy, hypotheses, prompt sets, how training went.

Everything that grows with the study is bounded here, and the prompts say what is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.memory.history import History, IterationRecord
from agent.proposers.class_results import (
    MOST_CLASSES,
    RecallChange,
    RecallSummary,
    changes,
    confusions,
    mean_recalls,
    summary,
)
from agent.proposers.estimates import Standing, Versus
from evaluators.fit import Training, mean_training
from tools.aga.config import PromptSet
from tools.policy.named import DEFAULT
from tools.training.metrics import metric_title

BEST_ROWS = 40
LATEST_ROWS = 20
"""A longer table would crowd out the rest of the prompt; the prompt says how many rows are not shown."""
BEST_HYPOTHESES = 4
LATEST_HYPOTHESES = 8
LATEST_FAILURES = 5
LONGEST_HYPOTHESIS = 500
LONGEST_POLICY = 600
LONGEST_REASON = 400
LONGEST_MADE = 500
LONGEST_REFUSALS = 2000
"""Characters."""
AVOIDED_WORDS = 60
"""Of a prompt set that is shown in full: the list of words to avoid may have hundreds."""


@dataclass(frozen=True)
class PromptRow:
    """A policy and its results."""

    record: IterationRecord
    policy: str
    hypothesis: str
    """Empty for the reference and the baselines."""
    over_default: Versus | None
    """None for the default itself, for the reference, and where there is nothing to compare."""
    over_none: Versus | None
    """None for the reference, and where there is nothing to compare."""
    training: Training | None
    """How its trainings ended; None where that is not known."""
    failure: str
    """Why trials failed; empty if none did."""
    made: str
    """How many synthetic images were made, and what each gate refused; empty without backgrounds."""
    seeds: tuple[tuple[int, float], ...]
    """(seed, score)."""
    recalls: RecallSummary
    many_classes: bool
    recall_changes: tuple[RecallChange, ...]
    more_changes: int
    """Classes that changed, besides `recall_changes`."""


@dataclass(frozen=True)
class PromptSetRow:
    """Background prompts of an iteration, and what became of them."""

    row: PromptRow
    prompts: PromptSet
    avoided: tuple[str, ...]
    more_avoided: int
    """Words to avoid, besides `avoided`."""
    made: str
    """As in its row, with room for the entries that were refused."""


def feedback_values(history: History) -> dict[str, Any]:
    """The values of the templates `feedback` and `results`."""
    reference, standing = history.reference, Standing(history)
    metric = metric_title(history.metric)
    shown = _best_and_latest(history.past, BEST_ROWS, LATEST_ROWS)
    best = standing.best or history.incumbent
    names = shown | ({best.name} if best else set())
    rows = [_row_of(record, history, standing) for record in history.past if record.name in names]
    baselines = [_row_of(record, history, standing) for record in history.baselines]
    reference_row = (
        _row_of(reference, history, standing) if reference and reference.mean is not None else None
    )
    failures = [row for row in rows if row.failure]
    hypotheses = _hypotheses(rows)
    return {
        "advice": history.advice,
        "iteration": history.iteration,
        "iterations": history.iterations,
        "reference": reference_row,
        "by_class": "AUROC" if history.card.several_labels else "recall",
        "kind": "labels" if history.card.several_labels else "classes",
        "metric": metric,
        "measured": metric[:1].upper() + metric[1:],
        "default": next((row for row in baselines if row.record.name == DEFAULT), None),
        "noise": history.noise,
        "several_seeds": history.seeds > 1,
        "others": [row for row in baselines if row.record.name != DEFAULT],
        "rows": rows,
        "all_rows": [*([reference_row] if reference_row else []), *baselines, *rows],
        "best": next((row for row in rows if best is not None and row.record.name == best.name), None),
        "last": rows[-1] if rows else None,
        "confusions": confusions(reference, best, history.card.classes),
        "hypotheses": hypotheses,
        "other_hypotheses": len(history.past) - len(hypotheses),
        "prompt_sets": _prompt_sets(rows),
        "failures": failures[-LATEST_FAILURES:],
        "other_failures": max(0, len(failures) - LATEST_FAILURES),
        "not_shown": len(history.past) - len(rows),
        "budget_left": history.budget_left,
        "candidates": history.candidates,
    }


def _row_of(record: IterationRecord, history: History, standing: Standing) -> PromptRow:
    """One row of the table."""
    finished = [trial for trial in record.trials if trial.status == "finished"]
    classes = history.card.classes
    recalls = mean_recalls(record, classes)
    of_reference = mean_recalls(history.reference, classes) if history.reference else {}
    changed, more = changes(recalls, of_reference)
    return PromptRow(
        record=record,
        policy=shortened(record.proposal.in_one_line(), LONGEST_POLICY),
        hypothesis=shortened(record.proposal.hypothesis, LONGEST_HYPOTHESIS) if record.number > 0 else "",
        over_default=standing.over_default(record),
        over_none=standing.over_none(record),
        training=mean_training(
            [(t.fit.loss, t.fit.accuracy, t.validation_losses) for t in finished if t.fit is not None]
        ),
        failure=shortened(_failure(record), LONGEST_REASON),
        made=shortened(record.generated, LONGEST_MADE),
        seeds=tuple((trial.seed, trial.score) for trial in finished if trial.score is not None),
        recalls=summary(recalls),
        many_classes=len(recalls) > MOST_CLASSES,
        recall_changes=changed,
        more_changes=more,
    )


def _best_and_latest(records: Sequence[IterationRecord], best: int, latest: int) -> set[str]:
    """Names of the `best` proposals by their score, and of the `latest`."""
    by_score = sorted(records, key=lambda record: -1.0 if record.mean is None else record.mean, reverse=True)
    return {record.name for record in [*by_score[:best], *records[-latest:]]}


def _hypotheses(rows: Sequence[PromptRow]) -> list[PromptRow]:
    """The rows whose hypotheses are repeated: those of the best and of the latest policies."""
    names = _best_and_latest([row.record for row in rows], BEST_HYPOTHESES, LATEST_HYPOTHESES)
    return [row for row in rows if row.record.name in names and row.hypothesis]


def _prompt_sets(rows: Sequence[PromptRow]) -> list[PromptSetRow]:
    """The prompt sets of the best and of the latest proposal that had some."""
    having = [row for row in rows if row.record.proposal.prompts is not None]
    judged = [row for row in having if row.record.mean is not None]
    best = max(judged, key=lambda row: row.record.mean or 0.0, default=None)
    chosen = [row for row in having if row is best or row is having[-1]]
    return [_prompt_set(row) for row in chosen]


def _prompt_set(row: PromptRow) -> PromptSetRow:
    prompts = row.record.proposal.prompts
    assert prompts is not None
    avoided = tuple(shortened(word, 60) for word in prompts.avoid[:AVOIDED_WORDS])
    made = shortened(row.record.generated, LONGEST_REFUSALS)
    return PromptSetRow(row, prompts, avoided, len(prompts.avoid) - len(avoided), made)


def shortened(text: str, most: int) -> str:
    """`text` in one line of at most `most` characters; one that is cut ends in '…'."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _failure(record: IterationRecord) -> str:
    failed = [trial for trial in record.trials if trial.status == "failed"]
    if not failed and record.stopped:
        return ""
    if not failed and record.generated.startswith("failed"):
        return f"no synthetic images were made ({record.generated})"
    if not failed:
        return "" if record.mean is not None else "no trial was finished"
    reasons = "; ".join(dict.fromkeys(trial.reason or "unknown reason" for trial in failed))
    return f"{len(failed)} of {len(record.trials)} trials: {reasons}"

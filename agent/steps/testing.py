"""The sealed test set, opened once, and the data sets that shift it: only this code of the loop reads test images."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from agent.context import Context
from agent.memory.candidate import Candidate
from agent.steps.shifts import Shift
from agent.steps.trials import evaluate, is_testable, trial_spec
from evaluators.report.report import TestScores
from tools.training.config import TrialSpec

Validation = Mapping[str, Mapping[int, float]]
"""Candidate → seed → validation accuracy, over the finished trials."""


def open_test(
    context: Context, candidates: Sequence[Candidate], validation: Validation
) -> dict[str, TestScores]:
    """Test scores of every candidate, under every seed that it finished; logged with its trials."""
    context.terminal.note("The choice is made on validation; the sealed test set is opened now.")
    context.tracking.log_study({}, tags={"test_opened": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    specs = {c.name: _testable_specs(context, c, validation) for c in candidates}
    wanted = [spec for group in specs.values() for spec in group]
    evaluated = evaluate(context, wanted, "test")
    by_key = {spec.key: predictions for spec, predictions in zip(wanted, evaluated, strict=True)}
    scores = {}
    for candidate in candidates:
        predictions = {spec.seed: by_key[spec.key] for spec in specs[candidate.name]}
        scores[candidate.name] = TestScores.of(predictions)
        runs = _log_scores(context, candidate, specs[candidate.name], scores[candidate.name], "")
        for seed, run in runs.items():
            context.tracking.log_json(run, asdict(predictions[seed].scores), "test_scores.json")
    return scores


def test_on(
    context: Context, shift: Shift, candidates: Sequence[Candidate], validation: Validation
) -> dict[str, TestScores]:
    """Scores of every candidate on a shifted set, under every seed that it finished; logged with its trials."""
    scores = {}
    for candidate in candidates:
        specs = _testable_specs(context, candidate, validation)
        shifted = [spec.model_copy(update={"cache": shift.data.folder}) for spec in specs]
        predictions = evaluate(context, shifted, shift.predictions)
        scores[candidate.name] = TestScores.of(
            {spec.seed: each for spec, each in zip(specs, predictions, strict=True)}
        )
        _log_scores(context, candidate, specs, scores[candidate.name], shift.metric)
    return scores


def _testable_specs(context: Context, candidate: Candidate, validation: Validation) -> list[TrialSpec]:
    specs = (trial_spec(context, candidate, seed) for seed in sorted(validation[candidate.name]))
    return [spec for spec in specs if is_testable(context, spec.key)]


def _log_scores(
    context: Context, candidate: Candidate, specs: Sequence[TrialSpec], scores: TestScores, suffix: str
) -> dict[int, str]:
    """Log scores with the candidate's trials and their means with the candidate; seed → MLflow run of its trial."""
    tracking = context.tracking
    parent = tracking.open_candidate(candidate, "final")
    runs = {}
    for spec in specs:
        run = runs[spec.seed] = tracking.open_trial(parent, candidate, "final", spec.key, spec.seed)
        tracking.log_test(run, scores.accuracy[spec.seed], scores.macro_f1[spec.seed], suffix)
        tracking.close_run(run)
    if specs:
        tracking.log_test(parent, _mean(scores.accuracy.values()), _mean(scores.macro_f1.values()), suffix)
    tracking.close_run(parent)
    return runs


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)

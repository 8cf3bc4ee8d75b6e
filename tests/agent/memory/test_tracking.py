"""The study's memory in a real MLflow store."""

from pathlib import Path

import pytest

from agent.memory import Candidate, Phase, Tracking
from agent.memory.proposal import Proposal
from evaluators.statistics import Interval
from tools.policy.catalogue import default_operation
from tools.training.types import EpochReport, Scores, TrialResult


def result(key: str, seed: int, accuracy: float) -> TrialResult:
    scores = Scores(0.5, accuracy, accuracy, accuracy, None, (accuracy, None), ((3, 1), (0, 0)))
    epochs = tuple(
        EpochReport(e, 2, 1.0 / e, 1.1 / e, accuracy - 0.1 * (2 - e), 0.5, 1e-3, 0.5) for e in (1, 2)
    )
    return TrialResult(key, seed, "finished", scores, epochs, 1.0, environment={"torch": "2"})


def candidate(number: int = 1) -> Candidate:
    proposal = Proposal(hypothesis="Digits lean.", expected_gain=1.5, policy=[default_operation("rotate")])
    return Candidate(f"iteration {number}", number, "tpe", proposal)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """One migrated store for the module: the migration takes seconds."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def tracking(store, request) -> Tracking:
    tracking = Tracking(f"sqlite:///{store / 'mlflow.db'}", store / "artifacts")
    tracking.open_study("demo/resnet18", request.node.name, {"arm": "tpe"}, {"search.seeds": 2})
    return tracking


def train(tracking: Tracking, who: Candidate, accuracies: dict[int, float], phase: Phase = "search") -> str:
    parent = tracking.open_candidate(who, phase)
    for seed, accuracy in accuracies.items():
        key = f"{who.name}-{seed}"
        run = tracking.open_trial(parent, who, phase, key, seed)
        tracking.end_trial(run, result(key, seed, accuracy), ("a", "b"))
    return parent


def test_what_was_written_is_read_back_as_history(tracking):
    parent = train(tracking, candidate(), {0: 0.8, 1: 0.9})
    tracking.end_candidate(parent, {0: 0.8, 1: 0.9}, 0.07, Interval(0.1, -0.1, 0.3, 2), True)
    (record,) = tracking.records()
    assert (record.name, record.number, record.arm) == ("iteration 1", 1, "tpe")
    assert record.proposal == candidate().proposal
    assert record.mean == pytest.approx(0.85)
    assert (record.gain, record.gain_interval, record.within_noise) == (0.1, (-0.1, 0.3), True)
    assert [(trial.seed, trial.score) for trial in record.trials] == [(0, 0.8), (1, 0.9)]
    assert record.trials[0].per_class_recall == (0.8, None)
    assert record.trials[0].train_loss == 0.5


def test_runs_are_nested_and_tagged_by_the_names_that_scripts_rely_on(tracking):
    parent = train(tracking, candidate(), {4: 0.8})
    runs = tracking.client.search_runs([tracking.experiment_id], f"tags.study = '{tracking.study}'")
    by_kind = {run.data.tags["kind"]: run for run in runs}
    assert by_kind["iteration"].data.tags["mlflow.parentRunId"] == tracking.study_run
    trial = by_kind["trial"]
    assert trial.data.tags["mlflow.parentRunId"] == parent
    expected = {"seed": "4", "iteration": "1", "phase": "search", "arm": "tpe", "trial_key": "iteration 1-4"}
    assert expected.items() <= trial.data.tags.items()
    assert {
        "train_loss",
        "validation_loss",
        "validation_accuracy",
        "validation_macro_f1",
    } <= trial.data.metrics.keys()
    assert "test_accuracy" not in trial.data.metrics


def test_a_trial_found_again_is_neither_doubled_nor_logged_twice(tracking):
    who = candidate()
    train(tracking, who, {0: 0.8})
    train(tracking, who, {0: 0.8})
    runs = tracking.client.search_runs(
        [tracking.experiment_id], f"tags.study = '{tracking.study}' and tags.kind = 'trial'"
    )
    assert len(runs) == 1
    history = tracking.client.get_metric_history(runs[0].info.run_id, "validation_accuracy")
    assert sorted(metric.step for metric in history) == [1, 2]


def test_epochs_streamed_before_the_end_are_not_logged_again(tracking):
    who, finished = candidate(), result("k", 0, 0.9)
    run = tracking.open_trial(tracking.open_candidate(who, "search"), who, "search", "k", 0)
    tracking.log_epoch(run, finished.epochs[0])
    tracking.end_trial(run, finished, ("a", "b"))
    history = tracking.client.get_metric_history(run, "train_loss")
    assert sorted(metric.step for metric in history) == [1, 2]


def test_a_failed_trial_says_why_and_has_no_accuracy(tracking):
    who = candidate()
    parent = tracking.open_candidate(who, "search")
    run = tracking.open_trial(parent, who, "search", "k", 0)
    failed = TrialResult("k", 0, "failed", failure="non_finite_loss", reason="the loss was NaN in epoch 1")
    tracking.end_trial(run, failed, ("a", "b"))
    tracking.end_candidate(parent, {}, None, None, None)
    assert tracking.client.get_run(run).info.status == "FAILED"
    assert tracking.client.get_run(parent).info.status == "FAILED"
    (record,) = tracking.records()
    assert record.mean is None
    assert record.trials[0].reason == "non_finite_loss: the loss was NaN in epoch 1"


def test_the_final_phase_is_kept_apart_from_the_search(tracking):
    who = candidate()
    train(tracking, who, {0: 0.8})
    train(tracking, who, {0: 0.8, 1: 0.7}, phase="final")
    assert set(tracking.trial_results(who.name, "search")) == {0}
    assert set(tracking.trial_results(who.name, "final")) == {0, 1}
    assert {name: set(found) for name, found in tracking.results("final").items()} == {who.name: {0, 1}}
    assert len(tracking.records()) == 1


def test_an_interrupted_study_is_killed_with_all_that_ran(tracking):
    who = candidate()
    run = tracking.open_trial(tracking.open_candidate(who, "search"), who, "search", "k", 0)
    tracking.end_study("KILLED")
    assert tracking.client.get_run(run).info.status == "KILLED"
    assert next(s for s in tracking.studies() if s.name == tracking.study).status == "KILLED"
    tracking.open_study("demo/resnet18", tracking.study, {}, {})
    assert next(s for s in tracking.studies() if s.name == tracking.study).status == "RUNNING"


def test_the_leaderboard_is_a_table_that_the_ui_reads(tracking):
    rows = [{"arm": "a", "test": 1.0}, {"arm": "b", "test": 2.0}]
    tracking.log_leaderboard(rows)
    tracking.log_leaderboard(rows)
    table = tracking.client.load_table(
        tracking.experiment_id, "leaderboard.json", run_ids=[tracking.study_run]
    )
    assert table.to_dict("records") == rows


def test_texts_that_no_database_takes_are_cleaned(tracking):
    proposal = Proposal(
        hypothesis="half \ud83d, \x1b[31mred", expected_gain=1.0, policy=[default_operation("rotate")]
    )
    who = Candidate("iteration 7", 7, "llm", proposal)
    run = tracking.open_candidate(who, "search", ["# not a heading"])
    note = tracking.client.get_run(run).data.tags["mlflow.note.content"]
    assert "half \N{REPLACEMENT CHARACTER}, red" in note
    assert "\n# not a heading" not in note
    tracking.log_study({}, tags={"odd": "\ud83d"})
    assert tracking.study_tags()["odd"] == "\N{REPLACEMENT CHARACTER}"

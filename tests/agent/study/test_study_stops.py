"""Studies that something stops or hinders: budgets, dead workers, references that fail, a second process."""

import json
from pathlib import Path

from filelock import FileLock

from tests.agent.studies import ledger, resume, run, tracking


def test_a_dead_worker_fails_its_trial_and_the_study_goes_on(tmp_path):
    """Reference and baseline take 8 epochs; the 10th is the second of the first iteration's first trial."""
    done = run(tmp_path, "--proposer", "tpe", moment="workers:9")
    assert done.returncode == 0, done.stderr
    records = {record.name: record for record in tracking(tmp_path).records()}
    failed = [trial for trial in records["iteration 1"].trials if trial.status == "failed"]
    assert len(failed) == 1
    assert failed[0].reason.startswith("worker_died")
    assert records["iteration 1"].mean is not None
    assert records["iteration 2"].mean is not None


def test_without_a_single_reference_nothing_is_compared(tmp_path):
    stopped = run(tmp_path, "--proposer", "random", "--execution.trial_timeout", "0.001")
    assert stopped.returncode == 1
    assert "No trial of the reference" in stopped.stderr
    assert "timeout" in stopped.stderr or "time" in stopped.stderr
    assert "Traceback" not in stopped.stderr


def test_a_budget_of_trials_is_never_exceeded_and_keeps_enough_for_the_finish(tmp_path):
    done = run(tmp_path, "--proposer", "random", "--iterations", "50", "--budget.trials", "11")
    assert done.returncode == 0, done.stderr
    events = ledger(tmp_path)
    assert len({event["id"] for event in events if event["kind"] == "trial"}) <= 11
    assert "kept for the finish" in (tmp_path / "studies/s/report.md").read_text()


def test_a_budget_of_seconds_stops_the_search_in_the_middle_of_a_trial(tmp_path):
    done = run(
        tmp_path,
        "--proposer",
        "random",
        "--iterations",
        "500",
        "--epochs",
        "500",
        "--budget.training_seconds",
        "6",
    )
    assert done.returncode == 0, done.stderr
    spent = json.loads(
        Path(
            tracking(tmp_path).client.download_artifacts(tracking(tmp_path).study_run, "ledger.json")
        ).read_text()
    )
    assert 6 <= spent["training_seconds"] < 9
    assert "budget of 6 training seconds is spent" in (tmp_path / "studies/s/report.md").read_text()


def test_two_processes_cannot_run_one_study(tmp_path):
    (tmp_path / "studies/s").mkdir(parents=True)
    (tmp_path / "studies/s/config.yaml").write_text("study: s\n")
    with FileLock(tmp_path / "studies/s/lock"):
        second = resume(tmp_path)
    assert second.returncode == 1
    assert "is being run by another process" in second.stderr

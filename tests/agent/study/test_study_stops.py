"""Studies that something stops or hinders: budgets, dead workers, references that fail, a second process."""

import json
import re
from pathlib import Path

from filelock import FileLock

from tests.agent.studies import SHORT, ledger, resume, run, tracking
from tools.files import read_yaml

BARE = f"{SHORT} --search.backgrounds off"


def test_a_dead_worker_is_replaced_and_its_trial_ends_well(runs):
    """The reference takes 12 epochs; the 13th is the first of the first iteration's first trial."""
    longer = ("--epochs", "6", "--training.batch_size", "20", "--seeds", "2")
    done = run(runs, "--proposer", "tpe", *longer, size=BARE, moment="workers:13")
    assert done.returncode == 0, done.stderr
    assert "its worker process was killed by SIGKILL" in done.stderr
    assert "try 2 of 3" in done.stderr
    trials = [trial for record in tracking(runs).records() for trial in record.trials]
    assert {trial.status for trial in trials} == {"finished"}


def test_without_a_single_reference_nothing_is_compared(runs):
    stopped = run(runs, "--proposer", "random", "--execution.trial_timeout", "0.001", size=BARE)
    assert stopped.returncode == 1
    assert "No trial of the reference" in stopped.stderr
    assert "timeout" in stopped.stderr or "time" in stopped.stderr
    assert "Traceback" not in stopped.stderr


def test_a_budget_of_trials_is_never_exceeded_and_keeps_enough_for_the_finish(runs):
    done = run(runs, "--proposer", "random", "--iterations", "50", "--budget.trials", "6", size=BARE)
    assert done.returncode == 0, done.stderr
    events = ledger(runs)
    assert 4 < len({event["id"] for event in events if event["kind"] == "trial"}) <= 6
    assert "kept for the finish" in (runs / "studies/s/report.md").read_text()


def test_a_budget_of_seconds_stops_the_search_in_the_middle_of_a_trial(runs):
    done = run(
        runs,
        "--proposer",
        "random",
        "--iterations",
        "500",
        "--epochs",
        "500",
        "--budget.training_seconds",
        "3",
        size=BARE,
    )
    assert done.returncode == 0, done.stderr
    spent = json.loads(
        Path(tracking(runs).client.download_artifacts(tracking(runs).study_run, "ledger.json")).read_text()
    )
    assert 3 <= spent["training_seconds"] < 6
    assert "budget of 3s of training is spent" in (runs / "studies/s/report.md").read_text()


def test_the_time_decides_once_how_many_iterations_there_are(runs):
    limit = ("--iterations", "auto", "--budget.training_seconds", "10m")
    killed = run(runs, "--proposer", "random", *limit, size=BARE, moment="before:propose")
    assert killed.returncode < 0
    settled = read_yaml(runs / "studies/s/config.yaml")["search"]["iterations"]
    assert isinstance(settled, int)
    assert settled > 8, "the tiny network trains more often than that in ten minutes"
    said = killed.stdout + killed.stderr
    assert "as many iterations as fit into the time" in said
    told = re.search(r"about ([\d,]+) trainings in 10m: ([\d,]+) iterations, by", said)
    assert told, said
    assert told[2] == f"{settled:,}"
    assert f"up to {told[1]} trainings" in said, "the plan is of as many"


def test_two_processes_cannot_run_one_study(runs):
    (runs / "studies/s").mkdir(parents=True)
    (runs / "studies/s/config.yaml").write_text("study: s\n")
    with FileLock(runs / "studies/s/lock"):
        second = resume(runs)
    assert second.returncode == 1
    assert "is being run by another process" in second.stderr

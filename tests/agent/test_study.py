"""Whole studies, for real: the command line in processes of its own, real training, a real store, real kills."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.tracking import Tracking

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "--dataset demo --epochs 2 --seeds 2 --iterations 2 "
    "--search.final_seeds 3 --search.top_k 2 --search.baselines trivial_augment_wide --execution.workers 1 "
    "--execution.threads 1"
)
NODES = ["prepare", "propose", "vet", "realise", "train", "judge", "finalise"]
# Seconds differ from run to run; everything else must not.
TIMES = {"training_seconds", "seconds_outside_training"}


def environment(**more: str) -> dict[str, str]:
    keys = ("OPENAI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "MLFLOW_TRACKING_URI")
    clean = {k: v for k, v in os.environ.items() if k not in keys and not k.startswith("AGENT_")}
    return {**clean, **more}


def agent(
    *arguments: str, moment: str = "none", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tests/agent/drive.py"), moment, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=env or environment(), cwd=ROOT, timeout=280
    )


def run(runs: Path, *more: str, **how: Any) -> subprocess.CompletedProcess[str]:
    return agent("run", *SMALL.split(), "--study", "s", "--runs-dir", str(runs), *more, **how)


def resume(runs: Path, **how: Any) -> subprocess.CompletedProcess[str]:
    return agent("resume", "s", "--runs-dir", str(runs), **how)


def tracking(runs: Path) -> Tracking:
    found = Tracking(f"sqlite:///{runs / 'mlflow.db'}", runs / "artifacts")
    assert found.find_study("s")
    return found


def outcome(runs: Path) -> dict[tuple[str, ...], dict[str, float]]:
    """Every run of the study by its tags, with its scores."""
    store = tracking(runs)
    found = store.client.search_runs([store.experiment_id], "tags.study = 's'", max_results=1000)
    names = ("kind", "phase", "candidate", "seed", "trial_key", "policy")
    rows = {}
    for item in found:
        identity = tuple(item.data.tags.get(name, "") for name in names)
        assert identity not in rows, f"{identity} is there twice"
        rows[identity] = {k: v for k, v in item.data.metrics.items() if k not in TIMES}
    return rows


def conclusions(runs: Path, study: str = "s") -> list[str]:
    """The report without what differs between equal studies: its name and place, and how long it took."""
    own = ("| MLflow", "| spent", "| study |")
    report = (runs / "studies" / study / "report.md").read_text()
    return [line for line in report.splitlines() if not line.startswith(own)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A study that ran through."""
    runs = tmp_path_factory.mktemp("finished")
    done = run(runs, "--proposer", "tpe")
    assert done.returncode == 0, done.stderr + done.stdout
    return runs


def test_a_study_ends_with_a_report_that_says_plainly_what_was_shown(finished):
    report = (finished / "studies/s/report.md").read_text()
    assert "no augmentation" in report
    assert any(word in report for word in ("is better than", "is worse than", "It is not shown that"))
    for name in ("search.png", "policy.json", "policy.py", "ledger.jsonl", "config.yaml"):
        assert (finished / "studies/s" / name).stat().st_size > 0


def test_mlflow_holds_the_study_its_iterations_and_their_trials(finished):
    store = tracking(finished)
    assert store.client.get_experiment(store.experiment_id).name == "demo/resnet18"
    runs = store.client.search_runs([store.experiment_id], "tags.study = 's'", max_results=1000)
    kinds = [item.data.tags["kind"] for item in runs]
    # reference, baseline, 2 iterations; and again all of them in the final phase, with 3 seeds instead of 2
    assert (kinds.count("study"), kinds.count("iteration"), kinds.count("trial")) == (1, 8, 8 + 12)
    assert {item.info.status for item in runs} == {"FINISHED"}
    study = store.client.get_run(store.study_run)
    assert study.data.params["search.seeds"] == "2"
    artifacts = {item.path for item in store.client.list_artifacts(store.study_run)}
    assert {"report.md", "search.png", "leaderboard.json", "ledger.json", "policy.json"} <= artifacts


def test_test_scores_stand_on_final_runs_only(finished):
    for (kind, phase, candidate, *_), metrics in outcome(finished).items():
        if "test_accuracy" in metrics:
            assert phase == "final", (kind, phase, candidate)


def test_the_finalist_that_was_not_chosen_is_never_tested(finished):
    tested = {
        candidate
        for (kind, _, candidate, *_), metrics in outcome(finished).items()
        if kind == "iteration" and "test_accuracy" in metrics
    }
    chosen = tracking(finished).study_tags()["chosen"]
    assert tested == {"no augmentation", "trivial_augment_wide", chosen}


def test_the_ledger_counts_every_trial_once(finished):
    events = [json.loads(line) for line in (finished / "studies/s/ledger.jsonl").read_text().splitlines()]
    trials = {event["id"] for event in events if event["kind"] == "trial"}
    assert len(trials) == 8 + 4


def test_a_second_study_trains_nothing_that_the_first_trained(finished):
    again = agent(
        "run", *SMALL.split(), "--proposer", "tpe", "--study", "second", "--runs-dir", str(finished)
    )
    assert again.returncode == 0, again.stderr
    events = [
        json.loads(line) for line in (finished / "studies/second/ledger.jsonl").read_text().splitlines()
    ]
    reused = {event["id"]: event["reused"] for event in events if event["kind"] == "trial"}
    assert len(reused) == 8 + 4
    assert all(reused.values())
    assert conclusions(finished, "second") == conclusions(finished)


def test_killed_in_every_node_it_ends_like_the_uninterrupted_study(finished, tmp_path):
    """kill -9 when each node has done its work but is not checkpointed, one after the other, in one study."""
    first = run(tmp_path, "--proposer", "tpe", moment=f"after:{NODES[0]}")
    assert first.returncode == -signal.SIGKILL, first.stderr
    for node in NODES[1:]:
        killed = resume(tmp_path, moment=f"after:{node}")
        assert killed.returncode == -signal.SIGKILL, killed.stderr + killed.stdout
    last = resume(tmp_path)
    assert last.returncode == 0, last.stderr
    assert outcome(tmp_path) == outcome(finished)
    assert conclusions(tmp_path) == conclusions(finished)


@pytest.mark.parametrize("epoch", [1, 7, 15])
def test_killed_while_training_it_goes_on_from_the_last_epoch(finished, tmp_path, epoch):
    """In the reference, in an iteration, in the extra seeds."""
    killed = run(tmp_path, "--proposer", "tpe", moment=f"epoch:{epoch}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert resume(tmp_path).returncode == 0
    assert outcome(tmp_path) == outcome(finished)
    assert conclusions(tmp_path) == conclusions(finished)


@pytest.mark.parametrize(("moment", "code"), [("interrupt:3", 130), ("terminate:3", 143)])
def test_interrupted_it_says_how_to_go_on_and_goes_on(finished, tmp_path, moment, code):
    stopped = run(tmp_path, "--proposer", "tpe", moment=moment)
    assert stopped.returncode == code, stopped.stderr
    assert "agent resume s" in stopped.stderr
    assert tracking(tmp_path).client.get_run(tracking(tmp_path).study_run).info.status == "KILLED"
    listed = agent("list", "--runs-dir", str(tmp_path)).stdout
    assert "interrupted" in listed
    assert resume(tmp_path).returncode == 0
    assert outcome(tmp_path) == outcome(finished)


def test_a_finished_study_has_nothing_to_resume(finished):
    again = resume(finished)
    assert again.returncode == 0
    assert "nothing to resume" in again.stdout + again.stderr


def test_the_search_never_reads_the_test_images(finished, tmp_path):
    """With the test split's files deleted, the search goes its way unchanged; only the finish misses them."""
    assert run(tmp_path, "--proposer", "tpe", moment="before:prepare").returncode == -signal.SIGKILL
    sealed = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and "test" in path.name]
    assert sealed, "the test split lies in files of its own"
    contents = {path: path.read_bytes() for path in sealed}
    for path in sealed:
        path.unlink()
    assert resume(tmp_path, moment="before:finalise").returncode == -signal.SIGKILL
    searched = {k: v for k, v in outcome(tmp_path).items() if k[1] != "final" and k[0] != "study"}
    assert searched == {k: v for k, v in outcome(finished).items() if k[1] != "final" and k[0] != "study"}
    for path, content in contents.items():
        path.write_bytes(content)
    assert resume(tmp_path).returncode == 0
    assert conclusions(tmp_path) == conclusions(finished)


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
    events = [json.loads(line) for line in (tmp_path / "studies/s/ledger.jsonl").read_text().splitlines()]
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
    ledger = json.loads(
        Path(
            tracking(tmp_path).client.download_artifacts(tracking(tmp_path).study_run, "ledger.json")
        ).read_text()
    )
    assert 6 <= ledger["training_seconds"] < 9
    assert "budget of 6 training seconds is spent" in (tmp_path / "studies/s/report.md").read_text()


def test_two_processes_cannot_run_one_study(tmp_path):
    (tmp_path / "studies/s").mkdir(parents=True)
    from filelock import FileLock

    (tmp_path / "studies/s/config.yaml").write_text("study: s\n")
    with FileLock(tmp_path / "studies/s/lock"):
        second = resume(tmp_path)
    assert second.returncode == 1
    assert "is being run by another process" in second.stderr


def test_an_unknown_study_names_the_nearest(finished):
    missing = agent("resume", "ss", "--runs-dir", str(finished))
    assert missing.returncode == 2
    assert "Did you mean s" in missing.stderr


def test_show_and_list_tell_what_was_found(finished):
    shown = agent("show", "s", "--runs-dir", str(finished))
    assert shown.returncode == 0
    assert "iteration 2" in shown.stdout
    listed = agent("list", "--runs-dir", str(finished))
    assert "finished" in listed.stdout

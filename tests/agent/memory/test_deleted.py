"""Studies, runs and experiments that were deleted in MLflow: what is said, and that the command it names works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent.memory import Tracking
from agent.memory.study_file import StudyFile
from agent.memory.tracking.faults import StoreError
from agent.memory.tracking.store import sqlite_uri
from tests.agent.memory.test_tracking import candidate, train


@pytest.fixture
def runs(tmp_path: Path, empty_store: Path) -> Path:
    shutil.copy(empty_store, tmp_path)
    return tmp_path


def opened(runs: Path, told: list[str] | None = None) -> Tracking:
    tell = told.append if told is not None else (lambda text: None)
    return Tracking(sqlite_uri(runs / "mlflow.db"), runs / "artifacts", tell=tell)


def begun(runs: Path, study: str = "s") -> tuple[Tracking, StudyFile]:
    store = opened(runs)
    store.open_study("demo/model", study, {"arm": "tpe"}, {})
    train(store, candidate(), {0: 0.8})
    return store, StudyFile(store.experiment_id, store.study_run)


def restore(message: str) -> None:
    """Run the command that an error names."""
    command = re.search(r"MLFLOW_TRACKING_URI=.*", message)
    assert command, message
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["sh", "-c", command[0]], env={**os.environ, "PATH": path}, check=True, capture_output=True
    )


@pytest.mark.parametrize("known", [True, False])
def test_a_deleted_experiment_is_named_with_the_command_that_restores_it(runs: Path, known: bool) -> None:
    store, file = begun(runs)
    store.client.delete_experiment(file.experiment)
    with pytest.raises(StoreError, match="experiment 'demo/model' of study s was deleted in MLflow") as error:
        opened(runs).attach("s", file if known else None)
    if known:
        restore(str(error.value))
        again = opened(runs)
        again.attach("s", file)
        assert len(again.records()) == 1


def test_a_new_study_gets_an_experiment_of_its_own_beside_a_deleted_one(runs: Path) -> None:
    store, file = begun(runs)
    store.client.delete_experiment(file.experiment)
    told: list[str] = []
    for study in ("t", "u"):
        other = opened(runs, told)
        other.open_study("demo/model", study, {}, {})
        assert other.client.get_experiment(other.experiment_id).name == "demo/model-2"
    assert "'demo/model' was deleted in MLflow" in told[0]
    assert {s.name: s.status for s in opened(runs).studies()} == {
        "s": "DELETED",
        "t": "RUNNING",
        "u": "RUNNING",
    }


def test_a_deleted_study_is_named(runs: Path) -> None:
    store, file = begun(runs)
    store.client.delete_run(file.run)
    with pytest.raises(StoreError, match="run of study s was deleted") as error:
        opened(runs).attach("s", None)
    restore(str(error.value))
    opened(runs).attach("s", file)


def test_a_deleted_trial_is_named_and_not_forgotten(runs: Path) -> None:
    store, file = begun(runs)
    trial = next(r for r in store._runs("tags.kind = 'trial'"))
    store.client.delete_run(trial.info.run_id)
    with pytest.raises(StoreError, match=r"1 run of study s \(iteration 1\) was deleted") as error:
        opened(runs).attach("s", file)
    restore(str(error.value))
    again = opened(runs)
    again.attach("s", file)
    assert len(again.trial_results("iteration 1", "search")) == 1


def test_what_is_deleted_while_a_study_runs_stops_it(runs: Path) -> None:
    store, _ = begun(runs)
    store.client.delete_run(store.study_run)
    with pytest.raises(StoreError, match=r"was deleted in MLflow.*runs restore") as error:
        store.log_study({"a": 1.0})
    assert not error.value.transient


def test_a_study_that_was_never_there_is_not_found(runs: Path) -> None:
    with pytest.raises(StoreError, match="Study s is not in the MLflow store"):
        opened(runs).attach("s", None)


@pytest.mark.parametrize("damage", ["is missing", "is damaged"])
def test_a_proposal_that_is_gone_is_named(runs: Path, damage: str) -> None:
    begun(runs)
    (file,) = runs.glob("artifacts/*/*/artifacts/proposal.json")
    file.unlink() if damage == "is missing" else file.write_text("{")
    store = opened(runs)
    assert store.find_study("s")
    with pytest.raises(StoreError, match=rf"proposal\.json of iteration 1 .* {damage}"):
        store.records()


def test_runs_that_a_repeated_request_made_twice_become_one(runs: Path) -> None:
    store, file = begun(runs)
    first = next(r for r in store._runs("tags.kind = 'iteration'"))
    store.client.create_run(file.experiment, tags=dict(first.data.tags))
    assert store.open_candidate(candidate(), "search") == first.info.run_id
    assert len(store.records()) == 1
    opened(runs).attach("s", file)  # the double is not missed

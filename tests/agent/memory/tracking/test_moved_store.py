"""A runs folder that is moved or copied: what was written is read, and what is written lies in the folder."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from agent.memory import Tracking
from agent.memory.tracking.faults import StoreError
from agent.memory.tracking.store import sqlite_uri


def opened(folder: Path, told: list[str] | None = None, own: str = "") -> Tracking:
    """As another process would: MLflow remembers in memory where a run's artifacts were."""
    _artifact_repos_cache.clear()
    tell = told.append if told is not None else (lambda text: None)
    return Tracking(sqlite_uri(folder / "mlflow.db"), folder / "artifacts", tell=tell, own=own)


@pytest.fixture
def runs(tmp_path: Path, empty_store: Path) -> Path:
    """A runs folder with a study that has written an artifact."""
    folder = tmp_path / "first % place" / "runs"
    folder.mkdir(parents=True)
    shutil.copy(empty_store, folder)
    store = opened(folder)
    store.open_study("demo/model ü", "s", {"arm": "tpe"}, {})
    store.log_json(store.study_run, {"a": 1}, "a.json")
    return folder


def read(store: Tracking) -> str:
    assert store.find_study("s")
    return store._download(store.study_run, "a.json").read_text()


def places(folder: Path) -> str:
    """Every text of the database that is an address."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        return "\n".join(line for line in database.iterdump() if "file://" in line)


def test_after_a_move_its_artifacts_are_found_and_written_in_the_new_place(
    runs: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere?" / "runs"
    moved.parent.mkdir()
    runs.rename(moved)
    told: list[str] = []
    store = opened(moved, told)
    assert len(told) == 1
    assert str(runs) in told[0]
    assert str(moved) in told[0]
    assert '"a": 1' in read(store)
    store.log_json(store.study_run, {"b": 2}, "b.json")
    assert len(list(moved.glob("artifacts/*/*/artifacts/b.json"))) == 1
    assert not runs.exists()
    assert runs.parent.as_uri() not in places(moved)
    told.clear()
    opened(moved, told)
    assert told == []


def test_a_copy_is_independent_of_what_it_was_copied_from(runs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs, copy)
    store = opened(copy)
    assert store.find_study("s")
    store.log_json(store.study_run, {"b": 2}, "b.json")
    assert not list(runs.glob("artifacts/*/*/artifacts/b.json"))
    assert '"a": 1' in read(opened(runs))


def test_a_folder_that_is_reached_through_a_link_stays_as_it_is(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(runs)
    told: list[str] = []
    assert '"a": 1' in read(opened(tmp_path / "link", told))
    assert told == []


def test_while_another_study_of_the_folder_runs_nothing_is_changed(runs: Path, tmp_path: Path) -> None:
    moved = runs.rename(tmp_path / "moved")
    for study in ("other", "own"):
        (moved / "studies" / study).mkdir(parents=True)
        (moved / "studies" / study / "lock").touch()
    before = places(moved)
    with FileLock(moved / "studies/other/lock"), pytest.raises(StoreError, match="other is running"):
        opened(moved, own="own")
    assert places(moved) == before
    with FileLock(moved / "studies/own/lock"):
        assert '"a": 1' in read(opened(moved, own="own"))

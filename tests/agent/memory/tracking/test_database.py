"""The sqlite file of a store: made by several at once, by killed processes, and by other versions of MLflow."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from agent.memory import Tracking
from agent.memory.tracking.database import prepare
from agent.memory.tracking.faults import StoreError, as_store_error
from agent.memory.tracking.store import parse_address, sqlite_uri
from tests.repository import ROOT

MAKE = """
import sys
from pathlib import Path
from agent.memory import Tracking
folder = Path(sys.argv[1])
store = Tracking("sqlite:///" + str(folder / "mlflow.db"), folder / "artifacts")
store.open_study("demo/model", sys.argv[2], {}, {"number": sys.argv[2]})
"""


KILLED = """
import os, signal
import mlflow.store.db.utils
mlflow.store.db.utils._upgrade_db = lambda engine: os.kill(os.getpid(), signal.SIGKILL)
"""


def start(folder: Path, study: str, first: str = "") -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", first + MAKE, str(folder), study]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def opened(folder: Path, told: list[str] | None = None) -> Tracking:
    tell = told.append if told is not None else (lambda text: None)
    return Tracking(sqlite_uri(folder / "mlflow.db"), folder / "artifacts", tell=tell)


def test_processes_that_start_at_once_share_one_new_store(tmp_path: Path) -> None:
    processes = [start(tmp_path, f"s{number}") for number in range(4)]
    for process in processes:
        out, err = process.communicate(timeout=250)
        assert process.returncode == 0, err + out
    assert {study.name for study in opened(tmp_path).studies()} == {"s0", "s1", "s2", "s3"}
    assert {study.experiment for study in opened(tmp_path).studies()} == {"demo/model"}
    assert not list(tmp_path.glob(".mlflow.db*"))


def test_a_store_whose_making_was_killed_is_made_by_the_next(tmp_path: Path) -> None:
    process = start(tmp_path, "s", KILLED)
    assert process.wait(timeout=250) == -signal.SIGKILL
    assert list(tmp_path.glob(".mlflow.db.*")), "it was killed between the first table and the last"
    assert not (tmp_path / "mlflow.db").exists()
    assert opened(tmp_path).studies() == []
    assert not list(tmp_path.glob(".mlflow.db.*")), "what the killed process left is removed"


def test_a_half_made_store_of_an_earlier_version_is_put_aside_and_told(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY)")
    told: list[str] = []
    assert opened(tmp_path, told).studies() == []
    assert (tmp_path / "mlflow.db.unfinished-1").exists()
    assert "left unfinished" in told[0]


def earlier_store(file: Path) -> str:
    """A store with the tables of an earlier MLflow, and a run in it; its revision."""
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
    from mlflow.store.tracking.dbmodels.initial_models import Base

    config = _get_alembic_config(sqlite_uri(file))
    revision = list(ScriptDirectory.from_config(config).walk_revisions())[4].revision
    engine = create_sqlalchemy_engine(sqlite_uri(file))
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (1, 'demo/model', 'active')"
        )
        database.execute(
            "INSERT INTO runs (run_uuid, name, experiment_id, status, start_time, lifecycle_stage, source_type, "
            "user_id) VALUES ('r', 'old', 1, 'FINISHED', 1, 'active', 'LOCAL', 'me')"
        )
        for key, value in (("kind", "study"), ("study", "old")):
            database.execute("INSERT INTO tags (run_uuid, key, value) VALUES ('r', ?, ?)", (key, value))
    return revision


def test_a_store_of_an_older_mlflow_is_upgraded_and_a_copy_kept(tmp_path: Path) -> None:
    revision = earlier_store(tmp_path / "mlflow.db")
    told: list[str] = []
    assert [study.name for study in opened(tmp_path, told).studies()] == ["old"]
    assert "older MLflow" in told[0]
    with closing(sqlite3.connect(tmp_path / "mlflow.db.before-upgrade-1")) as kept:
        assert kept.execute("SELECT version_num FROM alembic_version").fetchall() == [(revision,)]
    told.clear()
    opened(tmp_path, told)
    assert told == []


def test_a_database_of_ones_own_is_not_upgraded_unasked(tmp_path: Path) -> None:
    earlier_store(tmp_path / "own.db")
    with pytest.raises(StoreError, match="mlflow db upgrade"):
        Tracking(sqlite_uri(tmp_path / "own.db"), tmp_path / "artifacts")


def broken(kind: str, file: Path, empty_store: Path) -> None:
    match kind:
        case "newer":
            shutil.copy(empty_store, file)
            with closing(sqlite3.connect(file)) as database, database:
                database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
                database.execute(
                    "INSERT INTO runs (run_uuid, experiment_id, lifecycle_stage) VALUES ('r', 0, 'active')"
                )
        case "foreign":
            with closing(sqlite3.connect(file)) as database, database:
                database.execute("CREATE TABLE recipes (name TEXT)")
        case "no database":
            file.write_bytes(b"no database at all, and long enough to be read as one" * 100)
        case "damaged":
            content = bytearray(empty_store.read_bytes())
            content[100:20_000] = bytes(19_900)
            file.write_bytes(content)
        case "folder":
            file.mkdir()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("newer", "newer MLflow"),
        ("foreign", "not one of MLflow"),
        ("no database", "damaged, or is no database"),
        ("damaged", "damaged, or is no database"),
        ("folder", "is a folder"),
    ],
)
def test_a_file_that_is_no_store_is_named_and_left_alone(kind, reason, tmp_path, empty_store) -> None:
    file = tmp_path / "mlflow.db"
    broken(kind, file, empty_store)
    before = file.read_bytes() if file.is_file() else None
    began = time.monotonic()
    with pytest.raises(StoreError, match=reason) as error:
        opened(tmp_path)
    assert time.monotonic() - began < 15
    assert str(file) in str(error.value)
    assert (file.read_bytes() if file.is_file() else None) == before


def test_a_full_disk_is_told_with_what_to_do(tmp_path) -> None:
    file = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA max_page_count = 2")
        database.execute("CREATE TABLE a (x)")
        with pytest.raises(sqlite3.OperationalError) as full:
            database.execute("INSERT INTO a VALUES (zeroblob(100000))")
    told = as_store_error(full.value, parse_address(sqlite_uri(file), tmp_path), "log_batch")
    assert told is not None
    assert "iB free" in str(told)
    assert not told.transient


def test_a_locked_store_is_told_before_anything_begins(tmp_path, empty_store, monkeypatch) -> None:
    monkeypatch.setattr("agent.memory.tracking.database._BUSY_SECONDS", 0.2)
    file = Path(shutil.copy(empty_store, tmp_path / "mlflow.db"))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"mlflow\.db is locked by another process"):
            opened(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_cannot_be_written_to_is_told(tmp_path, empty_store) -> None:
    file = Path(shutil.copy(empty_store, tmp_path / "mlflow.db"))
    file.chmod(0o400)
    with pytest.raises(StoreError, match="permissions"):
        prepare(file, tmp_path / "artifacts", lambda text: None, ours=True)


def test_a_folder_with_any_name_holds_the_store_and_nothing_is_made_beside_it(tmp_path, empty_store) -> None:
    for name in ("My%20Data", "what?", "a#b", "Bücher & 'Co'"):
        folder = tmp_path / name / "runs"
        folder.mkdir(parents=True)
        shutil.copy(empty_store, folder)
        store = opened(folder)
        store.open_study("demo/model", "s", {}, {})
        store.log_json(store.study_run, {"a": 1}, "a.json")
        assert [file.name for file in folder.glob("artifacts/*/*/artifacts/*")] == ["a.json"]
        assert opened(folder).find_study("s")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ("My%20Data", "what?", "a#b", "Bücher & 'Co'")
    )


def test_a_data_set_that_two_studies_add_at_the_same_moment_is_added_once(tmp_path: Path) -> None:
    """MLflow looks whether it is there, then adds it: here another study adds it in between."""
    from mlflow.store.tracking.dbmodels.models import SqlDataset
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    told: list[str] = []
    slow, quick = opened(tmp_path, told), opened(tmp_path)
    for store, study in ((slow, "slow"), (quick, "quick")):
        store.open_study("demo/model", study, {}, {})
    between = []

    @event.listens_for(Session, "before_flush")
    def add_it_first(session: Session, *_: object) -> None:
        if not between and any(isinstance(each, SqlDataset) for each in session.new):
            between.append(True)
            quick.log_dataset("demo", "f00d", "/images", {"train": 100})

    try:
        slow.log_dataset("demo", "f00d", "/images", {"train": 100})
    finally:
        event.remove(Session, "before_flush", add_it_first)
    assert between
    assert any("another process wrote the same at the same moment" in text for text in told)
    for store in (slow, quick):
        inputs = store.client.get_run(store.study_run).inputs
        assert inputs is not None
        (found,) = inputs.dataset_inputs
        assert (found.dataset.name, found.dataset.digest) == ("demo", "f00d")


@pytest.mark.parametrize(
    "reason",
    [
        "(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.experiment_id, datasets.name, datasets.digest",
        '(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "dataset_pk"',
        "(pymysql.err.IntegrityError) (1062, \"Duplicate entry '1-demo-f00d' for key 'datasets.PRIMARY'\")",
    ],
)
def test_what_was_written_twice_is_tried_again_and_what_is_refused_is_not(
    tmp_path: Path, reason: str
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import BAD_REQUEST, INVALID_PARAMETER_VALUE

    address = parse_address("http://127.0.0.1:5000", tmp_path)
    twice = as_store_error(MlflowException(reason, BAD_REQUEST), address, "log_inputs")
    assert twice is not None
    assert twice.transient
    changed = MlflowException(f"Changing param values is not allowed: {reason}", INVALID_PARAMETER_VALUE)
    refused = as_store_error(changed, address, "log_param")
    assert refused is not None
    assert not refused.transient

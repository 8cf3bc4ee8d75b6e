"""What was deleted or damaged by hand between two sessions: named, never begun again in silence, never "finished"."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.agent.studies import Ended, agent, copy_trials, resume, run, tracking
from tests.agent.study.test_study_kills import KILLED


@pytest.fixture(scope="session")
def interrupted(once, finished, empty_store) -> Path:
    """The runs folder of a study that was killed in its second iteration."""

    def make(folder: Path) -> None:
        shutil.copy(empty_store, folder)
        copy_trials(finished, folder)
        assert run(folder, "--proposer", "random", moment="after:prepare").returncode == KILLED
        assert resume(folder, moment="after:judge").returncode == KILLED

    return once("interrupted", make)


@pytest.fixture
def study(interrupted: Path, tmp_path: Path) -> Path:
    """A runs folder of its own with that study, without its trials and images: nothing is trained here."""
    skipped = shutil.ignore_patterns("trials", "cache")
    return Path(shutil.copytree(interrupted, tmp_path / "runs", ignore=skipped))


def refused(ended: Ended, *words: str) -> None:
    assert ended.returncode in (1, 2), ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr
    assert "finished" not in ended.stdout
    for word in words:
        assert word in ended.stderr


FILES = {
    "mlflow.db": ("mlflow.db", "is gone", "agent run --config"),
    "studies/s/checkpoint.db": ("checkpoint.db", "is gone", "agent run --config"),
    "studies/s/ledger.jsonl": ("ledger.jsonl", "is gone", "touch"),
    "studies/s/config.yaml": ("config.yaml is gone",),
    "studies/s": ("its folder", "is gone", "it cannot be resumed"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_study_is_not_resumed_without_a_file_that_it_needs(name: str, study: Path) -> None:
    gone = study / name
    for file in [gone, *gone.parent.glob(f"{gone.name}-*")]:
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    refused(resume(study), *FILES[name])
    if name != "mlflow.db":
        assert tracking(study).searched() == {0, 1}
    assert not gone.exists(), "a new one was made in silence"


def damage(file: Path) -> None:
    for journal in file.parent.glob(f"{file.name}-*"):  # from which sqlite would restore it
        journal.unlink()
    file.write_bytes(b"no database at all, and long enough to be read as one" * 200)


def delete_iteration(runs: Path) -> None:
    """As `mlflow gc` does: for good."""
    with closing(sqlite3.connect(runs / "mlflow.db")) as database, database:
        where = "run_uuid IN (SELECT run_uuid FROM tags WHERE key = 'iteration' AND value = '1')"
        for table in ("metrics", "latest_metrics", "params"):
            database.execute(f"DELETE FROM {table} WHERE {where}")
        database.execute(f"DELETE FROM runs WHERE {where}")
        database.execute("DELETE FROM tags WHERE run_uuid NOT IN (SELECT run_uuid FROM runs)")


DAMAGE: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "checkpoint": (lambda runs: damage(runs / "studies/s/checkpoint.db"), ("checkpoint.db", "is damaged")),
    "store": (lambda runs: damage(runs / "mlflow.db"), ("mlflow.db", "is damaged")),
    "where it is in MLflow": (
        lambda runs: (runs / "studies/s/mlflow.json").write_text("{"),
        ("mlflow.json", "is damaged"),
    ),
    "settings": (lambda runs: (runs / "studies/s/config.yaml").write_text("a: [\n"), ("config.yaml", "YAML")),
    "iteration": (delete_iteration, ("no longer holds iteration 1", "deleted for good")),
    "experiment": (
        lambda runs: tracking(runs).client.delete_experiment("1"),
        ("was deleted in MLflow", "mlflow experiments restore --experiment-id 1"),
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_study_is_not_resumed_on_what_was_damaged(what: str, study: Path) -> None:
    act, words = DAMAGE[what]
    act(study)
    refused(resume(study), *words)


def test_show_and_list_say_what_is_gone(study: Path) -> None:
    tracking(study).client.delete_experiment("1")
    refused(agent("show", "s", "--runs-dir", str(study)), "was deleted in MLflow")
    assert "deleted in MLflow" in agent("list", "--runs-dir", str(study)).stdout
    (study / "mlflow.db").unlink()
    refused(agent("show", "s", "--runs-dir", str(study)), "mlflow.db", "is gone")
    listed = agent("list", "--runs-dir", str(study))
    assert listed.returncode == 0
    assert "its database is gone" in listed.stdout


def test_a_new_study_does_not_take_the_place_of_one_whose_folder_is_gone(study: Path) -> None:
    shutil.rmtree(study / "studies/s")
    refused(run(study, "--proposer", "random"), "already holds a study of that name")
    assert tracking(study).searched() == {0, 1}
    assert "its folder is gone" in agent("list", "--runs-dir", str(study)).stdout
    assert not (study / "studies/s").exists()


def test_the_name_of_a_study_without_settings_is_not_free(study: Path) -> None:
    (study / "studies/s/config.yaml").unlink()
    refused(run(study, "--proposer", "random"), "already a study of that name")


def test_a_study_of_the_earlier_version_is_resumed(interrupted: Path, finished: Path, tmp_path: Path) -> None:
    """It kept its checkpoint in a file that all studies shared, and wrote no mlflow.json."""
    runs = Path(shutil.copytree(interrupted, tmp_path / "runs"))
    folder = runs / "studies/s"
    with closing(sqlite3.connect(folder / "checkpoint.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (folder / "checkpoint.db").rename(runs / "checkpoints.db")
    for file in (folder / "mlflow.json", *folder.glob("checkpoint.db-*")):
        file.unlink()
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(config[: config.index("tracking:")])
    done = resume(runs)
    assert done.returncode == 0, done.stderr
    assert (folder / "report.md").exists()
    assert tracking(runs).searched() == {0, 1, 2}

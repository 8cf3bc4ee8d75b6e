"""Fixtures for the tests of whole studies."""

import multiprocessing.forkserver
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from agent.memory import Tracking
from tests.agent.studies import SMALL, spawned

# Before a test in this process starts workers: the server of `studies` has imported more than they need.
multiprocessing.forkserver.ensure_running()

Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id) -> Once:
    """`once(name, make)` is a folder that `make` has filled, once for all processes of pytest-xdist."""
    common = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        common = common.parent

    def folder_of(name: str, make: Callable[[Path], None]) -> Path:
        folder, done = common / name, common / f"{name}.ok"
        with FileLock(common / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def empty_store(once) -> Path:
    """The sqlite file of an MLflow store that holds nothing yet: creating its tables takes longer than a tiny study."""

    def make(folder: Path) -> None:
        Tracking(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")

    return once("empty-store", make) / "mlflow.db"


@pytest.fixture
def runs(tmp_path, empty_store) -> Path:
    """A runs folder without studies."""
    folder = tmp_path / "runs"
    folder.mkdir()
    shutil.copy(empty_store, folder)
    return folder


@pytest.fixture(scope="session")
def finished(once) -> Path:
    """The runs folder of a small study, arm tpe, that ran through; started as a user starts it."""

    def make(folder: Path) -> None:
        done = spawned("run", *SMALL.split(), "--proposer", "tpe", "--study", "s", "--runs-dir", str(folder))
        assert done.returncode == 0, done.stderr + done.stdout

    return once("finished", make)

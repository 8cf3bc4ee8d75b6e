"""Fixtures for the tests of whole studies."""

from pathlib import Path

import pytest
from filelock import FileLock

from tests.agent.studies import SMALL, spawned


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Path:
    """The runs folder of a small study, arm tpe, that ran through; one for all processes of pytest-xdist."""
    common = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        common = common.parent
    runs = common / "finished"
    with FileLock(common / "finished.lock"):
        if not (common / "finished.ok").exists():
            done = spawned(
                "run", *SMALL.split(), "--proposer", "tpe", "--study", "s", "--runs-dir", str(runs)
            )
            assert done.returncode == 0, done.stderr + done.stdout
            (common / "finished.ok").touch()
    return runs

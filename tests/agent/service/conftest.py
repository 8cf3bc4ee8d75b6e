"""Fixtures for the tests of the service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.service.services import Service


@pytest.fixture
def service(runs: Path) -> Iterator[Service]:
    """A service on an empty folder of runs."""
    made = Service(runs)
    yield made.start()
    if made.process.is_alive():
        made.stop()


@pytest.fixture(scope="module")
def served(tmp_path_factory, empty_store) -> Iterator[Service]:
    """A service with one finished study, `done`, and one that is paused, `waits`; for tests that change nothing."""
    import shutil

    runs = tmp_path_factory.mktemp("served") / "runs"
    runs.mkdir()
    shutil.copy(empty_store, runs)
    made = Service(runs, "--mlflow", "http://mlflow.example:5000").start()
    made.submit("done")
    made.submit("waits", **{"search.seed": 7})
    assert made.ask("POST", "/api/studies/waits/pause")[0] == 200
    found = made.wait("done", ("finished", "failed"))
    assert found["state"] == "finished", found["message"]
    yield made
    made.stop()

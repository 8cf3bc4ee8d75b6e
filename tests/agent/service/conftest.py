"""Fixtures for the tests of the service."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.service.config import ServiceConfig
from agent.service.events import FILE, EventLog
from agent.service.queue import Queue
from agent.service.session import LOG
from agent.service.submission import as_stored, settings_of
from agent.service.types import Submission
from agent.settings.sources import load_file
from tests.agent.service.services import SETTINGS, Service


@pytest.fixture(scope="module")
def served(finished: Path, tmp_path_factory) -> Iterator[Service]:
    """A service with one finished study, `s`, and one that is paused, `waits`; for tests that change nothing."""
    runs = tmp_path_factory.mktemp("served") / "runs"
    shutil.copytree(finished, runs)
    _fill(ServiceConfig(runs_dir=runs), "s")
    made = Service(runs, "--mlflow", "http://mlflow.example:5000")
    try:
        yield made.start()
    finally:
        made.stop()


def _fill(config: ServiceConfig, name: str) -> None:
    """Fill the queue of a service that has not started yet: with a study that it has run, and one that is paused."""
    own = config.own(name)
    own.mkdir(parents=True)
    (own / LOG).write_text("12:00:00 study: s\n12:00:01 the end\n")
    said = EventLog(own / FILE)
    said.say("candidate", name="no augmentation", policy="no augmentation", mean=0.4, std=0.1)
    said.say("result", text="Use no augmentation: nothing beats it.")
    queue = Queue(config.folder / "queue.db")
    queue.add(name, as_stored(load_file(config.runs_dir / "studies" / name / "config.yaml")))
    queue.claim(1)
    queue.end(name, "finished")
    submitted = Submission(settings={**SETTINGS, "search.seed": 7})
    queue.add("waits", as_stored(settings_of(submitted, config.runs_dir, {})))
    queue.pause("waits")

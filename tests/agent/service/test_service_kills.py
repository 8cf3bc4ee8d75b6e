"""A service that is killed again and again, with its studies or without: nothing is lost, and nothing runs twice."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.memory import Tracking
from agent.memory.tracking.store import sqlite_uri
from agent.service.session import PROCESS
from agent.service.types import ENDED
from tests.agent.service.services import Service
from tests.agent.studies import ledger
from tools.files import read_json


def kill_studies(runs: Path) -> None:
    """What a machine that loses its power does to the processes of studies."""
    for file in (runs / "service/studies").glob(f"*/{PROCESS}"):
        known = read_json(file) or {}
        try:
            with open(f"/proc/{known['pid']}/stat") as stat:
                if stat.read().rsplit(")", 1)[1].split()[0] != "Z":
                    os.killpg(known["pid"], signal.SIGKILL)
        except (OSError, KeyError):
            continue


@contextmanager
def played(
    runs: Path, studies: int, kills: int, pause: tuple[float, float], **settings: object
) -> Iterator[Service]:
    """Queue so many studies, kill the service so often while they run, and wait for the end of all."""
    moments = random.Random(0)
    service = Service(runs, "--at-once", "2", "--requests-per-second", "1000").start()
    try:
        for number in range(studies):
            # The answer to a submission may be lost as well: asked twice, it is queued once.
            for _ in range(2):
                service.submit(f"s{number}", **{"search.seed": number + 1}, **settings)
        for number in range(kills):
            time.sleep(moments.uniform(*pause))
            service.kill()
            if number % 2:
                kill_studies(runs)
            service.start()
        deadline = time.monotonic() + max(240, 40 * studies)
        while not all(each["state"] in ENDED for each in service.ask("GET", "/api/studies")[1]):
            assert time.monotonic() < deadline, service.output
            time.sleep(0.2)
        yield service
    finally:
        service.stop()


def check(service: Service, runs: Path, studies: int, trials: int) -> None:
    """All finished, each once: one run of each in MLflow, and every trial once."""
    found = service.ask("GET", "/api/studies")[1]
    assert [(each["name"], each["state"], each["message"]) for each in found] == [
        (f"s{number}", "finished", "") for number in range(studies)
    ]
    store = Tracking(sqlite_uri(runs / "mlflow.db"), runs / "artifacts")
    assert sorted(each.name for each in store.studies()) == sorted(each["name"] for each in found)
    assert {each.status for each in store.studies()} == {"FINISHED"}
    for each in found:
        ended: set[str] = set()
        for event in ledger(runs, each["name"]):
            # A session that resumes in a step tells again of the trials that it finds in the store.
            assert event["kind"] != "epoch" or event["id"] not in ended, (
                f"{each['name']} trained a trial again"
            )
            if event["kind"] == "trial":
                ended.add(event["id"])
        assert len(ended) == trials, each["name"]
        folder = runs / "studies" / each["name"]
        assert (folder / "report.html").is_file()


def test_studies_survive_kills_of_the_service_and_of_their_own_processes(runs: Path) -> None:
    with played(runs, studies=2, kills=2, pause=(0.5, 2.0)) as service:
        check(service, runs, studies=2, trials=3)


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_a_hundred_studies_survive_twenty_kills(runs: Path) -> None:
    small = {"data.per_class": 3}  # 30 images to train on
    with played(runs, studies=100, kills=20, pause=(1.0, 20.0), **small) as service:
        check(service, runs, studies=100, trials=3)
        assert sum(each["sessions"] for each in service.ask("GET", "/api/studies")[1]) > 100

"""Which process is started when, and what becomes of a study whose process ends, in every way that one can."""

import multiprocessing
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.service import scheduler as scheduling
from agent.service.config import ServiceConfig
from agent.service.jobs import Jobs
from agent.service.queue import Queue
from agent.service.scheduler import Scheduler
from agent.service.session import PROCESS, is_held
from tests.agent.service.lives import lives
from tests.agent.service.services import until
from tools.files import read_json, write_json

Start = Callable[..., Scheduler]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    (tmp_path / "service").mkdir()
    return Queue(tmp_path / "service/queue.db")


@pytest.fixture
def start(queue: Queue, tmp_path: Path, monkeypatch) -> Iterator[Start]:
    """Starts a scheduler; all are stopped at the end."""
    monkeypatch.setattr(scheduling, "_EVERY", 0.02)
    context = multiprocessing.get_context("fork")
    started: list[Scheduler] = []

    def begin(at_once: int = 1) -> Scheduler:
        config = ServiceConfig(runs_dir=tmp_path, at_once=at_once)
        started.append(Scheduler(queue, config, context, Jobs(context), lives))
        started[-1].start()
        return started[-1]

    yield begin
    for each in started:
        if each._thread.is_alive():
            each.stop()


def state(queue: Queue, name: str) -> str:
    return queue.get(name).state


def began(tmp_path: Path, name: str) -> int:
    """How often a process was started for the study."""
    file = tmp_path / "service/studies" / name / "lives.txt"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_studies_run_in_their_order_as_many_at_once_as_may(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    for name in ("a", "b", "c"):
        queue.add(name, "waits")
    scheduler = start(at_once=2)
    until(lambda: began(tmp_path, "a") and began(tmp_path, "b"), "two do not run")
    assert state(queue, "c") == "queued"
    queue.cancel("a")
    scheduler.wake()
    until(lambda: began(tmp_path, "c"), "the third does not run")
    assert [state(queue, name) for name in ("a", "b", "c")] == ["cancelled", "running", "running"]


@pytest.mark.parametrize(("code", "expected"), [(0, "finished"), (1, "failed"), (2, "failed")])
def test_the_exit_code_of_a_study_says_how_it_ended(
    queue: Queue, start: Start, tmp_path: Path, code: int, expected: str
) -> None:
    queue.add("a", f"ends {code}")
    start()
    until(lambda: state(queue, "a") == expected, f"it is not {expected}")
    assert queue.get("a").message == ("the store does not answer" if code else "")
    assert began(tmp_path, "a") == 1


def test_a_study_is_paused_resumed_and_cancelled(queue: Queue, start: Start, tmp_path: Path) -> None:
    queue.add("a", "waits")
    start()
    until(lambda: began(tmp_path, "a") == 1, "it does not run")
    assert queue.pause("a").state == "pausing"
    until(lambda: state(queue, "a") == "paused", "it is not paused")
    queue.resume("a")
    until(lambda: began(tmp_path, "a") == 2, "it does not run again")
    queue.cancel("a")
    until(lambda: state(queue, "a") == "cancelled", "it is not cancelled")
    assert began(tmp_path, "a") == 2


def test_a_study_that_does_not_stop_is_killed(
    queue: Queue, start: Start, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(scheduling, "_STOPPING", 0.2)
    queue.add("a", "stubborn")
    start()
    until(lambda: began(tmp_path, "a") == 1, "it does not run")
    queue.pause("a")
    until(lambda: state(queue, "a") == "paused", "it is not paused")


def test_a_process_that_dies_again_and_again_is_not_started_for_ever(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    queue.add("a", "dies")
    start()
    until(lambda: state(queue, "a") == "failed", "it has not failed")
    assert began(tmp_path, "a") == 3
    assert "died 3 times in a row" in queue.get("a").message
    assert str(tmp_path / "service/studies/a/log.txt") in queue.get("a").message


def test_a_process_that_dies_before_it_says_who_it_is_is_not_taken_for_an_earlier_one(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    own = tmp_path / "service/studies/a"
    own.mkdir(parents=True)
    write_json(own / PROCESS, {"pid": 2**22, "created": time.time() - 3_600})  # of a good session
    queue.add("a", "is stillborn")
    start()
    until(lambda: state(queue, "a") == "failed" or began(tmp_path, "a") > 5, "it is not started")
    assert (state(queue, "a"), began(tmp_path, "a")) == ("failed", 3)


def test_a_queue_that_cannot_be_read_is_told_once(queue: Queue, start: Start, tmp_path: Path, capsys) -> None:
    scheduler = start()
    with closing(sqlite3.connect(tmp_path / "service/queue.db", isolation_level=None)) as other:
        for _ in range(2):
            other.execute("ALTER TABLE notes RENAME TO gone")
            time.sleep(0.5)
            other.execute("ALTER TABLE gone RENAME TO notes")
            time.sleep(0.5)
    scheduler.stop()
    told = capsys.readouterr().err
    assert told.count("cannot be read or written") == 2, told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_log_that_cannot_be_written_ends_nothing(
    queue: Queue, start: Start, tmp_path: Path, monkeypatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "service/queue.db", isolation_level=None)) as other:
        other.execute("ALTER TABLE notes RENAME TO gone")
        with monkeypatch.context() as full:
            for name in ("stdout", "stderr"):
                full.setattr(sys, name, open("/dev/full", "w"))  # noqa: SIM115  (to close it would fail as well)
            start()
            time.sleep(0.5)
        other.execute("ALTER TABLE gone RENAME TO notes")
    queue.add("a", "ends 0")
    until(lambda: state(queue, "a") == "finished", "the scheduler has ended")


def test_a_fault_that_may_pass_is_waited_out_and_others_go_first(
    queue: Queue, start: Start, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(scheduling, "_FIRST_RETRY", 3.0)
    monkeypatch.setattr(scheduling, "_LATER", 0.1)
    queue.add("a", "fails")
    queue.add("b", "ends 0")
    start()
    until(lambda: state(queue, "b") == "finished", "the other one does not run")
    entry = queue.get("a")
    assert (entry.state, entry.message) == ("queued", "the store does not answer")
    assert entry.not_before is not None
    until(lambda: state(queue, "a") == "failed", "it is tried for ever")
    assert began(tmp_path, "a") == 4
    assert queue.get("a").message.endswith("(tried 4 times)")


def test_a_service_that_ends_interrupts_its_studies_and_the_next_one_resumes_them(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    queue.add("a", "waits")
    first = start()
    until(lambda: began(tmp_path, "a") == 1, "it does not run")
    first.stop()
    assert state(queue, "a") == "running"
    assert not is_held(tmp_path / "service/studies/a")
    start()
    until(lambda: began(tmp_path, "a") == 2, "it is not resumed")
    assert queue.get("a").deaths == 0


def test_a_study_that_outlived_its_service_is_taken_over(queue: Queue, start: Start, tmp_path: Path) -> None:
    queue.add("a", "waits")
    first = start()
    until(lambda: began(tmp_path, "a") == 1, "it does not run")
    first._stop.set()  # as a kill leaves it: the process of the study goes on
    first._thread.join()
    start()
    time.sleep(0.2)
    assert (began(tmp_path, "a"), state(queue, "a")) == (1, "running")
    queue.pause("a")
    until(lambda: state(queue, "a") == "paused", "it is not told to stop")
    assert began(tmp_path, "a") == 1


def test_a_study_that_ended_while_no_service_ran_is_found_ended(
    queue: Queue, start: Start, tmp_path: Path
) -> None:
    queue.add("a", "waits")
    first = start()
    until(lambda: began(tmp_path, "a") == 1, "it does not run")
    first._stop.set()
    first._thread.join()
    os.kill((read_json(tmp_path / "service/studies/a" / PROCESS) or {})["pid"], signal.SIGKILL)
    queue.cancel("a")
    start()
    until(lambda: state(queue, "a") == "cancelled", "it is not cancelled")
    assert began(tmp_path, "a") == 1

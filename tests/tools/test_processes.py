"""Real worker processes: what they return, and how they end."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.repository import ROOT
from tests.tools.drive_processes import add, prepare
from tools.processes import WorkerDied, exit_with_parent, run_in_processes


def test_every_task_has_its_result_and_tasks_are_drawn_as_they_are_needed():
    drawn = []

    def tasks() -> Iterator[int]:
        for task in range(14, 44):
            drawn.append(task)
            yield task

    results = run_in_processes(add, tasks(), 2, prepare, (100,))
    first = next(results)
    assert len(drawn) <= 8

    assert sorted([first, *results]) == list(range(114, 144))


def test_a_worker_that_dies_is_an_error_that_names_the_tasks_in_flight():
    with pytest.raises(WorkerDied) as caught:
        list(run_in_processes(add, [1, 2, 13, 3], 1, prepare, (0,)))
    assert 13 in caught.value.in_flight
    assert set(caught.value.in_flight) <= {1, 2, 13, 3}


def test_an_error_in_a_task_reaches_the_caller_and_ends_the_workers():
    with pytest.raises(ValueError, match="99"):
        list(run_in_processes(add, [1, 99], 1, prepare, (0,)))
    assert not [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]


def test_workers_of_a_killed_parent_end():
    command = [sys.executable, "-m", "tests.tools.drive_processes"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) >= 100
        below = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
        _, alive = psutil.wait_procs(below, timeout=20)
    assert below
    assert alive == []


def test_a_process_that_multiprocessing_did_not_start_has_no_such_parent():
    with pytest.raises(RuntimeError):
        exit_with_parent()

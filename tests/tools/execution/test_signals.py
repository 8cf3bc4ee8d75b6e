"""What becomes of workers when the process that owns them is interrupted or killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.tools.training.trials import tiny_trial
from tools.datasets.cache.read import CachedDataset

DRIVE = Path(__file__).with_name("drive.py")


@contextmanager
def driven(tinted: CachedDataset, root: Path, loader_workers: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A process in a session of its own, as a terminal starts it, that trains without end."""
    spec = tiny_trial(tinted, root, epochs=10_000, loader_workers=loader_workers)
    file = root / "spec.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(spec.model_dump_json())
    with subprocess.Popen(
        [sys.executable, DRIVE, file],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def descendants_at(kind: str, process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes below `process` once it reports an event of `kind`."""
    assert process.stdout is not None
    for line in process.stdout:
        told, *pids = line.split()
        if told == kind:
            return [psutil.Process(int(pid)) for pid in pids if psutil.pid_exists(int(pid))]
    raise AssertionError(process.stderr.read() if process.stderr else "")


@pytest.mark.parametrize("when", [pytest.param("started", marks=pytest.mark.slow), "epoch"])
def test_workers_of_a_killed_parent_end_at_once(tinted: CachedDataset, tmp_path: Path, when: str):
    with driven(tinted, tmp_path) as process:
        below = descendants_at(when, process)
        while not below:  # a trial is told of before a worker has it
            below = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        _, alive = psutil.wait_procs(below, timeout=20)
    assert alive == []


@pytest.mark.slow
def test_loader_processes_of_a_killed_parent_end_too(tinted: CachedDataset, tmp_path: Path):
    with driven(tinted, tmp_path, loader_workers=2) as process:
        below = descendants_at("epoch", process)
        process.kill()
        _, alive = psutil.wait_procs(below, timeout=20)
    assert len(below) >= 3
    assert alive == []


@pytest.mark.parametrize("when", ["started", pytest.param("epoch", marks=pytest.mark.slow)])
def test_ctrl_c_is_for_the_parent_to_decide(tinted: CachedDataset, tmp_path: Path, when: str):
    with driven(tinted, tmp_path) as process:
        below = descendants_at(when, process)
        # a terminal sends it to every process of the session
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=30)
        _, alive = psutil.wait_procs(below, timeout=5)
    assert "interrupted" in output
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert alive == []


def test_ctrl_c_twice_leaves_no_process_behind(tinted: CachedDataset, tmp_path: Path):
    with driven(tinted, tmp_path) as process:
        below = descendants_at("epoch", process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("interrupted"):
                break
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
        _, alive = psutil.wait_procs(below, timeout=5)
    assert below
    assert alive == []


@pytest.mark.slow
def test_a_terminated_parent_leaves_no_workers(tinted: CachedDataset, tmp_path: Path):
    with driven(tinted, tmp_path) as process:
        below = descendants_at("epoch", process)
        process.terminate()
        _, alive = psutil.wait_procs(below, timeout=20)
        assert process.wait(timeout=10) == -signal.SIGTERM
    assert alive == []

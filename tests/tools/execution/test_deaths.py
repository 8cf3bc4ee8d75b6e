"""Workers that die: the trial resumes in another one, and only a trial that kills three has failed."""

import multiprocessing
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.tools.execution import tasks
from tests.tools.execution.tasks import workers
from tests.tools.training.trials import numbers, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.execution import local, worker_process
from tools.execution.devices import WorkerPlan
from tools.execution.local import LocalExecutor, WorkersDie
from tools.training.config import TrialSpec
from tools.training.trial_store import read_result
from tools.training.types import TrialEvent, TrialResult

ONE = [WorkerPlan("cpu", 1)]
EPOCHS = 24
"""Seconds of training, so that a busy machine kills a worker before its trial ends."""


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    """One worker for all tests, because each takes seconds to start; it is replaced after it died."""
    with LocalExecutor(ONE, timeout=None) as shared:
        yield shared


class Killer:
    """Kills the worker when it reports an epoch, as often as there are signals."""

    def __init__(self, *signals: int) -> None:
        self._signals = list(signals)
        self.notes: list[str] = []
        self.epochs: list[int] = []
        self._killed: set[int] = set()
        """Whose last epochs may be read after its death."""

    def __call__(self, event: TrialEvent) -> None:
        if event.kind == "note":
            self.notes.append(event.text)
        if event.kind == "epoch" and event.epoch is not None:
            self.epochs.append(event.epoch.epoch)
            alive = [worker.pid for worker in workers() if worker.pid not in self._killed]
            if self._signals and alive:
                self._killed.add(alive[0])
                os.kill(alive[0], self._signals.pop(0))


@pytest.fixture(scope="module")
def whole(executor: LocalExecutor, tinted: CachedDataset, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The numbers of a trial whose worker lived."""
    (result,) = executor.train([long_trial(tinted, tmp_path_factory.mktemp("whole"))], Killer())
    return numbers(result)


def long_trial(tinted: CachedDataset, root: Path) -> TrialSpec:
    return tiny_trial(tinted, root, epochs=EPOCHS)


def test_a_trial_whose_worker_was_killed_twice_ends_as_if_nothing_had_been(
    executor: LocalExecutor, tinted: CachedDataset, tmp_path: Path, whole: Any
):
    killer = Killer(signal.SIGKILL, signal.SIGTERM)
    (result,) = executor.train([long_trial(tinted, tmp_path)], killer)
    assert numbers(result) == whole
    assert killer.epochs == list(range(1, EPOCHS + 1)), "no epoch is reported twice"
    assert "SIGKILL" in killer.notes[0]
    assert "resumes from its checkpoint (try 2 of 3)" in killer.notes[0]
    assert "SIGTERM" in killer.notes[1]
    assert "try 3 of 3" in killer.notes[1]
    assert len(killer.notes) == 2


def test_a_trial_that_kills_three_workers_has_failed_and_resumes_when_it_is_trained_again(
    executor: LocalExecutor, tinted: CachedDataset, tmp_path: Path, whole: Any
):
    spec, other = long_trial(tinted, tmp_path), tiny_trial(tinted, tmp_path, seed=1, epochs=1)
    killer = Killer(*[signal.SIGKILL] * 3)
    dead, fine = executor.train([spec, other], killer)
    assert (dead.status, dead.failure) == ("failed", "worker_died")
    assert "failed 3 times" in dead.reason
    assert "execution.workers" in dead.reason
    assert dead.seconds >= sum(report.seconds for report in dead.epochs) > 0
    assert len(killer.notes) == 2
    assert fine.status == "finished"
    assert read_result(spec.directory) is None
    (resumed,) = executor.train([spec], Killer())
    assert numbers(resumed) == whole


@pytest.mark.parametrize(
    ("task", "told"),
    [(tasks.exit_quietly, "exit code 0"), (tasks.crash, "SIGSEGV (a crash in native code")],
    ids=["exit", "crash"],
)
def test_what_always_crashes_ends_with_a_reason_in_words(
    executor: LocalExecutor,
    tinted: CachedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: Any,
    told: str,
):
    monkeypatch.setattr(local, "train_in_worker", task)
    monkeypatch.setattr(local, "MOST_TRIES", 2)  # each takes seconds
    spec, killer = tiny_trial(tinted, tmp_path), Killer()
    (result,) = executor.train([spec], killer)
    assert result.failure == "worker_died"
    assert "failed 2 times" in result.reason
    assert told in result.reason
    assert len(killer.notes) == 1
    if task is tasks.crash:
        assert "Fatal Python error: Segmentation fault" in result.reason
        assert "tasks.py" in (spec.directory / "worker.log").read_text()
        assert str(spec.directory / "worker.log") in result.reason


def test_workers_that_end_before_they_begin_stop_everything_and_no_trial_has_failed(
    tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # torch cannot be imported there, in a process that starts from nothing
    monkeypatch.setattr(worker_process, "_context", lambda: multiprocessing.get_context("spawn"))
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('libcudart.so.13 is missing')")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = tiny_trial(tinted, tmp_path / "trials")
    with (
        pytest.raises(WorkersDie, match=r"libcudart\.so\.13 is missing") as caught,
        LocalExecutor(ONE, None) as mine,
    ):
        list(mine.train([spec], Killer()))
    assert caught.value.resumable
    assert read_result(spec.directory) is None


def test_what_workers_write_never_reaches_the_terminal(
    executor: LocalExecutor,
    tinted: CachedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(local, "train_in_worker", tasks.chatter)
    spec = tiny_trial(tinted, tmp_path, epochs=1)
    (result,) = executor.train([spec], Killer())
    assert result.status == "finished"
    assert capfd.readouterr() == ("", "")
    assert not (spec.directory / "worker.log").exists()


def test_waiting_for_another_process_that_trains_the_same_trial_is_told_and_no_time_out(
    tinted: CachedDataset, tmp_path: Path
):
    spec = tiny_trial(tinted, tmp_path, epochs=1)
    spec.directory.mkdir(parents=True)
    held = FileLock(spec.directory / "trial.lock")
    held.acquire()
    notes: list[str] = []

    def on_event(event: TrialEvent) -> None:
        if event.kind == "note":
            notes.append(event.text)
            held.release()

    with LocalExecutor(ONE, timeout=60) as mine:
        results: list[TrialResult] = list(mine.train([spec], on_event))
    assert results[0].status == "finished"
    assert notes == ["another process trains it: waiting for its result"]


def test_a_time_out_follows_no_clock_that_can_be_set(
    executor: LocalExecutor, tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import time

    real, calls = time.time, iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: real() + 86_400 * next(calls))
    monkeypatch.setattr(executor, "_timeout", 100.0)
    (result,) = executor.train([tiny_trial(tinted, tmp_path)], Killer())
    assert result.status == "finished"


def killed_at_random(
    executor: LocalExecutor, tinted: CachedDataset, root: Path, kills: int, chance: random.Random
) -> list[TrialResult]:
    """Trials that are killed between two events, up to twice each, at moments that chance decides."""
    results = []
    left = kills
    for number in range(kills):
        spec = long_trial(tinted, root / str(number))
        of_this = min(left, 2)
        wanted = sorted(chance.sample(range(1, 8), of_this))
        left -= of_this
        killer = Killer()

        def on_event(event: TrialEvent, killer: Killer = killer, wanted: list[int] = wanted) -> None:
            killer(event)
            if event.kind == "epoch" and wanted and event.epoch and event.epoch.epoch >= wanted[0]:
                wanted.pop(0)
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 0.1))

        def strike(number: int, frame: Any) -> None:
            for worker in workers():
                worker.kill()

        before = signal.signal(signal.SIGALRM, strike)
        try:
            results += executor.train([spec], on_event)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        if not left:
            return results
    return results


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_at_random_moments_change_no_number(
    executor: LocalExecutor, tinted: CachedDataset, tmp_path: Path, whole: Any, kills: int
):
    results = killed_at_random(executor, tinted, tmp_path, kills, random.Random(kills))
    assert [numbers(result) for result in results] == [whole] * len(results)

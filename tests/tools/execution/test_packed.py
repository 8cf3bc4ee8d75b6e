"""Packs of trials in a process of their own: its deaths, its locks, and what it hands back."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from filelock import FileLock

from tests.tools.execution.tasks import begin_again, workers
from tests.tools.training.trials import numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.errors import ConfigurationError
from tools.execution.config import ExecutionConfig
from tools.execution.devices import WorkerPlan
from tools.execution.local import LocalExecutor, WorkersDie
from tools.execution.make import described, make_executor, workers_of
from tools.execution.packed import PackedExecutor, PackProcess
from tools.execution.packed_worker import PackPlan
from tools.execution.worker import read_outcome
from tools.training.config import TrialSpec
from tools.training.loop import train_trial
from tools.training.trial_store import LOCK, RESULT
from tools.training.types import TrialEvent, TrialResult

PLAN = PackPlan("cpu", threads=1, size=3, processes=0, timeout=None)


@pytest.fixture(scope="module")
def executor() -> Iterator[PackedExecutor]:
    """One process for all tests, because each takes seconds to start; it is replaced after it died."""
    with PackedExecutor([PLAN]) as shared:
        yield shared


class Watch:
    """Remembers events; does something when the first epoch is reported, as often as it is told to."""

    def __init__(self, at_epoch: Callable[[], None] = lambda: None, times: int = 0) -> None:
        self.events: list[TrialEvent] = []
        self._at_epoch, self._times = at_epoch, times

    def __call__(self, event: TrialEvent) -> None:
        self.events.append(event)
        if event.kind == "epoch" and self._times:
            self._times -= 1
            self._at_epoch()

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if event.kind == "note"]

    def epochs(self, key: str) -> list[int]:
        return [event.epoch.epoch for event in self.events if event.key == key and event.epoch is not None]


def kill_workers() -> None:
    for worker in workers():
        os.kill(worker.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def whole(tinted: CachedDataset, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The numbers of four trials, of the single trainer."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    specs = trials(tinted, tmp_path_factory.mktemp("whole"))
    found = [numbers(train_trial(spec, "cpu", silent)) for spec in specs]
    torch.set_num_threads(before)
    return found


def trials(tinted: CachedDataset, root: Path) -> list[TrialSpec]:
    return [tiny_trial(tinted, root, seed=seed, epochs=4) for seed in range(4)]


def in_order(results: list[TrialResult], specs: list[TrialSpec]) -> list[Any]:
    found = {result.key: numbers(result) for result in results}
    assert len(results) == len(specs)
    return [found[spec.key] for spec in specs]


def test_every_trial_has_one_result_and_its_epochs_are_reported_once(
    executor: PackedExecutor, tinted: CachedDataset, tmp_path: Path, whole: list[Any]
):
    specs, watch = trials(tinted, tmp_path), Watch()
    results = list(executor.train(specs, watch))
    assert in_order(results, specs) == whole
    for spec in specs:
        assert watch.epochs(spec.key) == [1, 2, 3, 4]
        kinds = [event.kind for event in watch.events if event.key == spec.key]
        assert (kinds[0], kinds[-1]) == ("started", "ended")
    (pace,) = executor.take_pace()
    assert "images/s" in pace
    assert executor.take_pace() == []
    assert executor.evaluate(specs[:1], "train")[0].scores.accuracy > 0


def test_trials_of_a_pack_that_was_killed_resume_and_end_as_if_nothing_had_been(
    executor: PackedExecutor, tinted: CachedDataset, tmp_path: Path, whole: list[Any]
):
    specs, watch = trials(tinted, tmp_path), Watch(kill_workers, times=1)
    assert in_order(list(executor.train(specs, watch)), specs) == whole
    (note,) = watch.notes
    assert "SIGKILL" in note
    assert "trials resume from their checkpoints" in note


def test_trials_that_were_in_two_packs_that_died_are_trained_alone(
    executor: PackedExecutor, tinted: CachedDataset, tmp_path: Path, whole: list[Any]
):
    specs, watch = trials(tinted, tmp_path), Watch(kill_workers, times=2)
    assert in_order(list(executor.train(specs, watch)), specs) == whole
    assert len(watch.notes) == 2


def test_what_a_session_found_can_be_read_until_the_next_one_has_ended(
    executor: PackedExecutor, tinted: CachedDataset, tmp_path: Path
):
    spec, read = trials(tinted, tmp_path)[0], list[TrialResult]()
    (first,) = executor.train([spec], Watch())
    begin_again(spec)
    (second,) = executor.train([spec], Watch(lambda: read.append(read_outcome(spec.directory)), times=1))
    assert [numbers(result) for result in read] == [numbers(first)]
    assert numbers(second) == numbers(first)


def test_a_trial_that_another_process_holds_does_not_keep_the_others_waiting(
    executor: PackedExecutor, tinted: CachedDataset, tmp_path: Path, whole: list[Any]
):
    specs = trials(tinted, tmp_path)
    specs[0].directory.mkdir(parents=True)
    lock = FileLock(specs[0].directory / LOCK, thread_local=False)
    lock.acquire()
    ended: list[str] = []
    watch = Watch()
    for result in executor.train(specs, watch):
        ended.append(result.key)
        if len(ended) == 3:
            threading.Timer(0.1, lock.release).start()
    assert ended[-1] == specs[0].key
    assert "another process trains it: waiting for its result" in watch.notes


def test_a_process_that_dies_before_it_begins_is_not_a_trials_fault(
    tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(PackProcess, "_life", lambda self, connection: (os._exit, (3,)))
    with (
        PackedExecutor([PLAN]) as executor,
        pytest.raises(WorkersDie, match=r"exit code 3.*execution\.pack=off"),
    ):
        list(executor.train([tiny_trial(tinted, tmp_path)], Watch()))


def test_a_trial_that_is_out_of_time_is_named_and_the_others_finish(tinted: CachedDataset, tmp_path: Path):
    endless = tiny_trial(tinted, tmp_path, epochs=10_000)
    short = tiny_trial(tinted, tmp_path, epochs=1)
    with PackedExecutor([PackPlan("cpu", 1, 2, 0, timeout=8.0)]) as executor:
        found = {result.key: result for result in executor.train([endless, short], Watch())}
    assert found[endless.key].failure == "timeout"
    assert "execution.trial_timeout" in found[endless.key].reason
    assert found[endless.key].epochs
    assert found[short.key].status == "finished"


def test_closing_the_iterator_stops_the_pack_and_its_processes(tinted: CachedDataset, tmp_path: Path):
    spec = tiny_trial(tinted, tmp_path, "rotate(p=0.5, degrees=15)", epochs=10_000)
    before = set(psutil.Process().children(recursive=True))  # of other tests
    with PackedExecutor([PackPlan("cpu", 1, 1, 1, None)]) as executor:
        seen: list[psutil.Process] = []

        class Enough(Exception):
            pass

        def stop(event: TrialEvent) -> None:
            if event.kind == "epoch":
                now = psutil.Process().children(recursive=True)
                seen.extend(child for child in now if child not in before)
                raise Enough

        results = executor.train([spec], stop)
        with pytest.raises(Enough):
            next(results)
        trackers = [child for child in psutil.Process().children() if child not in workers()]
    assert len(seen) > 2, "the pack's process, and at least one that augments"
    gone, alive = psutil.wait_procs([child for child in seen if child not in trackers], timeout=30)
    assert gone
    assert [(p.pid, p.cmdline()) for p in alive] == []


def killed_at_random(
    executor: PackedExecutor, specs: list[TrialSpec], kills: int, chance: random.Random
) -> list[TrialResult]:
    """All results, from as many sessions as it takes: each kill strikes at a moment that chance decides."""
    left = [kills]

    def strike(number: int, frame: Any) -> None:
        kill_workers()

    def on_event(event: TrialEvent) -> None:
        if event.kind in ("epoch", "ended") and left[0] and chance.random() < 0.5:
            left[0] -= 1
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 0.3))

    before = signal.signal(signal.SIGALRM, strike)
    try:
        return list(executor.train(specs, on_event))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_at_random_moments_lose_nothing_and_train_no_finished_trial_twice(
    executor: PackedExecutor, tinted: CachedDataset, tmp_path: Path, whole: list[Any], kills: int
):
    chance = random.Random(kills)
    done = 0
    while done < kills:
        root = tmp_path / str(done)
        specs = trials(tinted, root)
        first = killed_at_random(executor, specs, min(3, kills - done), chance)
        done += 3
        assert in_order(first, specs) == whole
        stamps = [(spec.directory / RESULT).stat().st_mtime_ns for spec in specs]
        assert in_order(list(executor.train(specs, Watch())), specs) == whole
        assert [(spec.directory / RESULT).stat().st_mtime_ns for spec in specs] == stamps


CUDA = [WorkerPlan("cuda:0", 8), WorkerPlan("cuda:1", 8)]


@pytest.mark.parametrize(
    ("pack", "plans", "expected"),
    [
        ("auto", CUDA, ["cuda:0", "cuda:1"]),
        ("auto", [*CUDA, WorkerPlan("cuda:0", 8)], ["cuda:0", "cuda:1"]),
        (4, CUDA[:1], ["cuda:0"]),
        (4, [WorkerPlan("cpu", 2)], ["cpu"]),
        ("auto", [WorkerPlan("cpu", 2)], None),
        ("off", CUDA, None),
    ],
)
def test_packs_are_made_where_they_are_asked_for_and_auto_means_cuda(
    pack: Any, plans: list[WorkerPlan], expected: Any
):
    config = ExecutionConfig(pack=pack)
    with make_executor(config, plans, loader_workers=6) as made:
        if expected is None:
            assert isinstance(made, LocalExecutor)
            return
        assert isinstance(made, PackedExecutor)
        assert [plan.device for plan in made.plans] == expected
        assert sum(plan.processes for plan in made.plans) == 6
        assert {plan.size for plan in made.plans} == {None if pack == "auto" else pack}
        assert "side by side" in described(made, plans)


def test_a_device_whose_trials_run_in_a_pack_counts_as_one_worker():
    """A limit on wall-clock time would else be planned as if there were several packs."""
    config = ExecutionConfig(device="cpu", workers=3, threads=1, pack=2)
    assert workers_of(config) == [WorkerPlan("cpu", 1)]
    assert len(workers_of(config.model_copy(update={"pack": "auto"}))) == 3, "which packs on CUDA alone"


def test_trials_are_trained_one_at_a_time_by_default():
    with make_executor(ExecutionConfig(), CUDA) as made:
        assert isinstance(made, LocalExecutor)


def test_an_executor_needs_a_device():
    with pytest.raises(ConfigurationError, match="at least one worker"):
        PackedExecutor([])

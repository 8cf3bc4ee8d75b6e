"""Real worker processes, killed for real."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.tools.training.trials import numbers, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.errors import AugurError, ConfigurationError
from tools.execution.devices import WorkerPlan
from tools.execution.executor import Executor
from tools.execution.local import LocalExecutor
from tools.training.config import TrialSpec
from tools.training.trial_store import read_result
from tools.training.types import TrialEvent, TrialResult

ONE = [WorkerPlan("cpu", 1)]
ENDLESS = 10_000
"""Epochs that no test waits for."""


def workers() -> list[psutil.Process]:
    """Worker processes of this process: all spawned children but Python's resource tracker."""
    children = psutil.Process().children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


class Events(list[TrialEvent]):
    """Events, and a hand that kills the worker at the first epoch of one trial."""

    def __init__(self, deadly: TrialSpec | None = None, with_signal: int = signal.SIGKILL) -> None:
        super().__init__()
        self._deadly, self._signal = deadly, with_signal

    def __call__(self, event: TrialEvent) -> None:
        self.append(event)
        if self._deadly is not None and event.kind == "epoch" and event.key == self._deadly.key:
            self._deadly = None
            (worker,) = workers()
            os.kill(worker.pid, self._signal)

    def of(self, spec: TrialSpec) -> list[tuple[str, int | None]]:
        return [(e.kind, e.epoch.epoch if e.epoch else None) for e in self if e.key == spec.key]


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    """One worker for all tests, because each takes seconds to start; it outlives its dead ones."""
    with LocalExecutor(ONE, timeout=None) as shared:
        yield shared


def test_trials_stream_their_progress_and_end_once_each(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    specs, events = [tiny_trial(tinted, tmp_path, seed=seed) for seed in range(2)], Events()
    results = list(executor.train(specs, events))
    assert {result.key: result.status for result in results} == {spec.key: "finished" for spec in specs}
    for spec in specs:
        assert events.of(spec) == [
            ("started", None),
            ("epoch", 1),
            ("epoch", 2),
            ("epoch", 3),
            ("ended", None),
        ]
    assert {event.device for event in events} == {"cpu"}
    assert [event.result for event in events if event.result] == results


def test_a_worker_is_reused_between_trials(executor: Executor, tinted: CachedDataset, tmp_path: Path):
    seen: set[int] = set()
    for seed in range(2):
        for _ in executor.train([tiny_trial(tinted, tmp_path, seed=seed, epochs=1)], lambda event: None):
            seen |= {worker.pid for worker in workers()}
    assert len(seen) == 1


def test_a_worker_and_this_process_find_the_same_numbers(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    import torch

    from tests.tools.training.trials import silent
    from tools.training.loop import train_trial

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    here = train_trial(tiny_trial(tinted, tmp_path / "here"), "cpu", silent)
    torch.set_num_threads(before)
    (there,) = executor.train([tiny_trial(tinted, tmp_path / "there")], lambda event: None)
    assert numbers(here) == numbers(there)


def test_divergence_is_a_result_and_spares_the_worker(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    bad = tiny_trial(tinted, tmp_path, optimizer="sgd", learning_rate=1e30, gradient_clip=None)
    list(executor.train([tiny_trial(tinted, tmp_path, epochs=1)], Events()))
    before = [worker.pid for worker in workers()]
    (result,) = executor.train([bad], Events())
    assert (result.status, result.failure) == ("failed", "non_finite_loss")
    assert [worker.pid for worker in workers()] == before


def test_trials_are_evaluated_in_the_order_asked_for(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    specs = [tiny_trial(tinted, tmp_path, seed=seed) for seed in range(2)]
    results = {result.key: result for result in executor.train(specs, Events())}
    for asked in (specs, specs[::-1]):
        found = executor.evaluate(asked, "validation")
        assert [p.scores for p in found] == [results[spec.key].scores for spec in asked]
    (test,) = executor.evaluate(specs[:1], "test")
    np.testing.assert_array_equal(test.labels, tinted.open_test().labels)


def test_a_trial_that_cannot_be_evaluated_is_named(executor: Executor, tinted: CachedDataset, tmp_path: Path):
    spec = tiny_trial(tinted, tmp_path, seed=5)
    spec.directory.mkdir(parents=True)
    with pytest.raises(AugurError, match=rf"{spec.key[:12]}.*seed 5.*no weights"):
        executor.evaluate([spec], "test")


def test_a_worker_that_dies_costs_its_own_trial_only_and_that_trial_goes_on_later(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    doomed = tiny_trial(tinted, tmp_path, epochs=12)
    others = [tiny_trial(tinted, tmp_path, seed=seed, epochs=1) for seed in range(1, 4)]
    events = Events(deadly=doomed)
    results = {r.key: r for r in executor.train([others[0], doomed, *others[1:]], events)}
    assert len(results) == 4
    dead = results[doomed.key]
    assert (dead.status, dead.failure) == ("failed", "worker_died")
    assert "SIGKILL" in dead.reason
    assert dead.epochs
    assert dead.seconds >= sum(report.seconds for report in dead.epochs)
    assert [results[spec.key].status for spec in others] == ["finished"] * 3
    assert read_result(doomed.directory) is None

    whole = tiny_trial(tinted, tmp_path / "whole", epochs=12)
    resumed, uninterrupted = executor.train([doomed, whole], Events())
    assert resumed.status == "finished"
    assert numbers(resumed) == numbers(uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "told"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGTERM, "exit code 15")])
def test_however_a_worker_dies_the_reason_says_it(
    executor: Executor, tinted: CachedDataset, tmp_path: Path, number: int, told: str
):
    doomed = tiny_trial(tinted, tmp_path, epochs=ENDLESS)
    (dead,) = executor.train([doomed], Events(deadly=doomed, with_signal=number))
    assert dead.failure == "worker_died"
    assert told in dead.reason


def test_a_trial_out_of_time_is_killed_and_the_next_one_runs(tinted: CachedDataset, tmp_path: Path):
    slow = tiny_trial(tinted, tmp_path, epochs=ENDLESS)
    quick = tiny_trial(tinted, tmp_path, seed=1, epochs=1)
    with LocalExecutor(ONE, timeout=4.0) as executor:
        results = {result.key: result for result in executor.train([slow, quick], Events())}
    assert (results[slow.key].status, results[slow.key].failure) == ("failed", "timeout")
    assert "4 s" in results[slow.key].reason
    assert "execution.trial_timeout" in results[slow.key].reason
    assert results[quick.key].status == "finished"


def test_an_error_in_a_trial_replaces_its_worker(executor: Executor, tinted: CachedDataset, tmp_path: Path):
    bad = tiny_trial(tinted, tmp_path).model_copy(update={"classes": 2})
    good = tiny_trial(tinted, tmp_path / "good", epochs=1)
    failed, fine = executor.train([bad, good], Events())
    assert (failed.failure, fine.status) == ("error", "finished")


def test_an_idle_worker_that_died_is_replaced_at_no_trials_cost(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    list(executor.train([tiny_trial(tinted, tmp_path, epochs=1)], Events()))
    (idle,) = workers()
    idle.kill()
    (result,) = executor.train([tiny_trial(tinted, tmp_path, seed=1, epochs=1)], Events())
    assert result.status == "finished"


def test_two_workers_train_two_trials_at_a_time_but_never_the_same_one(tinted: CachedDataset, tmp_path: Path):
    spec, events = tiny_trial(tinted, tmp_path, epochs=3), Events()
    with LocalExecutor(ONE * 2, timeout=None) as executor:
        results: list[TrialResult] = list(executor.train([spec, spec], events))
        assert len(list(executor.train([tiny_trial(tinted, tmp_path, seed=1, epochs=1)], Events()))) == 1
    assert [event.kind for event in events[:2]] == ["started", "started"]
    assert [result.status for result in results] == ["finished"] * 2
    assert results[0] == results[1]
    assert (spec.directory / "epochs.jsonl").read_text().count("\n") == 3


def test_closing_the_results_stops_the_trials_and_starts_no_more(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    first = tiny_trial(tinted, tmp_path, epochs=1)
    rest = [tiny_trial(tinted, tmp_path, seed=seed, epochs=ENDLESS) for seed in (1, 2)]
    events = Events()
    results = executor.train([first, *rest], events)
    assert next(results).status == "finished"
    close_started = time.monotonic()
    results.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert time.monotonic() - close_started < 10
    assert workers() == []
    assert events.of(rest[1]) == []
    assert all(read_result(spec.directory) is None for spec in rest)


@pytest.mark.slow
def test_leaving_the_context_kills_running_trials(tinted: CachedDataset, tmp_path: Path):
    spec = tiny_trial(tinted, tmp_path, epochs=ENDLESS)

    class Enough(Exception):
        pass

    def on_event(event: TrialEvent) -> None:
        if event.kind == "epoch":
            assert len(workers()) == 1
            raise Enough

    with pytest.raises(Enough), LocalExecutor(ONE, timeout=None) as executor:
        list(executor.train([spec], on_event))
    assert workers() == []


def test_without_work_no_process_starts():
    with LocalExecutor(ONE, timeout=None) as executor:
        assert list(executor.train([], Events())) == []
        assert executor.evaluate([], "test") == []
        assert workers() == []


def test_an_executor_without_workers_is_refused():
    with pytest.raises(ConfigurationError, match=r"execution\.workers"):
        LocalExecutor([], timeout=None)

"""Real worker processes, killed for real."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.tools.execution.tasks import begin_again, workers
from tests.tools.training.trials import numbers, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.errors import AugurError, ConfigurationError
from tools.execution.devices import WorkerPlan
from tools.execution.executor import Executor
from tools.execution.local import LocalExecutor
from tools.execution.worker import read_outcome
from tools.training.config import TrialSpec
from tools.training.trial_store import read_result
from tools.training.types import TrialEvent, TrialResult

ONE = [WorkerPlan("cpu", 1)]
ENDLESS = 10_000
"""Epochs that no test waits for."""


class Events(list[TrialEvent]):
    """Collects events."""

    def __call__(self, event: TrialEvent) -> None:
        self.append(event)

    def of(self, spec: TrialSpec) -> list[tuple[str, int | None]]:
        own = [e for e in self if e.key == spec.key and e.kind != "step"]
        return [(e.kind, e.epoch.epoch if e.epoch else None) for e in own]


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    """One worker for all tests, because each takes seconds to start; it is restarted after it was killed."""
    with LocalExecutor(ONE, timeout=None) as shared:
        yield shared


@dataclass
class Trained:
    """Two trials that one worker has trained."""

    specs: list[TrialSpec]
    results: list[TrialResult]
    events: Events
    pids: set[int]


@pytest.fixture(scope="module")
def trained(executor: Executor, tinted: CachedDataset, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root, events, pids = tmp_path_factory.mktemp("trained"), Events(), set[int]()
    specs = [tiny_trial(tinted, root, seed=seed) for seed in range(2)]
    results = []
    for result in executor.train(specs, events):
        results.append(result)
        pids |= {worker.pid for worker in workers()}
    return Trained(specs, results, events, pids)


def test_trials_stream_their_progress_and_end_once_each_in_one_worker(trained: Trained):
    assert {r.key: r.status for r in trained.results} == {spec.key: "finished" for spec in trained.specs}
    for spec in trained.specs:
        epochs = [("epoch", number) for number in (1, 2, 3)]
        assert trained.events.of(spec) == [("started", None), *epochs, ("ended", None)]
    assert {event.device for event in trained.events} == {"cpu"}
    assert [event.result for event in trained.events if event.result] == trained.results
    assert len(trained.pids) == 1


def test_a_worker_and_this_process_find_the_same_numbers(
    trained: Trained, tinted: CachedDataset, tmp_path: Path
):
    import torch

    from tests.tools.training.trials import silent
    from tools.training.loop import train_trial

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    here = train_trial(tiny_trial(tinted, tmp_path), "cpu", silent)
    torch.set_num_threads(before)
    (there,) = [result for result in trained.results if result.key == here.key]
    assert numbers(here) == numbers(there)


def test_trials_are_evaluated_in_the_order_asked_for(
    executor: Executor, trained: Trained, tinted: CachedDataset
):
    scores = {result.key: result.scores for result in trained.results}
    for asked in (trained.specs, trained.specs[::-1]):
        found = executor.evaluate(asked, "validation")
        assert [p.scores for p in found] == [scores[spec.key] for spec in asked]
    (test,) = executor.evaluate(trained.specs[:1], "test")
    np.testing.assert_array_equal(test.labels, tinted.open_test().labels)


def test_divergence_is_a_result_and_spares_the_worker(
    executor: Executor, trained: Trained, tinted: CachedDataset, tmp_path: Path
):
    bad = tiny_trial(tinted, tmp_path, optimizer="sgd", learning_rate=1e30, gradient_clip=None)
    (result,) = executor.train([bad], Events())
    assert (result.status, result.failure) == ("failed", "non_finite_loss")
    assert {worker.pid for worker in workers()} == trained.pids


def test_what_a_session_found_can_be_read_until_the_next_one_has_ended(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    """Another study that waited for the same trial may begin before the first one has read what it found."""
    spec, read = tiny_trial(tinted, tmp_path, epochs=2), list[TrialResult]()
    (first,) = executor.train([spec], Events())
    begin_again(spec)

    def read_first(event: TrialEvent) -> None:
        if event.kind == "epoch":
            read.append(read_outcome(spec.directory))

    list(executor.train([spec], read_first))
    # Of either session, as a quick worker may have ended.
    assert [numbers(result) for result in read] == [numbers(first)] * 2


def test_the_caller_hears_of_a_trial_before_a_worker_has_it(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    """So that the ledger knows whose it is, even if a worker ends it after the caller was killed."""
    spec = tiny_trial(tinted, tmp_path, seed=7)

    class Killed(BaseException):
        pass

    def die(event: TrialEvent) -> None:
        assert event.kind == "started"
        raise Killed

    with pytest.raises(Killed):
        list(executor.train([spec], die))
    time.sleep(0.2)
    assert not spec.directory.exists()


def test_the_speed_is_measured_by_batches_of_which_nothing_is_kept(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    spec = tiny_trial(tinted, tmp_path, seed=6)
    (timing,) = executor.time_trials(spec, tmp_path / "scratch")
    assert timing.training > 0
    assert timing.weights > 1_000_000
    updates = executor.time_updates(spec, tmp_path / "scratch", (16, 256))
    assert 0 < updates[16] < updates[256]
    assert timing.evaluation > 0
    assert timing.trial_seconds(100, 20, 4) > 4 * 100 / timing.training
    assert list(tmp_path.iterdir()) == []
    wrong = spec.model_copy(update={"cache": tmp_path / "nowhere"})
    assert executor.time_trials(wrong, tmp_path / "scratch") == []


def test_a_trial_that_cannot_be_evaluated_is_named(executor: Executor, tinted: CachedDataset, tmp_path: Path):
    spec = tiny_trial(tinted, tmp_path, seed=5)
    spec.directory.mkdir(parents=True)
    with pytest.raises(AugurError, match=rf"{spec.key[:12]}.*seed 5.*no weights"):
        executor.evaluate([spec], "test")


def test_an_idle_worker_that_died_is_replaced_and_no_trial_fails(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    list(executor.train([tiny_trial(tinted, tmp_path, epochs=1)], Events()))
    (idle,) = workers()
    idle.kill()
    (result,) = executor.train([tiny_trial(tinted, tmp_path, seed=1, epochs=1)], Events())
    assert result.status == "finished"


def test_an_error_replaces_the_worker_and_closing_the_results_stops_the_trials(
    executor: Executor, tinted: CachedDataset, tmp_path: Path
):
    bad = tiny_trial(tinted, tmp_path / "bad").model_copy(update={"classes": 2})
    good = tiny_trial(tinted, tmp_path, epochs=1)
    rest = [tiny_trial(tinted, tmp_path, seed=seed, epochs=ENDLESS) for seed in (1, 2)]
    events = Events()
    results = executor.train([bad, good, *rest], events)
    failed = next(results)
    assert (failed.key, failed.failure) == (bad.key, "error")
    assert next(results).status == "finished"
    close_started = time.monotonic()
    results.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert time.monotonic() - close_started < 10
    assert workers() == []
    assert events.of(rest[1]) == []
    assert all(read_result(spec.directory) is None for spec in rest)


def test_a_trial_out_of_time_is_killed(tinted: CachedDataset, tmp_path: Path):
    slow = tiny_trial(tinted, tmp_path, epochs=ENDLESS)
    events = Events()
    with LocalExecutor(ONE, timeout=1.0) as executor:
        (result,) = executor.train([slow], events)
        assert workers() == []
    assert (result.status, result.failure) == ("failed", "timeout")
    assert [event for event in events if event.kind == "note"] == [], "a time-out is not tried again"
    assert "1 s" in result.reason
    assert "execution.trial_timeout" in result.reason


def test_two_workers_train_two_trials_at_a_time_but_never_the_same_one(tinted: CachedDataset, tmp_path: Path):
    spec, events = tiny_trial(tinted, tmp_path, epochs=3), Events()
    with LocalExecutor(ONE * 2, timeout=None) as executor:
        results: list[TrialResult] = list(executor.train([spec, spec], events))
    assert [event.kind for event in events[:2]] == ["started", "started"]
    assert ["waiting for its result" in event.text for event in events if event.kind == "note"] == [True]
    assert [result.status for result in results] == ["finished"] * 2
    assert results[0] == results[1]
    assert (spec.directory / "epochs.jsonl").read_text().count("\n") == 3


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

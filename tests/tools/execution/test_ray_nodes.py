"""Trials on the nodes of a real Ray cluster, a head that trains nothing and two nodes, which are killed for real."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.tools.execution.ray_processes import actors_of
from tests.tools.execution.test_local import ENDLESS, Events
from tests.tools.training.trials import numbers, tiny_data, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.execution.config import ExecutionConfig
from tools.execution.make import machines_of, make_executor, workers_of
from tools.execution.on_ray import node_files
from tools.execution.on_ray.cluster import import_ray
from tools.files import try_lock
from tools.training.config import TrialSpec
from tools.training.trial_store import read_result
from tools.training.types import TrialEvent

pytest.importorskip("ray", reason="the extra augur-vision[ray] is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LONG = 16
"""Epochs of a trial that lasts until its worker and its node are killed, also where news of them comes late."""


@pytest.fixture(scope="module")
def node_folder() -> Iterator[Path]:
    """Where nodes keep their own files. The path of a socket in it has to be short."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(node_folder: Path) -> Iterator[Any]:
    """Two nodes of one CPU each, and a head that trains nothing."""
    ray = import_ray()
    from ray.cluster_utils import Cluster as RealCluster

    store = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(node_folder))
        found = RealCluster(initialize_head=True, head_node_args={"num_cpus": 0, **store})
        for _ in range(2):
            found.add_node(num_cpus=1, **store)
    yield found
    ray.shutdown()
    found.shutdown()


def settings(cluster: Any, **more: Any) -> ExecutionConfig:
    return ExecutionConfig(kind="ray", ray_address=cluster.address, **more)


@pytest.fixture(scope="module")
def executor(cluster: Any) -> Iterator[Any]:
    """A worker on each node, which see the runs folder."""
    config = settings(cluster)
    with make_executor(config, workers_of(config)) as shared:
        shared.warm_up()
        yield shared


@pytest.fixture(scope="module")
def here(
    tinted: CachedDataset, large: CachedDataset, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Key → numbers of trials that this machine has trained."""
    root = tmp_path_factory.mktemp("here")
    specs = [long_trial(large, root), *(tiny_trial(tinted, root, seed=seed) for seed in (1, 2))]
    config = ExecutionConfig(workers=1, threads=1, device="cpu")
    with make_executor(config, workers_of(config)) as local:
        return {result.key: numbers(result) for result in local.train(specs, Events())}


@pytest.fixture
def room(executor: Any) -> None:
    """The shared workers are ended, so that their CPUs are free."""
    executor.__exit__(None, None, None)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> CachedDataset:
    """Images of which an epoch takes a second or more."""
    return tiny_data(tmp_path_factory.mktemp("large"), size=64, train=480)


def long_trial(large: CachedDataset, root: Path) -> TrialSpec:
    return tiny_trial(large, root, epochs=LONG)


def actors(cluster: Any) -> dict[int, list[psutil.Process]]:
    """Process of a raylet → the actors on its node that keep workers."""
    raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.worker_nodes]
    return {
        raylet: actors_of(psutil.Process(raylet), "Host") for raylet in raylets if psutil.pid_exists(raylet)
    }


class KillOnce:
    """Calls `strike` when an epoch of so high a number is reported, and counts epochs and notes."""

    def __init__(self, strike: Any, after: int) -> None:
        self._strike, self._after = strike, after
        self.notes: list[str] = []
        self.epochs: list[int] = []

    def __call__(self, event: TrialEvent) -> None:
        if event.kind == "note":
            self.notes.append(event.text)
        if event.kind == "epoch" and event.epoch is not None:
            self.epochs.append(event.epoch.epoch)
            if event.epoch.epoch == self._after and self._strike is not None:
                strike, self._strike = self._strike, None
                strike()


def test_two_nodes_find_the_numbers_of_this_machine_and_stream_their_progress(
    cluster: Any, executor: Any, here: dict[str, Any], tinted: CachedDataset, tmp_path: Path
):
    specs, events = [tiny_trial(tinted, tmp_path, seed=seed) for seed in (1, 2)], Events()
    results = list(executor.train(specs, events))
    assert {result.key: numbers(result) for result in results} == {spec.key: here[spec.key] for spec in specs}
    assert [event.kind for event in events[:2]] == ["started", "started"], "both train at once"
    for spec in specs:
        epochs = [("epoch", number) for number in (1, 2, 3)]
        told = [event for event in events.of(spec) if event[0] != "note"]  # where the nodes are slow to start
        assert told == [("started", None), *epochs, ("ended", None)]
    scores = {result.key: result.scores for result in results}
    assert [p.scores for p in executor.evaluate(specs, "validation")] == [scores[spec.key] for spec in specs]
    assert [len(found) for found in actors(cluster).values()] == [1, 1], "one on each node"


def test_results_are_reused_because_nodes_tell_what_they_trained_with(
    cluster: Any, executor: Any, here: dict[str, Any]
):
    config = settings(cluster)
    plans = workers_of(config)
    (machine, other) = machines_of(config, plans)
    assert machine == other
    (one, *_) = here.values()
    assert machine.items() <= one["environment"].items()


def test_files_are_sent_to_nodes_that_see_none_and_images_once_for_a_node(
    cluster: Any,
    node_folder: Path,
    room: None,
    here: dict[str, Any],
    tinted: CachedDataset,
    tmp_path: Path,
):
    config = settings(cluster, ray_files="sent")
    specs = [tiny_trial(tinted, tmp_path, seed=seed) for seed in (1, 2)]
    # The others may be over before their first epoch is told.
    long = tiny_trial(tinted, tmp_path / "long", epochs=100)
    held: list[bool] = []

    def on_event(event: TrialEvent) -> None:
        if event.kind == "epoch" and event.key == long.key:
            held.append(try_lock(long.directory / "trial.lock") is None)

    with make_executor(config, workers_of(config)) as sending:
        results = {result.key: result for result in sending.train([*specs, long], on_event)}
        (again,) = sending.evaluate(specs[:1], "test")
    assert {spec.key: numbers(results[spec.key]) for spec in specs} == {
        spec.key: here[spec.key] for spec in specs
    }
    assert [read_result(spec.directory) is not None for spec in specs] == [True, True]
    assert any(held), "the lock of a trial is held here while it is trained there"
    assert again.labels.tolist() == tinted.open_test().labels.tolist()
    placed = node_folder / node_files.node_folder().name / "placed"
    assert len([folder for folder in placed.iterdir() if folder.is_dir()]) == 1


def test_a_worker_and_a_node_that_are_killed_cost_part_of_an_epoch(
    cluster: Any, room: None, here: dict[str, Any], large: CachedDataset, tmp_path: Path
):
    spec = long_trial(large, tmp_path)

    def kill_worker() -> None:
        for found in actors(cluster).values():
            for actor in found:
                actor.kill()

    def kill_node() -> None:
        (raylet,) = [raylet for raylet, found in actors(cluster).items() if found]
        psutil.Process(raylet).kill()

    first, second = KillOnce(kill_worker, 1), KillOnce(kill_node, 3)

    def on_event(event: TrialEvent) -> None:
        first(event)
        second(event)

    config = settings(cluster, workers=1)
    with make_executor(config, workers_of(config)) as mine:
        (result,) = mine.train([spec], on_event)
    assert numbers(result) == here[spec.key]
    assert first.epochs == list(range(1, LONG + 1)), "no epoch is reported twice"
    deaths = [note for note in first.notes if "it resumes from its checkpoint" in note]
    assert [note[-12:] for note in deaths] == ["(try 2 of 3)", "(try 3 of 3)"]
    assert "was lost" in deaths[0]
    trained = (spec.directory / "epochs.jsonl").read_text().count("\n")
    assert trained <= LONG + 2 * 2, "a death costs what was trained since the last checkpoint"


def test_closing_the_results_ends_what_runs_on_nodes_and_want_of_room_is_told(
    cluster: Any, room: None, tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from tools.execution.on_ray import remote

    monkeypatch.setattr(remote, "_ROOM_SECONDS", 1.0)
    specs = [tiny_trial(tinted, tmp_path, seed=seed, epochs=ENDLESS) for seed in (3, 4)]
    config = settings(cluster, workers=2)  # on the one node that is left
    seen: list[str] = []
    with make_executor(config, workers_of(config)) as mine:

        class Enough(Exception):
            pass

        def on_event(event: TrialEvent) -> None:
            seen.append(event.text)
            if "has room for a worker (1 CPU): waiting" in event.text:
                raise Enough

        with pytest.raises(Enough):
            list(mine.train(specs, on_event))
    deadline = time.monotonic() + 20
    while any(actors(cluster).values()):
        assert time.monotonic() < deadline, "the actors are still there"
        time.sleep(0.1)
    assert all(read_result(spec.directory) is None for spec in specs)

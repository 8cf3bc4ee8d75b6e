"""Trials by Ray on this machine; a cluster of several nodes is in `test_ray_nodes.py`."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tests.repository import ROOT
from tests.tools.execution.ray_processes import actors_of
from tests.tools.execution.test_local import Events
from tests.tools.training.trials import numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.errors import ConfigurationError
from tools.execution.config import ExecutionConfig
from tools.execution.make import described, machines_of, make_executor, workers_of
from tools.execution.on_ray import node_files
from tools.execution.on_ray.cluster import Cluster, ClusterFault, Node, _fault, _without_secrets
from tools.execution.on_ray.plans import plan_on_nodes, share_of_gpu
from tools.execution.on_ray.sending import unsendable
from tools.training import checkpoint
from tools.training.config import ModelConfig, TrialSpec
from tools.training.loop import train_trial
from tools.training.trial_store import read_result
from tools.training.types import TrialEvent, TrialResult

pytest.importorskip("ray", reason="the extra augur-vision[ray] is not installed")

_KEY = "sk-a-key-that-stays-here"
_ONE = {"workers": 1, "threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def here() -> Iterator[ExecutionConfig]:
    """Settings of a cluster of this machine, which ends with the tests of this file."""
    import ray

    yield ExecutionConfig.model_validate({"kind": "ray", **_ONE})
    ray.shutdown()


def test_a_worker_that_ray_started_finds_the_same_numbers_even_if_it_is_killed(
    here: ExecutionConfig, tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
):
    monkeypatch.setenv("OPENAI_API_KEY", _KEY)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    local = ExecutionConfig.model_validate(_ONE)
    spec, events = tiny_trial(tinted, tmp_path / "ray", epochs=5), Events()
    seen: list[dict[str, str]] = []

    def on_event(event: TrialEvent) -> None:
        events(event)
        if event.kind == "epoch" and not seen:
            (actor,) = actors()
            seen.extend(each.environ() for each in (actor, *actor.children(recursive=True)))
            actor.kill()

    plans = workers_of(here)
    with make_executor(here, plans) as executor:
        assert described(executor, plans, here) == "Ray on this machine: cpu × 1 thread"
        (result,) = executor.train([spec], on_event)
        assert machines_of(here, plans) == machines_of(local, plans)
    assert psutil.wait_procs(actors(), timeout=30)[1] == []
    assert numbers(result) == numbers(trained_here(tiny_trial(tinted, tmp_path / "local", epochs=5)))
    assert [kind for kind, _ in events.of(spec)].count("epoch") == 5
    (note,) = [event.text for event in events if event.kind == "note" and "was lost" in event.text]
    assert "resumes from its checkpoint (try 2 of 3)" in note
    assert len(seen) > 1
    assert not any(_KEY in each.values() for each in seen), "workers get no keys"
    assert read_result(spec.directory) == result
    assert capfd.readouterr() == ("", "")


def trained_here(spec: TrialSpec) -> TrialResult:
    """By this process, with one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return train_trial(spec, "cpu", silent)
    finally:
        torch.set_num_threads(before)


def actors() -> list[psutil.Process]:
    """Processes of Ray that keep a worker for this process."""
    return actors_of(psutil.Process(), "Host")


def test_keys_of_the_environment_do_not_reach_a_cluster_that_is_started_here(monkeypatch: pytest.MonkeyPatch):
    for name in ("OPENAI_API_KEY", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN", "PGPASSWORD"):
        monkeypatch.setenv(name, _KEY)
    monkeypatch.setenv("AGENT_TRACKING__CHECKPOINTS", f"postgresql://augur:{_KEY}@db/augur")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "known to all nodes")
    with _without_secrets():
        assert not [value for value in os.environ.values() if _KEY in value]
        assert os.environ["RAY_AUTH_TOKEN"] == "known to all nodes"
    assert os.environ["HF_TOKEN"] == _KEY


def nodes(*sizes: tuple[int, int]) -> Cluster:
    return Cluster(tuple(Node(f"node {cpus} {gpus}", cpus, gpus) for cpus, gpus in sizes), is_own=False)


def test_workers_are_planned_by_what_the_nodes_have():
    def planned(cluster: Cluster, **more: Any) -> list[tuple[str, int]]:
        config = ExecutionConfig(kind="ray", **more)
        return [(plan.device, plan.threads) for plan in plan_on_nodes(config, cluster)]

    assert planned(nodes((8, 0), (4, 0))) == [("cpu", 2)] * 4, "the same threads on every node"
    assert planned(nodes((16, 2), (8, 0), (8, 1))) == [("cuda:0", 8)] * 3, "CPUs wait where there are GPUs"
    assert planned(nodes((2, 1), (2, 0)), device="cpu") == [("cpu", 1)] * 4
    assert planned(nodes((4, 1)), workers=2, threads=1) == [("cuda:0", 1)] * 2
    assert (
        share_of_gpu(plan_on_nodes(ExecutionConfig(kind="ray", workers=4), nodes((8, 2))), nodes((8, 2)))
        == 0.45
    )
    with pytest.raises(ConfigurationError, match=r"execution\.device cuda.*12 CPUs and 0 GPUs"):
        planned(nodes((8, 0), (4, 0)), device="cuda")
    with pytest.raises(ConfigurationError, match="--num-cpus"):
        planned(nodes((0, 0)))


def test_what_a_node_could_not_open_is_named_before_it_is_sent(tinted: CachedDataset, tmp_path: Path):
    spec = tiny_trial(tinted, tmp_path)
    assert unsendable(spec) == ""
    own = spec.model_copy(update={"model": ModelConfig(name="my/net.py:make")})
    assert "my/net.py:make" in unsendable(own)
    weights = spec.model_copy(update={"model": ModelConfig(weights=str(tmp_path / "w.pth"))})
    assert "w.pth" in unsendable(weights)


def test_a_cluster_that_does_not_answer_is_named_with_what_to_check(monkeypatch: pytest.MonkeyPatch):
    fault = _fault(ConnectionError("ray client connection timeout"), "ray://head:10001")
    assert isinstance(fault, ClusterFault)
    assert fault.resumable
    assert "ray://head:10001" in str(fault)
    assert "execution.ray_address" in str(fault)


def test_an_address_at_which_nobody_listens_is_told_at_once():
    """Ray itself asks there for a quarter of an hour."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    code = (
        "from tools.execution.config import ExecutionConfig\n"
        "from tools.execution.on_ray.cluster import connect\n"
        f"connect(ExecutionConfig(kind='ray', ray_address='{address}'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert f"The Ray cluster {address} cannot be used: ConnectionRefusedError" in done.stderr


def test_the_checkpoint_that_is_sent_back_first_is_that_of_training():
    assert node_files.CHECKPOINT == checkpoint.CHECKPOINT


@pytest.mark.slow
def test_a_pack_on_a_node_finds_the_numbers_of_a_pack_here(
    here: ExecutionConfig, tinted: CachedDataset, tmp_path: Path
):
    found: list[dict[str, Any]] = []
    for kind in ("local", "ray"):
        config = here.model_copy(update={"kind": kind, "pack": 2})
        plans = workers_of(config)
        specs = [tiny_trial(tinted, tmp_path / kind, seed=seed) for seed in (1, 2, 3)]
        events = Events()
        with make_executor(config, plans, loader_workers=1) as executor:
            results = list(executor.train(specs, events))
        assert [result.status for result in results] == ["finished"] * 3
        assert [kind for kind, _ in events.of(specs[0]) if kind != "note"] == [
            "started",
            *["epoch"] * 3,
            "ended",
        ]
        found.append({result.key: numbers(result) for result in results})
    assert found[0] == found[1]

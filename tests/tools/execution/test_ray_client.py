"""Trials and images over `ray://`, on a real head that `ray start` has started as docs/cluster.md says."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.repository import ROOT
from tests.tools.execution.test_local import Events
from tests.tools.training.trials import numbers, tiny_trial
from tools.aga.config import AgaConfig
from tools.aga.finders import make_finders
from tools.aga.types import Box, SourceImage
from tools.datasets.cache.read import CachedDataset
from tools.execution.config import ExecutionConfig
from tools.execution.make import described, make_executor, workers_of
from tools.execution.on_ray.cluster import ClusterFault, address_of, import_ray

pytest.importorskip("ray", reason="the extra augur-vision[ray] is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_RAY = Path(sys.executable).with_name("ray")
_TWO: dict[str, Any] = {"kind": "ray", "workers": 2, "threads": 1, "device": "cpu"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """The ray:// address of a head with two CPUs, on the loopback alone, which only this file uses."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    port = free_port()
    words = ["--head", "--node-ip-address", "127.0.0.2", "--port", str(free_port())]
    words += ["--ray-client-server-port", str(port), "--disable-usage-stats", "--include-dashboard", "false"]
    words += [
        "--num-cpus",
        "2",
        "--object-store-memory",
        str(80 * 2**20),
        "--temp-dir",
        str(folder),
        "--block",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "RAY_worker_niceness": "0"}
    started = subprocess.Popen(
        [str(_RAY), "start", *words], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert started.poll() is None, "ray start has ended"
                assert time.monotonic() < deadline, "the head does not listen"
                time.sleep(0.2)
        yield f"ray://127.0.0.1:{port}"
    finally:
        processes = [psutil.Process(started.pid), *psutil.Process(started.pid).children(recursive=True)]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def disconnected(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No connection before the test, and none after it."""
    ray = import_ray()
    ray.shutdown()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield
    ray.shutdown()


@pytest.mark.parametrize("given_by", ["settings", "variable"])
def test_two_trials_over_a_client_find_the_numbers_of_this_machine(
    head: str,
    disconnected: None,
    tinted: CachedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given_by: str,
):
    if given_by == "variable":
        monkeypatch.setenv("RAY_ADDRESS", head)
        config = ExecutionConfig.model_validate(_TWO)
    else:
        config = ExecutionConfig.model_validate({**_TWO, "ray_address": head, "ray_files": "sent"})
    assert address_of(config) == head
    there = [tiny_trial(tinted, tmp_path / "there", seed=seed) for seed in (1, 2)]
    here = [tiny_trial(tinted, tmp_path / "here", seed=seed) for seed in (1, 2)]
    plans, events = workers_of(config), Events()
    with make_executor(config, plans) as executor:
        assert described(executor, plans, config).startswith("Ray, 1 node: cpu × 1 thread")
        found = {result.key: numbers(result) for result in executor.train(there, events)}
    local = ExecutionConfig(workers=1, threads=1, device="cpu")
    with make_executor(local, workers_of(local)) as executor:
        assert found == {result.key: numbers(result) for result in executor.train(here, Events())}
    assert len(found) == 2
    assert all([kind for kind, _ in events.of(spec)].count("epoch") for spec in there), "progress is shown"


def test_images_are_made_over_a_client_also_after_a_worker_was_killed(head: str, disconnected: None):
    from tools.execution.on_ray.images import image_workers

    config = AgaConfig.model_validate(
        {"segmenter": {"kind": "grabcut"}, "background": {"kind": "scenes"}, "detector": {"kind": "none"}}
    )
    execution = ExecutionConfig.model_validate({**_TWO, "ray_address": head})
    pixels = np.random.default_rng(0).integers(0, 60, (48, 48, 3), dtype=np.uint8)
    pixels[16:32, 16:32] = (250, 200, 40)
    image = SourceImage(0, "a.png", pixels, 0, "", "digest")
    box = Box(10, 10, 38, 38, 1)
    (expected,) = make_finders(config)[1].segment(image, [box])
    workers = image_workers(execution, config)
    assert np.array_equal(workers.call("segment", image, [box])[0], expected)
    hosts = [
        process
        for process in psutil.process_iter(["cmdline"])
        if "".join((process.info["cmdline"] or [])[:1]).startswith("ray::ImageHost")
        and str(ROOT) in process.environ().get("PYTHONPATH", "")
    ]
    assert hosts
    for process in hosts:
        process.kill()
    assert np.array_equal(workers.call("segment", image, [box])[0], expected)
    assert expected.any()
    workers.close()


def test_an_address_at_which_nobody_listens_is_a_fault_that_names_it(disconnected: None):
    address = f"ray://127.0.0.1:{free_port()}"
    config = ExecutionConfig.model_validate({**_TWO, "ray_address": address})
    with pytest.raises(ClusterFault, match=address):
        workers_of(config)

"""How much of the machine a service takes from training while twenty status requests a second come in.

A real service and a real study that trains on all cores. The figure is the processor time of the service's own process
while it is asked, as a share of the machine: it bounds what training can lose, and other programs that run beside it do
not disturb it. Beside it, from pairs of equal stretches with and without requests, how many epochs were trained.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from tools.machine import usable_cores

TARGET = 0.02
PER_SECOND = 20
STRETCH = 6.0
"""Seconds of one stretch."""
PAIRS = 6
STUDY = "trains"


def run() -> dict[str, Any]:
    """The share of the machine that answering takes."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        command = [sys.executable, "-m", "agent", "serve", "--runs-dir", folder, "--port", "0", "--quiet"]
        service = subprocess.Popen(command, env={**os.environ, "MLFLOW_TRACKING_URI": ""})
        try:
            return _measured(runs, psutil.Process(service.pid))
        finally:
            service.terminate()
            service.wait(120)


def _measured(runs: Path, service: psutil.Process) -> dict[str, Any]:
    events = runs / "service/studies" / STUDY / "events.jsonl"
    _wait(lambda: (runs / "service/address.json").exists())
    settings = {
        "data.dataset": "demo",
        "data.image_size": 16,
        "model.name": "shufflenet_v2_x0_5",
        "training.epochs": 5_000,
        "execution.workers": 1,
        "execution.threads": usable_cores(),
        "search.proposer": "tpe",
    }
    _ask(runs, "/api/studies", {"name": STUDY, "settings": settings})
    _wait(lambda: _epochs(events) > 5)
    asked, quiet, shares, latencies = [], [], [], []
    for pair in range(2 * PAIRS):
        with_requests = pair % 2 == 0
        before, busy, began = _epochs(events), _cpu(service), time.perf_counter()
        while (now := time.perf_counter()) - began < STRETCH:
            if with_requests:
                _ask(runs, f"/api/studies/{STUDY}")
                latencies.append(time.perf_counter() - now)
            time.sleep(max(0.0, 1 / PER_SECOND - (time.perf_counter() - now)))
        seconds = time.perf_counter() - began
        (asked if with_requests else quiet).append((_epochs(events) - before) / seconds)
        if with_requests:
            shares.append((_cpu(service) - busy) / seconds / usable_cores())
    share = statistics.median(shares)
    pairs = [one / other for one, other in zip(asked, quiet, strict=True) if other]
    return {
        "name": f"share of the machine for {PER_SECOND} status requests a second",
        "share": share,
        "target": f"≤ {TARGET:.0%}",
        "met": share <= TARGET,
        "details": {
            "shares": shares,
            "requests": len(latencies),
            "milliseconds_per_answer": 1_000 * statistics.median(latencies),
            "epochs_per_second_asked": asked,
            "epochs_per_second_quiet": quiet,
            "ratio_of_pairs": {"median": statistics.median(pairs), "each": pairs},
            "load_of_machine": os.getloadavg()[0],
        },
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _epochs(events: Path) -> int:
    return events.read_text().count('"kind": "epoch"') if events.exists() else 0


def _ask(runs: Path, path: str, body: Any = None) -> Any:
    address = json.loads((runs / "service/address.json").read_text())["address"]
    token = (runs / "service/token").read_text().strip()
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(address + path, data, headers), timeout=60) as answer:
        return json.load(answer)


def _wait(holds: Any) -> None:
    deadline = time.monotonic() + 300
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("the service or its study does not start")
        time.sleep(0.2)


if __name__ == "__main__":
    print(run())

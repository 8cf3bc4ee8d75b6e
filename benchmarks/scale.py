"""What many workers would do: a simulation of 1, 8, 64 and 1,000 of them, with overheads that are measured here.

One study trains, in each iteration, its seeds at once and then waits for all of them; between two iterations its own
process proposes, vets and judges. Every epoch and every trial is written to one MLflow store, which does one thing at a
time. What is measured: how long those writes take here. What is given: the length of a trial and of an epoch, typical
of a GPU. The simulation is of events; no time is slept.
"""

import heapq
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.training.types import EpochReport

WORKERS = (1, 8, 64, 1_000)
TARGET = 0.8
"""Of the workers' time, that is training, at 64 workers."""


@dataclass(frozen=True)
class Load:
    """What every study is like."""

    trial: float = 120.0
    """Seconds of a training on one worker."""
    spread: float = 0.1
    """Of the length of trainings, as a share."""
    epochs: int = 30
    iterations: int = 8
    seeds: int = 3
    finish: int = 20
    """Trainings of the finish, which do not wait for each other."""
    between: float = 1.0
    """Seconds between two iterations in which the study trains nothing; with a language model, its answer."""
    start: float = 0.2
    """Seconds until a trial's first batch."""
    write: float = 0.005
    """Seconds in which the store writes an epoch; nothing else is written meanwhile."""
    open_and_close: float = 0.05
    """The same for what is written once a trial."""


@dataclass(frozen=True)
class Outcome:
    """Of one simulation."""

    workers: int
    studies: int
    hours: float
    training: float
    """Share of the workers' time that is training."""
    store: float
    """Share of the time in which the store is busy."""


def simulate(load: Load, workers: int, studies: int, seed: int = 0) -> Outcome:
    """Studies on workers, until all have ended.

    Args:
        load: what each study is like.
        workers: that train one trial at a time each.
        studies: that run at once; each is ready to begin.
        seed: of the lengths of trials.
    """
    draw = random.Random(seed)
    free, store_free, store_busy, trained, now = workers, 0.0, 0.0, 0.0, 0.0
    events: list[tuple[float, int, str, int]] = []
    ready: list[int] = []
    phases = dict.fromkeys(range(studies), -1)  # -1: the reference and the baselines
    left = dict.fromkeys(range(studies), 0)
    count = 0

    def later(at: float, kind: str, study: int) -> None:
        nonlocal count
        count += 1
        heapq.heappush(events, (at, count, kind, study))

    for study in range(studies):
        later(0.0, "phase", study)
    while events:
        now, _, kind, study = heapq.heappop(events)
        if kind == "phase":
            phase = phases[study]
            if phase > load.iterations:
                continue
            amount = (
                4 * load.seeds if phase == -1 else load.finish if phase == load.iterations else load.seeds
            )
            left[study] = amount
            ready += [study] * amount
        else:
            free += 1
            left[study] -= 1
            if not left[study]:
                phases[study] += 1
                later(now + load.between, "phase", study)
        while free and ready:
            owner = ready.pop(0)
            free -= 1
            length = load.trial * draw.uniform(1 - load.spread, 1 + load.spread)
            # All writes of the trial, one after another with those of others; the trial waits for its turn.
            writes = load.epochs * load.write + load.open_and_close
            store_free = max(store_free, now) + writes
            store_busy += writes
            trained += length
            later(max(now + load.start + length, store_free), "ended", owner)
    return Outcome(workers, studies, now / 3600, trained / (now * workers), store_busy / now)


def measured_writes() -> tuple[float, float]:
    """(seconds of an epoch, seconds of a trial's run) of the store in a file.

    The fastest tenth: what other programs take from the machine meanwhile is not the store's.
    """
    from agent.memory import Tracking

    report = EpochReport(1, 30, 1.0, 1.0, 0.5, 0.5, 0.1, 1.0)
    epochs, trials = [], []
    with tempfile.TemporaryDirectory() as folder:
        tracking = Tracking(f"sqlite:///{Path(folder, 'mlflow.db')}", Path(folder, "artifacts"))
        experiment = tracking.client.create_experiment("scale")
        for _ in range(20):
            began = time.perf_counter()
            run = tracking.client.create_run(experiment, tags={"kind": "trial"})
            tracking.client.log_text(run.info.run_id, "{}", "policy.json")
            tracking.client.set_terminated(run.info.run_id)
            trials.append(time.perf_counter() - began)
            for _ in range(4):
                began = time.perf_counter()
                tracking.log_epoch(run.info.run_id, report)
                epochs.append(time.perf_counter() - began)
    return statistics.quantiles(epochs, n=10)[0], statistics.quantiles(trials, n=10)[0]


def run() -> dict[str, Any]:
    """The share of the workers' time that is training, at 64 workers, with as many studies as keep them busy."""
    write, open_and_close = measured_writes()
    load = Load(write=write, open_and_close=open_and_close)
    alone = [simulate(load, workers, 1) for workers in WORKERS]
    many = [simulate(load, workers, max(1, workers // 2)) for workers in WORKERS]
    short = Load(write=write, open_and_close=open_and_close, trial=10.0)
    tiny = [simulate(short, workers, max(1, workers // 2)) for workers in WORKERS]
    figure = next(each for each in many if each.workers == 64).training
    return {
        "name": "share of 64 workers' time that is training (simulated)",
        "share": figure,
        "target": f"≥ {TARGET:.0%}",
        "met": figure >= TARGET,
        "details": {
            "seconds_to_write_an_epoch": write,
            "seconds_to_write_a_trial": open_and_close,
            "one_study": [vars(each) for each in alone],
            "half_as_many_studies_as_workers": [vars(each) for each in many],
            "the_same_with_trials_of_10_s": [vars(each) for each in tiny],
        },
    }


if __name__ == "__main__":
    print(run())

"""Measurements on one GPU: packs on constant data, packs fed with augmented epochs, the single trainer, captures."""

import time
from pathlib import Path
from typing import Any

from benchmarks.gpu_data import trial
from tools.datasets.cache.read import CachedDataset
from tools.machine import free_memory, usable_cores
from tools.training.config import TrialSpec
from tools.training.loop import train_trial
from tools.training.packed.measure import device_pace
from tools.training.packed.pack import Pack
from tools.training.packed.slot import Shape
from tools.training.types import TrialResult

DEVICE = "cuda:0"


def processes() -> int:
    """That augment: all cores but two."""
    return max(1, usable_cores() - 2)


def constant(spec: TrialSpec, pack: int, seconds: float) -> dict[str, Any]:
    """`pack` slots that train on one part again and again: the limit that the device sets."""
    pace = device_pace(Shape.of(spec), DEVICE, pack, seconds)
    return {
        "images_per_second": round(pace.images_per_second),
        "seconds_to_build": round(pace.seconds_to_build, 2),
        "mib_each": round(pace.mib_each),
    }


def packed(specs: list[TrialSpec], size: int | None, seconds: float = 1e9) -> dict[str, Any]:
    """Trains all of `specs` in a pack, or as far as `seconds` suffice; the pace is that after the first step."""
    results: list[TrialResult] = []
    notes: list[str] = []
    started = time.perf_counter()
    import sklearn.metrics  # noqa: F401 -- judging predictions needs it

    def on_end(spec: TrialSpec, outcome: Any) -> None:
        if not isinstance(outcome, TrialResult):
            notes.append(f"{spec.model.name}: {outcome}")
        else:
            results.append(outcome)
            if outcome.status == "failed":
                notes.append(outcome.reason)

    pack = Pack(DEVICE, size, processes(), on_end, on_note=notes.append)
    first = None
    try:
        for spec in specs:
            pack.add(spec)
        while pack.trials and time.perf_counter() - started < seconds:
            busy = pack.turn()
            if first is None and pack.meter.images:
                first = time.perf_counter() - started
                pack.meter.taken()
            if not busy:
                time.sleep(0.0002)
        through = pack.meter.taken()
    finally:
        pack.close()
        free_memory()
    return {
        "images_per_second": round(through.images_per_second),
        "waiting_for_images": round(through.waiting, 3),
        "trials_at_a_time": round(through.trials, 1),
        "seconds_until_first_step": None if first is None else round(first, 1),
        "seconds": round(time.perf_counter() - started, 1),
        "finished": sum(result.status == "finished" for result in results),
        "accuracies": [result.scores.accuracy for result in results if result.scores is not None],
        "notes": notes,
    }


def single(spec: TrialSpec, warm_up: int = 1) -> dict[str, Any]:
    """The same in the single trainer; the first epochs do not count."""
    times: list[float] = []
    result = train_trial(spec, DEVICE, lambda report: times.append(report.seconds))
    images = spec_images(spec)
    counted = times[warm_up:]
    return {
        "images_per_second": round(images * len(counted) / sum(counted)) if counted else None,
        "accuracy": None if result.scores is None else result.scores.accuracy,
        "reason": result.reason,
    }


def spec_images(spec: TrialSpec) -> int:
    """Training images of an epoch."""
    from tools.datasets.cache.read import open_cache

    return len(open_cache(spec.cache).split("train"))


def seeds(cached: CachedDataset, root: Path, count: int, **fields: Any) -> list[TrialSpec]:
    """Trials that differ in their seed."""
    return [trial(cached, root, seed=seed, **fields) for seed in range(count)]

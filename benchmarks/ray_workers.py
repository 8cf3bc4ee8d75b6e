"""How much faster two Ray workers train a study's trials than one, and that they come to the same numbers.

    python -m benchmarks.ray_workers --out benchmarks/results/ray_workers.json

Four seeds of one candidate (no augmentation) on made images, in a cluster of this machine: alternately one worker and
two, several times. What is timed is the training phase: from the first trial that is handed over to the last result,
with workers that have started, as they have while a study decodes its images. The first round of each is not counted.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from tests.tools.training.trials import numbers, tiny_data, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.execution.config import ExecutionConfig
from tools.execution.make import make_executor, workers_of
from tools.training.config import TrialSpec

SEEDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="of one worker and of two, that count")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=32, help="of the images, in pixels")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = tiny_data(root / "data", options.size, options.images)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        expected: dict[str, Any] | None = None
        for number in range(options.rounds + 1):
            for workers in seconds:
                specs = _specs(data, root / f"{workers}-{number}", options.epochs)
                took, results = _train(specs, workers)
                expected = expected or results
                assert results == expected, "the numbers differ"
                if number:
                    seconds[workers].append(took)
                print(f"{workers} workers: {took:.1f} s", flush=True)
    one, two = (statistics.median(seconds[workers]) for workers in (1, 2))
    found = {
        "trials": SEEDS,
        "images": options.images,
        "size": options.size,
        "epochs": options.epochs,
        "seconds_of_one_worker": seconds[1],
        "seconds_of_two_workers": seconds[2],
        "times_as_fast": round(one / two, 2),
        "equal_to_the_bit": True,
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "load_at_the_end": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def _specs(data: CachedDataset, root: Path, epochs: int) -> list[TrialSpec]:
    return [tiny_trial(data, root, seed=seed, epochs=epochs, batch_size=32) for seed in range(SEEDS)]


def _train(specs: list[TrialSpec], workers: int) -> tuple[float, dict[str, Any]]:
    """Seconds, and key → numbers."""
    config = ExecutionConfig(kind="ray", workers=workers, threads=1, device="cpu")
    with make_executor(config, workers_of(config)) as executor:
        executor.time_trials(specs[0], specs[0].directory.parent / "scratch")  # every worker has started
        started = time.monotonic()
        results = {result.key: numbers(result) for result in executor.train(specs, lambda event: None)}
        return time.monotonic() - started, results


if __name__ == "__main__":
    main()

"""Peak memory of building the cache, opening it again (every checksum is verified) and reading an epoch from it,
with 1,000 and with 10,000 images.

Each count runs in a process of its own, with its decoding processes. What is compared is memory that the system
cannot take back (resident minus shared and file-backed pages, summed over the processes): pages of the memory map are
the system's file cache, which it drops whenever something else needs them. Resident memory is reported beside.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from benchmarks.photos import write_photos

COUNTS = (1_000, 10_000)
SIDE = 256
"""Large enough that also the smaller count is given to decoding processes."""
SIZE = 64
BATCH = 256
WORKERS = 2
INTERVAL = 0.005
"""Seconds between two looks at the processes."""
TARGET = 1.1

_CHILD = f"""
import sys
from pathlib import Path
import numpy as np
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
config = DataConfig(path=Path(sys.argv[1]), decode_workers={WORKERS})
for _ in range(2):
    cached = build_cache(open_dataset(config), config, {SIZE}, Path(sys.argv[2]))
view = cached.split("train")
order = np.random.default_rng(0).permutation(len(view))
total = 0.0
for start in range(0, len(order), {BATCH}):
    total += (view.images[order[start : start + {BATCH}]].astype(np.float32) / 255).mean()
print(len(view), total)
"""


def _private(process: psutil.Process) -> tuple[int, int]:
    """(memory that cannot be taken back, resident memory) in bytes."""
    memory = process.memory_info()
    # Only Linux says how much of it is shared or backed by files.
    return memory.rss - getattr(memory, "shared", 0), memory.rss


def _peaks(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_photos(root / "photos", count, SIDE, SIDE)
        command = [sys.executable, "-c", _CHILD, str(root / "photos"), str(root / "cache")]
        private = resident = 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            family = psutil.Process(child.pid)
            while child.poll() is None:
                now = []
                for process in (family, *family.children(recursive=True)):
                    try:
                        now.append(_private(process))
                    except (psutil.NoSuchProcess, psutil.ZombieProcess):
                        continue
                private = max(private, sum(each[0] for each in now))
                resident = max(resident, sum(each[1] for each in now))
                try:
                    child.wait(INTERVAL)
                except subprocess.TimeoutExpired:
                    continue
            assert child.stdout is not None
            said = child.stdout.read().split()
        if child.returncode != 0 or int(said[0]) != count:
            raise RuntimeError(f"building and reading {count} images ended with {child.returncode}: {said}")
    return {"private_mib": round(private / 2**20, 1), "resident_mib": round(resident / 2**20, 1)}


def run() -> dict[str, Any]:
    """Measure; takes about a minute on two cores.

    Returns:
        name, ratio (peak with 10,000 images over that with 1,000; below the target is good), target, met, details.
    """
    peaks = {count: _peaks(count) for count in COUNTS}
    few, many = (peaks[count]["private_mib"] for count in COUNTS)
    ratio = round(many / few, 3)
    return {
        "name": "cache_memory",
        "ratio": ratio,
        "target": TARGET,
        "met": ratio <= TARGET,
        "details": {
            "peaks": {str(count): peak for count, peak in peaks.items()},
            "image_size": SIZE,
            "decode_workers": WORKERS,
        },
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

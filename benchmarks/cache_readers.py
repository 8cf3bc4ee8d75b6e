"""Memory of four processes that read an epoch each from one cache, against one process: the pixels are there once.

A page that several processes map is counted by Linux in equal shares to each (proportional set size), so the sum over
the processes is what they hold together. What each needs for itself (the interpreter, a batch) is reported beside.
"""

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.photos import write_photos
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig

IMAGES = 2_000
SIDE = 256
SIZE = 224
BATCH = 64
READERS = 4
TARGET = 1.1

_READER = f"""
import sys
from pathlib import Path
import numpy as np
from tools.datasets.cache.read import open_cache
view = open_cache(Path(sys.argv[1])).split("train")
order = np.random.default_rng().permutation(len(view))
for start in range(0, len(order), {BATCH}):
    view.images[order[start : start + {BATCH}]].mean()
print("read", flush=True)
sys.stdin.read()
"""


def _held(folder: Path, readers: int) -> dict[str, float]:
    """What `readers` processes hold together once each has read all images, in MiB."""
    command = [sys.executable, "-c", _READER, str(folder)]
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(readers)
        ]
        for child in children:
            assert child.stdout is not None
            if child.stdout.readline() != "read\n":
                raise RuntimeError(f"a reader ended with {child.wait()}")
        pixels = sum(_shares(child.pid, "pixels.npy") for child in children)
        everything = sum(_shares(child.pid, "") for child in children)
    return {
        "pixels_mib": round(pixels / 1024, 1),
        "everything_else_mib_per_reader": round((everything - pixels) / 1024 / readers, 1),
    }


def _shares(pid: int, ending: str) -> int:
    """Proportional set size of a process's mappings of files with this ending, in KiB."""
    total = 0
    counts = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        key, *values = line.split()
        if not key.endswith(":"):
            counts = line.endswith(ending)
        elif key == "Pss:" and counts:
            total += int(values[0])
    return total


def run() -> dict[str, Any]:
    """Measure; takes about ten seconds on two cores.

    Returns:
        name, ratio (pixels in memory with four readers over those with one; below the target is good), target, met,
        details.
    """
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        dataset = write_photos(root / "photos", IMAGES, SIDE, SIDE)
        folder = build_cache(dataset, DataConfig(), SIZE, root / "cache").folder
        held = {readers: _held(folder, readers) for readers in (1, READERS)}
    ratio = round(held[READERS]["pixels_mib"] / held[1]["pixels_mib"], 3)
    return {
        "name": "cache_readers",
        "ratio": ratio,
        "target": TARGET,
        "met": ratio <= TARGET,
        "details": {
            "readers": {str(readers): values for readers, values in held.items()},
            "images": IMAGES,
            "image_size": SIZE,
        },
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

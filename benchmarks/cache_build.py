"""Building the cache against a plain Pillow loop: open, convert to RGB, resize, write into the same kind of array.

Both make 224-pixel squares of the same 2,000 JPEGs of two megapixels with as many processes as there are cores, in
turns within one run. The cache also hashes every file, checks that no two show the same picture, makes thumbnails and
checksums, survives kills, and waits until everything is on the disk; the loop does none of it, and its processes are
running before its time starts. Measured beside, for that is what this costs: a loop that scales JPEGs down in the
decoder as the cache does, and PNGs, which no decoder scales down.
"""

import functools
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.photos import write_photos
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.decode_all import OnProgress
from tools.datasets.config import DataConfig
from tools.datasets.types import Dataset

WIDTH, HEIGHT = 1_632, 1_224
COUNTS = {"JPEG": 2_000, "PNG": 100}
SIZE = 224
REPEATS = {"JPEG": 5, "PNG": 3}
TARGET = 2.0
_CHUNK = 16


class _Interrupted(Exception):
    pass


def _resize_into(array: str, source: str, row: int, draft: bool) -> None:
    """What a plain script does with one image; with `draft`, what one does that knows how JPEGs are scaled down."""
    from PIL import Image

    with Image.open(source) as image:
        if draft:
            image.draft("RGB", (2 * SIZE, 2 * SIZE))
        pixels = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    _opened(array)[row] = np.asarray(pixels)


@functools.lru_cache(maxsize=1)
def _opened(array: str) -> np.memmap:
    return np.lib.format.open_memmap(array, mode="r+")


def _ready(_: int) -> None:
    from PIL import Image

    Image.init()


def _loop(pool: Pool, dataset: Dataset, place: Path, draft: bool = False) -> None:
    sources = [dataset.source.where(record.file) for record in dataset.records]
    # Of another name each time, as the processes keep it open.
    array = str(place / f"loop-{time.monotonic_ns()}.npy")
    np.lib.format.open_memmap(array, "w+", np.uint8, (len(sources), SIZE, SIZE, 3))
    pool.starmap(_resize_into, [(array, source, row, draft) for row, source in enumerate(sources)], _CHUNK)
    os.unlink(array)


def _processor_seconds() -> float:
    """Of this process and its children, those that have ended too (where the system says)."""
    this = psutil.Process()
    times = [this.cpu_times(), *(child.cpu_times() for child in this.children())]
    ended = sum(getattr(times[0], name, 0.0) for name in ("children_user", "children_system"))
    return ended + sum(each.user + each.system for each in times)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """(seconds by the clock, seconds of processors)."""
    clock, processors = time.perf_counter(), _processor_seconds()
    work()
    return time.perf_counter() - clock, _processor_seconds() - processors


def _halfway(done: int, total: int) -> None:
    if done >= total // 2:
        raise _Interrupted


def _compare(kind: str, root: Path) -> dict[str, Any]:
    """Build and loop in turns; then opening once more, and going on after an interruption."""
    count, workers = COUNTS[kind], os.cpu_count() or 1
    dataset = write_photos(root / "photos", count, WIDTH, HEIGHT, kind)
    config = DataConfig(decode_workers=workers)
    place = root / "built"

    def build(progress: OnProgress | None = None) -> None:
        cached = build_cache(dataset, config, SIZE, place, progress)
        assert len(cached.split("train")) == count

    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        pool.map(_ready, range(workers * 4), 1)
        ways: dict[str, Callable[[], object]] = {
            "loop": lambda: _loop(pool, dataset, root),
            "cache": build,
            "cache_opened_again": build,
            "drafting_loop": lambda: _loop(pool, dataset, root, draft=True),
        }
        ways["loop"]()
        rounds = []
        for _ in range(REPEATS[kind]):
            shutil.rmtree(place, ignore_errors=True)
            rounds.append({name: _timed(way) for name, way in ways.items()})
    shutil.rmtree(place)
    try:
        build(_halfway)
    except _Interrupted:
        resumed, _ = _timed(build)
    else:
        raise RuntimeError("the build was not interrupted")
    images = len(dataset.records)
    kilobytes = sum(Path(dataset.source.where(each.file)).stat().st_size for each in dataset.records) / 1024
    seconds = {name: _quartiles([each[name][0] for each in rounds]) for name in ways}
    return {
        "ratio": _quartiles([each["loop"][0] / each["cache"][0] for each in rounds]),
        "ratio_of_processor_seconds": _quartiles([each["loop"][1] / each["cache"][1] for each in rounds]),
        "ratio_to_drafting_loop": _quartiles(
            [each["drafting_loop"][0] / each["cache"][0] for each in rounds]
        ),
        "seconds": seconds,
        "resumed_halfway_seconds": round(resumed, 3),
        "images_per_second": {
            name: round(images / seconds[name]["median"], 1) for name in ("cache", "loop", "drafting_loop")
        },
        "images": images,
        "kilobytes_mean": round(kilobytes / images, 1),
        "processes": workers,
        "repeats": REPEATS[kind],
    }


def _quartiles(values: list[float]) -> dict[str, float]:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"median": round(float(middle), 4), "q1": round(float(low), 4), "q3": round(float(high), 4)}


def run() -> dict[str, Any]:
    """Measure; takes about five minutes on two cores, a minute of it to make the images.

    Returns:
        name, ratio (the loop's seconds over the cache's for JPEGs, median of the pairs), target, met, details.
    """
    compared = {}
    for kind in COUNTS:
        with tempfile.TemporaryDirectory() as place:
            compared[kind.lower()] = _compare(kind, Path(place))
    ratio = compared["jpeg"]["ratio"]["median"]
    return {
        "name": "cache_build",
        "ratio": ratio,
        "target": TARGET,
        "met": ratio >= TARGET,
        "details": {"image_pixels": [WIDTH, HEIGHT], "image_size": SIZE, **compared},
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

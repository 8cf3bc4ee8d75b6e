"""An epoch from the decode-once cache against torchvision's ImageFolder, Resize and DataLoader.

Both read the same 1,000 JPEGs of about 1,000 pixels as shuffled batches of float tensors (B, 3, 224, 224) in 0..1,
with the same number of loader processes, in turns within one run. The cache's own build is reported beside.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from benchmarks.photos import write_photos
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import SplitView
from tools.datasets.config import DataConfig

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import DataLoader

# torch is imported where it is used: the processes that decode import this module again.

IMAGES = 1_000
WIDTH, HEIGHT = 1_024, 768
SIZE = 224
BATCH = 64
REPEATS = 5
TARGET = 5.0


class Cached:
    """Whole batches from the memory map (a map-style data set to torch)."""

    def __init__(self, view: SplitView) -> None:
        self._view = view

    def __len__(self) -> int:
        return len(self._view)

    def __getitems__(self, indices: list[int]) -> "tuple[Tensor, Tensor]":
        import torch

        pixels = torch.from_numpy(self._view.images[indices])
        return pixels.permute(0, 3, 1, 2).float().div_(255), torch.from_numpy(self._view.labels[indices])


def _same(batch: Any) -> Any:
    return batch


def _epoch(loader: "DataLoader[Any]") -> float:
    start = time.perf_counter()
    seen = 0
    for images, labels in loader:
        assert images.is_floating_point()
        assert images.shape[1:] == (3, SIZE, SIZE)
        seen += len(labels)
    assert seen == IMAGES
    return time.perf_counter() - start


def _quartiles(values: list[float]) -> dict[str, float]:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"median": round(float(middle), 4), "q1": round(float(low), 4), "q3": round(float(high), 4)}


def run() -> dict[str, Any]:
    """Measure; takes about a minute on two cores.

    Returns:
        name, ratio (ImageFolder's seconds over the cache's, median of the pairs), target, met, details.
    """
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        dataset = write_photos(root / "photos", IMAGES, WIDTH, HEIGHT)
        start = time.perf_counter()
        cached = build_cache(dataset, DataConfig(), SIZE, root / "cache")
        build_seconds = time.perf_counter() - start
        transform = v2.Compose([v2.Resize((SIZE, SIZE)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
        ours = DataLoader(
            cast(Any, Cached(cached.split("train"))),
            BATCH,
            shuffle=True,
            num_workers=workers,
            collate_fn=_same,
        )
        theirs = DataLoader(
            ImageFolder(str(root / "photos" / "train"), transform), BATCH, shuffle=True, num_workers=workers
        )
        epochs: tuple[Callable[[], float], ...] = (lambda: _epoch(ours), lambda: _epoch(theirs))
        for warm_up in epochs:
            warm_up()
        pairs = [tuple(epoch() for epoch in epochs) for _ in range(REPEATS)]
        kilobytes = sum(each.stat().st_size for each in (root / "photos").rglob("*.jpg")) / 1024
    ratios = _quartiles([slow / fast for fast, slow in pairs])
    return {
        "name": "cache_epoch",
        "ratio": ratios["median"],
        "target": TARGET,
        "met": ratios["median"] >= TARGET,
        "details": {
            "ratio": ratios,
            "cache_seconds": _quartiles([fast for fast, _ in pairs]),
            "image_folder_seconds": _quartiles([slow for _, slow in pairs]),
            "cache_build_seconds": round(build_seconds, 3),
            "images": IMAGES,
            "jpeg_pixels": [WIDTH, HEIGHT],
            "jpeg_kilobytes_mean": round(kilobytes / len(dataset.records), 1),
            "image_size": SIZE,
            "batch_size": BATCH,
            "loader_workers": workers,
            "repeats": REPEATS,
        },
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))

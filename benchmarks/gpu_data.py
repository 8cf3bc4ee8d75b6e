"""Generated images and trials for the benchmarks of the GPU: nothing is downloaded."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.types import SPLITS, Card, Dataset, Record, Split
from tools.policy.canonical import canonical_json, parse_one_line
from tools.training.config import ModelConfig, TrainingConfig, TrialSpec
from tools.training.packed.measure import USUAL
from tools.training.recipes import resolve_recipe
from tools.training.trial_store import TrialStore, trial_key

HELD_OUT = 300


@dataclass(frozen=True)
class Blobs:
    """Soft spots on noise: two sizes of spots are two classes that can be told apart, but not perfectly."""

    size: int

    def read(self, file: str) -> bytes:
        """One image as JPEG."""
        number = int(file)
        random = np.random.default_rng(number)
        pixels = random.integers(0, 90, (self.size, self.size, 3)).astype(np.float32)
        rows, columns = np.mgrid[: self.size, : self.size] / self.size
        for _ in range(6):
            y, x = random.random(2)
            width = (0.05, 0.075)[number % 2] * random.uniform(0.7, 1.4)
            pixels += 120 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / width**2)[..., None]
        stream = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
        return stream.getvalue()

    def where(self, file: str) -> str:
        """For messages."""
        return f"blobs {file}"


def blobs(root: Path, size: int, train: int) -> CachedDataset:
    """`train` training images of `size` pixels, and `HELD_OUT` of each other split."""
    counts: dict[Split, int] = {"train": train, "validation": HELD_OUT, "test": HELD_OUT}
    records: list[Record] = []
    for split in SPLITS:
        for number in range(len(records), len(records) + counts[split]):
            records.append(Record(f"{number:05d}", number % 2, split, f"group {number}"))
    card = Card("blobs", "Blobs", "unknown", "whether spots are small or large", ("small", "large"))
    return build_cache(Dataset(card, tuple(records), Blobs(size)), DataConfig(decode_workers=1), size, root)


def trial(
    cached: CachedDataset,
    root: Path,
    policy: str = USUAL,
    seed: int = 0,
    model: str = "resnet18",
    **recipe: Any,
) -> TrialSpec:
    """A trial on `cached`; `recipe` are fields that differ from the default recipe."""
    canonical, config = canonical_json(parse_one_line(policy)), ModelConfig(name=model)
    resolved = resolve_recipe(TrainingConfig()).model_copy(update=recipe)
    key = trial_key(canonical, cached.fingerprint, config, resolved, seed, 1)
    directory = TrialStore(root).directory(key)
    directory.mkdir(parents=True, exist_ok=True)
    return TrialSpec(
        key=key,
        policy=canonical,
        cache=cached.folder,
        image_size=cached.image_size,
        classes=2,
        ordinal=False,
        model=config,
        recipe=resolved,
        seed=seed,
        directory=directory,
    )

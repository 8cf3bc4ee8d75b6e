"""A tiny real data set and tiny trials on it, for every test that trains."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.label_sets import packed
from tools.datasets.types import SPLITS, Card, Dataset, Record, Split
from tools.policy.canonical import canonical_json, parse_one_line
from tools.training.config import Fold, ModelConfig, Recipe, TrainingConfig, TrialSpec
from tools.training.recipes import resolve_recipe
from tools.training.synthetic import Mixing, Synthetic
from tools.training.trial_store import TrialStore, trial_key

CLASSES = 3
SIZE = 16
TRAIN = 33
"""Four batches of 8 and one image, which joins the fourth."""
HELD_OUT = 15
SOURCES = np.array([0, 0, 0, 5, 2, 2, 30])
"""Of seven synthetic images, which make a fifth batch."""


@dataclass(frozen=True)
class TintedNoise:
    """Noise in which one channel is a little brighter: red is class 0, green 1, blue 2."""

    size: int

    def read(self, file: str) -> bytes:
        number = int(file)
        pixels = np.random.default_rng(number).integers(0, 200, (self.size, self.size, 3), dtype=np.uint8)
        pixels[..., number % CLASSES] += 40
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        return stream.getvalue()

    def where(self, file: str) -> str:
        return f"noise {file}"


def tiny_data(root: Path, size: int = SIZE, train: int = TRAIN) -> CachedDataset:
    counts: dict[Split, int] = {"train": train, "validation": HELD_OUT, "test": HELD_OUT}
    records: list[Record] = []
    for split in SPLITS:
        for number in range(len(records), len(records) + counts[split]):
            records.append(Record(f"{number:04d}", number % CLASSES, split, f"group {number}"))
    card = Card("tinted", "Tinted noise", "unknown", "which colour is brighter", ("r", "g", "b"))
    dataset = Dataset(card, tuple(records), TintedNoise(size))
    return build_cache(dataset, DataConfig(decode_workers=1), size, root)


def labelled_data(root: Path) -> CachedDataset:
    """The same noise with several labels: an image has that of its colour, every second one has 'even' too, and every
    seventh has none."""
    records = []
    for split, count in zip(SPLITS, (TRAIN, HELD_OUT, HELD_OUT), strict=True):
        for number in range(len(records), len(records) + count):
            label = 0 if number % 7 == 0 else packed([number % CLASSES, *([3] if number % 2 == 0 else [])])
            records.append(Record(f"{number:04d}", label, split, f"group {number}"))
    card = Card("labelled", "Tinted noise", "unknown", "", ("r", "g", "b", "even"), several_labels=True)
    return build_cache(
        Dataset(card, tuple(records), TintedNoise(SIZE)), DataConfig(decode_workers=1), SIZE, root
    )


def tiny_recipe(**fields: Any) -> Recipe:
    recipe = resolve_recipe(TrainingConfig(epochs=3, batch_size=8))
    return recipe.model_copy(update=fields)


def tiny_trial(
    cached: CachedDataset,
    root: Path,
    policy: str = "",
    seed: int = 0,
    model: str = "shufflenet_v2_x0_5",
    loader_workers: int = 0,
    synthetic: Synthetic | None = None,
    fold: Fold | None = None,
    **recipe: Any,
) -> TrialSpec:
    """`policy` is a line of text as `one_line` writes it; `recipe` are fields that differ from `tiny_recipe`."""
    canonical = canonical_json(parse_one_line(policy))
    config, resolved = ModelConfig(name=model), tiny_recipe(**recipe)
    key = trial_key(canonical, cached.fingerprint, config, resolved, seed, 1, synthetic, fold)
    return TrialSpec(
        key=key,
        policy=canonical,
        cache=cached.folder,
        image_size=cached.image_size,
        classes=len(cached.card.classes),
        ordinal=cached.card.ordinal,
        several_labels=cached.card.several_labels,
        model=config,
        recipe=resolved,
        seed=seed,
        directory=TrialStore(root).directory(key),
        loader_workers=loader_workers,
        synthetic=synthetic,
        fold=fold,
    )


def numbers(result: Any) -> Any:
    """All that must be equal to the bit between two runs of one trial: everything but the time it took."""
    plain = result.as_json()
    plain.pop("seconds")
    for epoch in plain["epochs"]:
        epoch.pop("seconds")
    return plain


def silent(report: Any) -> None:
    """Ignores a report."""


def write_set(folder: Path, sources: np.ndarray, labels: np.ndarray, key: str = "ab12") -> Path:
    """Noise, as a set of synthetic images."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(9).integers(0, 256, (len(sources), SIZE, SIZE, 3), dtype=np.uint8)
    np.save(folder / "pixels.npy", pixels)
    np.save(folder / "labels.npy", labels.astype(np.int64))
    np.save(folder / "sources.npy", sources.astype(np.int64))
    description = {"key": key, "image_size": SIZE, "images": len(sources), "scale": 0.2}
    (folder / "set.json").write_text(json.dumps(description))
    return folder


def mixed(folder: Path, mixing: Mixing) -> Synthetic:
    """As a trial is given the set that `write_set` wrote."""
    return Synthetic(folder=folder, key="ab12", mixing=mixing)

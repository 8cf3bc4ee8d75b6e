"""What each way of treating unequal classes does, on a folder of images whose smaller class is made rare.

All are trained under the same seeds on the same images, and evaluated on the validation split, from which nothing is
chosen here. `python -m benchmarks.imbalance --data DIR` writes benchmarks/results/imbalance.json and prints the table
in docs/results.md.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np
import torch

from benchmarks.trials import paired_difference, spec_of
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset
from tools.policy.canonical import canonical_json
from tools.policy.starts import default_policy
from tools.training.config import ModelConfig, TrainingConfig
from tools.training.loop import train_trial
from tools.training.recipes import resolve_recipe

KINDS = ("none", "weighted_loss", "balanced_sampling", "logit_adjustment")
MODEL = ModelConfig(name="shufflenet_v2_x0_5", stem="imagenet")
MEASURES = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "loss")
SEEDS = 3
BATCH = 64


def rare(dataset: Dataset, ratio: int) -> Dataset:
    """The data set with so few training images of its smallest class that the largest has `ratio` times as many."""
    train = [record for record in dataset.records if record.split == "train"]
    counts = np.bincount([record.label for record in train])
    small = int(counts.argmin())
    kept = np.random.default_rng(0).permutation(int(counts[small]))[: int(counts.max()) // ratio]
    members = [record for record in train if record.label == small]
    left_out = {record.file for place, record in enumerate(members) if place not in set(kept.tolist())}
    kept_records = tuple(record for record in dataset.records if record.file not in left_out)
    return replace(dataset, records=kept_records, published=None)  # which would bring all of them back


def measure(data: CachedDataset, root: Path, modality: str, epochs: int) -> list[dict[str, object]]:
    """One row for each training."""
    policy, rows = canonical_json(default_policy(modality).policy), []
    for seed in range(SEEDS):
        for kind in KINDS:
            recipe = resolve_recipe(
                TrainingConfig.model_validate({"epochs": epochs, "batch_size": BATCH, "imbalance": kind})
            )
            result = train_trial(spec_of(data, root, policy, MODEL, recipe, seed), "cpu", lambda report: None)
            assert result.scores is not None, result.reason
            scores = {name: getattr(result.scores, name) for name in MEASURES}
            recalls = list(result.scores.per_class_recall)
            rows.append({"kind": kind, "seed": seed, **scores, "recalls": recalls, "seconds": result.seconds})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def table(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Means by kind, and their paired differences from 'none' with 95% intervals over seeds (Student's t)."""
    found = []
    for kind in KINDS:
        line: dict[str, object] = {"kind": kind}
        for name in MEASURES:
            scale = 1 if name == "loss" else 100
            values, plain = (
                [scale * float(row[name]) for row in rows if row["kind"] == which]  # type: ignore[arg-type]
                for which in (kind, "none")
            )
            line[name] = round(float(mean(values)), 3)
            line[f"{name}_difference"] = paired_difference(values, plain)
        recalls = [row["recalls"] for row in rows if row["kind"] == kind]
        line["recalls"] = np.round(100 * np.asarray(recalls, dtype=float).mean(axis=0), 1).tolist()
        found.append(line)
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="ways of treating classes of unequal size")
    parser.add_argument("--data", type=Path, required=True, help="folder with splits and classes")
    parser.add_argument("--ratio", type=int, default=10, help="largest to smallest class in training")
    parser.add_argument("--image-size", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--modality", default="dermoscopy")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = DataConfig(dataset="folder", path=options.data, decode_workers=1)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        dataset = rare(open_dataset(config), options.ratio)
        data = build_cache(dataset, config, options.image_size, root / "cache")
        counts = data.class_counts("train")
        rows = measure(data, root, options.modality, options.epochs)
    from benchmarks.__main__ import RESULTS, metadata

    found = {"training_images": counts, "epochs": options.epochs, "image_size": options.image_size}
    found |= {"table": table(rows), "trials": rows, "metadata": metadata()}
    (RESULTS / "imbalance.json").write_text(json.dumps(found, indent=1) + "\n")
    for row in found["table"]:
        print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())

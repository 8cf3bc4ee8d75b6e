"""Warm-up, constant rate and cool-down from a shared trunk, against a cosine of its own for each length.

No augmentation and the usual policy, at doubling lengths, on the embedded digits and on a folder of images: the two
schedules are paired by policy, seed and length. `python -m benchmarks.schedules [--data DIR] [--images N]` writes
benchmarks/results/schedules.json, which keeps the rows of other data sets, and prints the table in docs/length.md.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.trials import spec_of
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.policy.canonical import canonical_json, parse_one_line
from tools.policy.starts import default_policy
from tools.training.config import ModelConfig, Recipe, TrainingConfig, TrialSpec, Trunk
from tools.training.loop import train_trial
from tools.training.recipes import resolve_recipe, training_steps, wsd_recipe
from tools.training.trial_store import trunk_key
from tools.training.types import TrialResult

MODEL = ModelConfig(name="benchmarks.small_network:network")
LENGTHS = 3
SEEDS = 4
FIRST_STEPS = 100


def lengths_of(recipe: Recipe, images: int) -> list[int]:
    """Epochs, doubling from about `FIRST_STEPS` steps."""
    each = training_steps(recipe.model_copy(update={"epochs": 1}), images)
    first = max(2, round(FIRST_STEPS / each))
    return [first * 2**number for number in range(LENGTHS)]


def measure(data: CachedDataset, root: Path, modality: str) -> list[dict[str, Any]]:
    """One row for each training."""
    images = len(data.split("train"))
    cosine = resolve_recipe(TrainingConfig())
    lengths = lengths_of(cosine, images)
    per_epoch = training_steps(cosine, images) // cosine.epochs
    stable = wsd_recipe(cosine, warmup_steps=max(1, round(cosine.warmup_fraction * lengths[0] * per_epoch)))
    policies = {"no augmentation": "", "default": None}
    rows = []
    for name, line in policies.items():
        policy = default_policy(modality).policy if line is None else parse_one_line(line)
        for seed in range(SEEDS):
            for epochs in lengths:
                for schedule, recipe in (("cosine", cosine), ("wsd", stable)):
                    spec = with_trunk(
                        data, root, canonical_json(policy), recipe.model_copy(update={"epochs": epochs}), seed
                    )
                    rows.append(row_of(data, name, seed, schedule, epochs, train_trial(spec, "cpu", _ignore)))
                    print(json.dumps(rows[-1]), flush=True)
    return rows


def with_trunk(data: CachedDataset, root: Path, policy: str, recipe: Recipe, seed: int) -> TrialSpec:
    """A trial, with a trunk where its schedule has one."""
    trunk = None
    if recipe.schedule == "wsd":
        key = trunk_key(policy, data.fingerprint, MODEL, recipe, seed, 1)
        trunk = Trunk(key=key, directory=root / "trunks" / key)
    return spec_of(data, root, policy, MODEL, recipe, seed, trunk)


def row_of(
    data: CachedDataset, policy: str, seed: int, schedule: str, epochs: int, result: TrialResult
) -> dict[str, Any]:
    """What counts of one training."""
    assert result.scores is not None, result.reason
    return {
        "data": data.card.name,
        "policy": policy,
        "seed": seed,
        "schedule": schedule,
        "epochs": epochs,
        "trained_epochs": sum(report.seconds > 0 for report in result.epochs),
        "loss": result.scores.loss,
        "accuracy": result.scores.accuracy,
        "seconds": result.seconds,
    }


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Paired differences, 'wsd' minus cosine, for each data set and length."""
    table = []
    for data in dict.fromkeys(row["data"] for row in rows):
        for epochs in sorted({row["epochs"] for row in rows if row["data"] == data}):
            pairs: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
            for row in rows:
                if row["data"] == data and row["epochs"] == epochs:
                    pairs.setdefault((row["policy"], row["seed"]), {})[row["schedule"]] = row
            found = {}
            for measure, scale in (("loss", 1), ("accuracy", 100)):
                differences = [
                    scale * (pair["wsd"][measure] - pair["cosine"][measure]) for pair in pairs.values()
                ]
                found[measure] = round(mean(differences), 4)
                found[f"{measure}_error"] = round(stdev(differences) / len(differences) ** 0.5, 4)
            table.append({"data": data, "epochs": epochs, "pairs": len(pairs), **found})
    return table


def run(config: DataConfig, size: int, modality: str) -> list[dict[str, Any]]:
    """Train everything on one data set; its rows."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        data = build_cache(open_dataset(config), config, size, root / "cache")
        return measure(data, root, modality)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="wsd branches against separate cosine runs")
    parser.add_argument(
        "--data", type=Path, help="folder with splits and classes; the embedded digits if unset"
    )
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument(
        "--images", type=int, default=None, help="training images of each class; all if unset"
    )
    parser.add_argument("--modality", default="dermoscopy")
    options = parser.parse_args()
    if options.data is None:
        rows = run(DataConfig(dataset="demo", decode_workers=1), 28, "digits")
    else:
        config = DataConfig(dataset="folder", path=options.data, per_class=options.images, decode_workers=1)
        rows = run(config, options.image_size, options.modality)
    from benchmarks.__main__ import RESULTS, metadata

    file = RESULTS / "schedules.json"
    known = json.loads(file.read_text())["trials"] if file.exists() else []
    every = [row for row in known if row["data"] != rows[0]["data"]] + rows
    found = {"table": summary(every), "trials": every, "metadata": metadata()}
    file.write_text(json.dumps(found, indent=2) + "\n")
    for row in found["table"]:
        print(json.dumps(row))
    return 0


def _ignore(report: object) -> None:
    """Progress is not shown."""


if __name__ == "__main__":
    sys.exit(main())

"""Candidates in the last quarter of a training with the default policy, against full trainings: do they rank alike?

Fourteen policies on the embedded digits, and on a folder of images: each is trained in full with the study's cosine,
and cheaply, from one trunk a seed (docs/search.md). `python -m benchmarks.cheap_measure [--data DIR]` trains and keeps
row in benchmarks/results/cheap_measure.json, so that it can be interrupted, and prints Kendall's τ with its interval
over policies and seeds; `--only-table` prints that of the rows that are there.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.trials import spec_of
from evaluators.length import scaled_losses
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.files import write_whole
from tools.policy.canonical import canonical_json, parse_one_line
from tools.policy.starts import default_policy
from tools.training.config import ModelConfig, Recipe, TrainingConfig, TrialSpec, Trunk
from tools.training.loop import train_trial
from tools.training.recipes import resolve_recipe, training_steps, trunk_epochs, wsd_recipe
from tools.training.trial_store import read_predictions, trunk_key
from tools.training.types import TrialResult

MODEL = ModelConfig(name="benchmarks.small_network:network")
"""Small enough to learn something in seconds: one that learns nothing ranks nothing."""
RESAMPLES = 2000
MEASURES = ("accuracy", "loss", "scaled_loss")

COMMON = (
    "trivial_augment_wide(p=1)",
    "rand_augment(p=1, magnitude=9, num_ops=2)",
    "mixup(p=0.5, alpha=0.2)",
    "erasing(p=0.5, area=0.25)",
    "affine(p=0.8, degrees=20, scale=0.2, shear=5, translate=0.1)",
    "brightness(p=0.5, strength=0.2) > contrast(p=0.5, strength=0.2)",
    "gaussian_blur(p=0.5, sigma=0.8) > gaussian_noise(p=0.5, sigma=0.05)",
    "elastic(p=0.7, cells=3, displacement=0.03)",
    "perspective(p=0.6, distortion=0.3)",
)
"""What any arm may propose, for both kinds of images."""
POLICIES: dict[str, tuple[str, ...]] = {
    "digits": (
        *COMMON,
        "translate(p=0.8, fraction=0.08)",
        "rotate(p=0.8, degrees=25) > shear(p=0.5, degrees=15)",
        "resized_crop(p=0.8, aspect=1.2, scale_min=0.5)",
    ),
    "dermoscopy": (
        *COMMON,
        "horizontal_flip(p=0.5) > vertical_flip(p=0.5)",
        "horizontal_flip(p=0.5) > vertical_flip(p=0.5) > trivial_augment_wide(p=1)",
        "horizontal_flip(p=0.5) > resized_crop(p=1, aspect=1.333, scale_min=0.5)",
    ),
}
"""Besides no augmentation and the default policy of the kind of images."""


def measure(
    data: CachedDataset, root: Path, modality: str, recipe: Recipe, seeds: int, known: set[tuple[str, int]]
) -> Iterator[dict[str, Any]]:
    """One row for each policy and seed that is not `known`: what it came to in full, and cheaply."""
    default = default_policy(modality).policy
    lines = ["", None, *POLICIES[modality]]
    for seed in range(seeds):
        # The default's cheap trial leaves the trunk that the others begin with.
        for line in sorted(lines, key=lambda line: line is not None):
            name = "default" if line is None else line or "none"
            if (name, seed) in known:
                continue
            policy = canonical_json(default if line is None else parse_one_line(line))
            full = spec_of(data, root, policy, MODEL, recipe, seed)
            cheap = cheap_spec(data, root, policy, canonical_json(default), recipe, seed)
            row = {
                "data": data.card.name,
                "policy": "default" if line is None else line or "none",
                "seed": seed,
            }
            for kind, spec in (("full", full), ("cheap", cheap)):
                row[kind] = row_of(spec, train_trial(spec, "cpu", _ignore))
            yield row


def cheap_spec(
    data: CachedDataset, root: Path, policy: str, default: str, recipe: Recipe, seed: int
) -> TrialSpec:
    """A trial that differs from that of the default in its cool-down alone."""
    steps = training_steps(recipe, len(data.split("train")))
    stable = wsd_recipe(recipe, warmup_steps=max(1, round(recipe.warmup_fraction * steps)))
    key = trunk_key(default, data.fingerprint, MODEL, stable, seed, 1)
    trunk = Trunk(key=key, directory=root / "trunks" / key, policy=default)
    return spec_of(data, root, policy, MODEL, stable, seed, trunk)


def row_of(spec: TrialSpec, result: TrialResult) -> dict[str, Any]:
    """What counts of one training."""
    assert result.scores is not None, result.reason
    kept = read_predictions(spec.directory, "validation")
    assert kept is not None
    epochs, trained = spec.recipe.epochs, sum(report.seconds > 0 for report in result.epochs)
    assert trained in (epochs, epochs - trunk_epochs(spec.recipe))
    return {
        "accuracy": round(result.scores.accuracy, 5),
        "loss": round(result.scores.loss, 5),
        "scaled_loss": round(float(scaled_losses(kept.probabilities, kept.labels).mean()), 5),
        "epochs": trained,
        "seconds": round(result.seconds, 1),
    }


def table_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """τ between the two rankings, for each data set, number of seeds and measure; of the seeds that are complete."""
    found = []
    for data in dict.fromkeys(row["data"] for row in rows):
        own = [row for row in rows if row["data"] == data]
        policies = list(dict.fromkeys(row["policy"] for row in own))
        done = {seed: sum(row["seed"] == seed for row in own) for seed in {row["seed"] for row in own}}
        seeds = sorted(seed for seed, count in done.items() if count == len(policies))
        own = [row for row in own if row["seed"] in seeds]
        for count in sorted({1, len(seeds)} if seeds else ()):
            for name in MEASURES:
                cheap, full = (_array(own, policies, seeds, kind, name) for kind in ("cheap", "full"))
                tau, low, high = _tau(cheap, full, count)
                found.append(
                    {"data": data, "seeds": count, "measure": name, "tau": tau, "low": low, "high": high}
                )
        spent = {kind: sum(row[kind]["epochs"] for row in own) for kind in ("cheap", "full")}
        share = round(spent["cheap"] / spent["full"], 3) if own else None
        found.append({"data": data, "policies": len(policies), "trained_seeds": len(seeds), "share": share})
    return found


def _array(
    rows: Sequence[dict[str, Any]], policies: Sequence[str], seeds: Sequence[int], kind: str, name: str
) -> np.ndarray:
    """(policies, seeds), higher is better."""
    sign = 1 if name == "accuracy" else -1
    values = {(row["policy"], row["seed"]): sign * row[kind][name] for row in rows}
    return np.array([[values[policy, seed] for seed in seeds] for policy in policies])


def _tau(cheap: np.ndarray, full: np.ndarray, count: int) -> tuple[float, float, float]:
    """τ of means over `count` seeds, one or all (of one, averaged over the seeds), and its 95% bootstrap interval over
    policies and seeds."""
    draw = np.random.default_rng(0)
    every, seeds = np.arange(len(cheap)), cheap.shape[1]

    def of(rows: np.ndarray, chosen: list[int]) -> float:
        taus: list[float] = []
        for group in [[seed] for seed in chosen] if count == 1 else [chosen]:
            means = (each[rows][:, group].mean(axis=1) for each in (cheap, full))
            compared = stats.kendalltau(*means)
            taus.append(float(compared.statistic))  # pyright: ignore[reportAttributeAccessIssue]
        return float(np.nanmean(taus))

    resampled = [
        of(draw.choice(every, len(every)), [int(seed) for seed in draw.integers(seeds, size=seeds)])
        for _ in range(RESAMPLES)
    ]
    low, high = np.nanquantile(resampled, (0.025, 0.975))
    return round(of(every, list(range(seeds))), 3), round(float(low), 3), round(float(high), 3)


def run(config: DataConfig, size: int, modality: str, recipe: Recipe, seeds: int, file: Path) -> None:
    """Train what the file lacks on one data set, and write each row into it."""
    from benchmarks.__main__ import metadata

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root, rows = Path(temporary), rows_in(file)
        data = build_cache(open_dataset(config), config, size, root / "cache")
        known = {(row["policy"], row["seed"]) for row in rows if row["data"] == data.card.name}
        for row in measure(data, root, modality, recipe, seeds, known):
            rows.append(row)
            print(json.dumps(row), flush=True)
            write_whole(file, (json.dumps({"trials": rows}) + "\n").encode())
        found = {"table": table_of(rows), "trials": rows, "metadata": metadata()}
        write_whole(file, (json.dumps(found, indent=1) + "\n").encode())


def rows_in(file: Path) -> list[dict[str, Any]]:
    """The rows that are there."""
    return json.loads(file.read_text())["trials"] if file.exists() else []


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="candidates in the last quarter against full trainings")
    parser.add_argument(
        "--data", type=Path, help="folder with splits and classes; the embedded digits if unset"
    )
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument(
        "--images", type=int, default=None, help="training images of each class; all if unset"
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--modality", choices=[*POLICIES], default="dermoscopy")
    parser.add_argument("--only-table", action="store_true", help="train nothing")
    options = parser.parse_args()
    from benchmarks.__main__ import RESULTS

    file = RESULTS / "cheap_measure.json"
    if not options.only_table:
        config = DataConfig(dataset="demo", decode_workers=1)
        training, size, modality = TrainingConfig(epochs=16, batch_size=20, learning_rate=1e-2), 24, "digits"
        if options.data is not None:
            config = DataConfig(
                dataset="folder", path=options.data, per_class=options.images, decode_workers=1
            )
            training, size = TrainingConfig(epochs=options.epochs), options.image_size
            modality = options.modality
        run(config, size, modality, resolve_recipe(training), options.seeds, file)
    for line in table_of(rows_in(file)):
        print(json.dumps(line))
    return 0


def _ignore(report: object) -> None:
    """Progress is not shown."""


if __name__ == "__main__":
    sys.exit(main())

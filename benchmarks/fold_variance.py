"""By how much folds over seeds reduce the noise of a paired gain: `python -m benchmarks.fold_variance --data DIR`.

One grid on real images: no augmentation and the default policy of the images, each under S seeds in each of K folds.
From it come the parts of the variance of a trial's gain: of the images that it is validated on, which seeds on one
split share, and of all else, which they do not. Three seeds on one split then have the variance
`images + rest / 3`, three seeds on three folds `(images + rest) / 3`. The interval is a jackknife, over seeds and over
tenths of the images. Trials are kept, so that a run that was stopped resumes.
"""

import argparse
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import t as student

from benchmarks.__main__ import RESULTS, metadata
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.splits.folds import fold_count
from tools.policy.canonical import canonical_json
from tools.policy.policy import Policy
from tools.policy.starts import default_policy
from tools.training.config import Fold, ModelConfig, Recipe, TrainingConfig, TrialSpec
from tools.training.loop import train_trial
from tools.training.recipes import resolve_recipe
from tools.training.trial_store import TrialStore, read_predictions, trial_key

SEEDS_OF_A_STUDY = 3
TARGET = 1 / 3
"""By which the variance must fall, at least."""
BLOCKS = 10


@dataclass(frozen=True)
class Variance:
    """Of the gain of one trial, in squared points."""

    images: float
    """By the images that it is validated on; the same for all seeds on one split."""
    rest: float
    """By its seed: weights, order of the images, draws of the augmentation."""

    @property
    def on_one_split(self) -> float:
        """Of the mean gain of three seeds."""
        return self.images + self.rest / SEEDS_OF_A_STUDY

    @property
    def on_folds(self) -> float:
        """The same with a fold for each seed."""
        return (self.images + self.rest) / SEEDS_OF_A_STUDY

    @property
    def reduction(self) -> float:
        """By which share the variance falls, 0..2/3."""
        return 1 - self.on_folds / self.on_one_split


def variance_of(folds: list[np.ndarray]) -> Variance:
    """The parts of the variance, from the analysis of variance of seeds × images in each fold.

    Args:
        folds: for each fold, float (S, N): gain (-100, 0 or 100 points) of each seed on each of its images.
    """
    images, rest = [], []
    for gains in folds:
        seeds, count = gains.shape
        by_seed, by_image = gains.mean(axis=1), gains.mean(axis=0)
        residual = gains - by_seed[:, None] - by_image + gains.mean()
        noise = (residual**2).sum() / ((seeds - 1) * (count - 1))
        images.append(max(0.0, by_image.var(ddof=1) - noise / seeds) / count)
        rest.append(by_seed.var(ddof=1))
    return Variance(float(np.mean(images)), float(np.mean(rest)))


def interval_of(folds: list[np.ndarray]) -> tuple[float, float]:
    """95% interval of the reduction: jackknife over seeds and over tenths of the images, their variances added."""
    seeds = len(folds[0])
    without_seed = [
        variance_of([np.delete(gains, seed, axis=0) for gains in folds]).reduction for seed in range(seeds)
    ]
    without_block = [
        variance_of([np.delete(g, np.arange(block, g.shape[1], BLOCKS), axis=1) for g in folds]).reduction
        for block in range(BLOCKS)
    ]
    error = np.sqrt(_jackknife(without_seed) + _jackknife(without_block))
    half = float(student.ppf(0.975, seeds - 1) * error)
    middle = variance_of(folds).reduction
    return middle - half, middle + half


def _jackknife(values: list[float]) -> float:
    return (len(values) - 1) * float(np.var(values))


def trial(
    data: CachedDataset,
    policy: Policy,
    recipe: Recipe,
    model: ModelConfig,
    seed: int,
    fold: Fold,
    store: TrialStore,
) -> TrialSpec:
    """One cell of the grid."""
    canonical = canonical_json(policy)
    key = trial_key(canonical, data.fingerprint, model, recipe, seed, 1, fold=fold)
    return TrialSpec(
        key=key,
        policy=canonical,
        cache=data.folder,
        image_size=data.image_size,
        classes=len(data.card.classes),
        ordinal=data.card.ordinal,
        model=model,
        recipe=recipe,
        seed=seed,
        directory=store.directory(key),
        fold=fold,
    )


def correct(spec: TrialSpec) -> np.ndarray:
    """Train the trial where it is not yet; 100 for each validation image that it gets right, else 0."""
    result = train_trial(spec, "cpu", lambda report: None)
    predictions = read_predictions(spec.directory, "validation")
    if result.scores is None or predictions is None:
        raise SystemExit(f"seed {spec.seed}, fold {spec.fold} failed: {result.reason}")
    return 100.0 * (predictions.probabilities.argmax(axis=1) == predictions.labels)


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Train the grid and say what it shows, as JSON."""
    config = DataConfig(path=arguments.data, modality=arguments.modality)
    dataset = open_dataset(config)
    # Every n-th image of each split, in the order of their names.
    dataset = replace(dataset, records=tuple(dataset.records[:: arguments.every]), published=None)
    data = build_cache(dataset, config, arguments.size, arguments.runs / "cache")
    sizes = [sum(data.class_counts(split).values()) for split in ("train", "validation")]
    count = fold_count(*sizes)
    model = ModelConfig(name=arguments.model, stem="imagenet")
    recipe = resolve_recipe(TrainingConfig(epochs=arguments.epochs, batch_size=arguments.batch_size))
    default = default_policy(data.card.modality)
    store = TrialStore(arguments.runs / "trials")
    gains: dict[int, list[np.ndarray]] = {number: [] for number in range(count)}
    accuracy: dict[str, list[float]] = {"no augmentation": [], default.name: []}
    for seed in range(arguments.seeds):
        for number in range(count):
            fold = Fold(number=number, count=count)
            plain, augmented = (
                correct(trial(data, policy, recipe, model, seed, fold, store))
                for policy in (Policy(operations=[]), default.policy)
            )
            gains[number].append(augmented - plain)
            accuracy["no augmentation"].append(float(plain.mean()))
            accuracy[default.name].append(float(augmented.mean()))
            print(f"seed {seed}, fold {fold}: {plain.mean():.1f} → {augmented.mean():.1f}", flush=True)
    folds = [np.stack(each) for each in gains.values()]
    found, (low, high) = variance_of(folds), interval_of(folds)
    by_fold = [float(each.mean()) for each in folds]
    return {
        "name": "variance of a paired gain of 3 seeds, folds against one split",
        "reduction": found.reduction,
        "interval": [low, high],
        "target": f"at least {TARGET:.2f}",
        "met": found.reduction >= TARGET,
        "variance_on_one_split": found.on_one_split,
        "variance_on_folds": found.on_folds,
        "variance_by_images": found.images,
        "variance_by_seeds": found.rest,
        "mean_gain": float(np.mean(by_fold)),
        "gain_by_fold": by_fold,
        "accuracy": {name: float(np.mean(values)) for name, values in accuracy.items()},
        "settings": {
            "data": arguments.data.name,
            "training_and_validation_images": sum(sizes),
            "folds": count,
            "seeds": arguments.seeds,
            "image_size": arguments.size,
            "epochs": arguments.epochs,
            "batch_size": arguments.batch_size,
            "model": arguments.model,
            "policy": canonical_json(default.policy),
        },
    }


def main() -> int:
    """Measure, print and write benchmarks/results/fold_variance.json; 1 where the target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of images with a train and a val split"
    )
    parser.add_argument("--modality", default="dermoscopy")
    parser.add_argument("--runs", type=Path, default=Path("runs/fold_variance"))
    parser.add_argument("--every", type=int, default=1, help="use every n-th image")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--model", default="shufflenet_v2_x0_5")
    parser.add_argument("--seeds", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    result = measure(arguments)
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "fold_variance.json"
    file.write_text(json.dumps({**result, "metadata": metadata()}, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0 if result["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())

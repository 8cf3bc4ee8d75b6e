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
from benchmarks.trials import spec_of
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.splits.folds import fold_count
from tools.policy.canonical import canonical_json
from tools.policy.policy import Policy
from tools.policy.starts import default_policy
from tools.training.config import Fold, ModelConfig, TrainingConfig, TrialSpec
from tools.training.loop import train_trial
from tools.training.recipes import resolve_recipe
from tools.training.trial_store import read_predictions

SEEDS_OF_A_STUDY = 3
TARGET = 1 / 3
"""By which the variance must fall, at least."""
BLOCKS = 10
LEAST_PROBABILITY = 1e-7
"""Of the true class; less counts as this."""
TABLE_DEFAULT = "flip+affine-mild"
"""The default policy of a table of stored trainings."""


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

    def as_json(self, interval: tuple[float, float]) -> dict[str, object]:
        """Its fields of a result, with the interval of the reduction."""
        return {
            "reduction": self.reduction,
            "interval": list(interval),
            "target": f"at least {TARGET:.2f}",
            "met": self.reduction >= TARGET,
            "variance_on_one_split": self.on_one_split,
            "variance_on_folds": self.on_folds,
            "variance_by_images": self.images,
            "variance_by_seeds": self.rest,
        }


def variance_of(cells: list[np.ndarray], validated: int | None = None) -> Variance:
    """The parts of the variance, from the analysis of variance of seeds × images in each cell; their means.

    Args:
        cells: for each fold (or policy), float (S, N): gain of each seed on each image (of accuracy -100, 0 or
            100 points).
        validated: images that a trial is validated on, where these are not the N of a cell.
    """
    images, rest = [], []
    for gains in cells:
        seeds, count = gains.shape
        by_seed, by_image = gains.mean(axis=1), gains.mean(axis=0)
        residual = gains - by_seed[:, None] - by_image + gains.mean()
        noise = (residual**2).sum() / ((seeds - 1) * (count - 1))
        size = validated or count
        images.append((by_image.var(ddof=1) - noise / seeds) / size)
        rest.append(by_seed.var(ddof=1) - noise / count + noise / size)
    return Variance(max(0.0, float(np.mean(images))), float(np.mean(rest)))


def interval_of(cells: list[np.ndarray], validated: int | None = None) -> tuple[float, float]:
    """95% interval of the reduction: jackknife over seeds and over tenths of the images, their variances added."""
    seeds = len(cells[0])
    # The size of a trial's validation stays, also where images are left out.
    size = validated or round(float(np.mean([gains.shape[1] for gains in cells])))
    without_seed = [
        variance_of([np.delete(gains, seed, axis=0) for gains in cells], size).reduction
        for seed in range(seeds)
    ]
    without_block = [
        variance_of(
            [np.delete(g, np.arange(block, g.shape[1], BLOCKS), axis=1) for g in cells], size
        ).reduction
        for block in range(BLOCKS)
    ]
    error = np.sqrt(_jackknife(without_seed) + _jackknife(without_block))
    half = float(student.ppf(0.975, seeds - 1) * error)
    middle = variance_of(cells, validated).reduction
    return middle - half, middle + half


def _jackknife(values: list[float]) -> float:
    return (len(values) - 1) * float(np.var(values))


def scored(spec: TrialSpec, device: str, measure: str) -> np.ndarray:
    """Train the trial where it is not yet; a score of each validation image.

    Accuracy: 100 where it is right, else 0. Log loss: hundredths of a nat, negative, so that more is better.
    """
    result = train_trial(spec, device, lambda report: None)
    predictions = read_predictions(spec.directory, "validation")
    if result.scores is None or predictions is None:
        raise SystemExit(f"seed {spec.seed}, fold {spec.fold} failed: {result.reason}")
    if measure == "log_loss":
        of_truth = predictions.probabilities[np.arange(len(predictions.labels)), predictions.labels]
        return 100.0 * np.log(np.clip(of_truth, LEAST_PROBABILITY, 1))
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
    gains: dict[int, list[np.ndarray]] = {number: [] for number in range(count)}
    scores: dict[str, list[float]] = {"no augmentation": [], default.name: []}
    for seed in range(arguments.seeds):
        for number in range(count):
            fold = Fold(number=number, count=count)
            plain, augmented = (
                scored(
                    spec_of(data, arguments.runs, canonical_json(policy), model, recipe, seed, fold=fold),
                    arguments.device,
                    arguments.measure,
                )
                for policy in (Policy(operations=[]), default.policy)
            )
            gains[number].append(augmented - plain)
            scores["no augmentation"].append(float(plain.mean()))
            scores[default.name].append(float(augmented.mean()))
            print(f"seed {seed}, fold {fold}: {plain.mean():.1f} → {augmented.mean():.1f}", flush=True)
    folds = [np.stack(each) for each in gains.values()]
    found, interval = variance_of(folds), interval_of(folds)
    by_fold = [float(each.mean()) for each in folds]
    return {
        "name": "variance of a paired gain of 3 seeds, folds against one split",
        **found.as_json(interval),
        "mean_gain": float(np.mean(by_fold)),
        "gain_by_fold": by_fold,
        arguments.measure: {name: float(np.mean(values)) for name, values in scores.items()},
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


def measure_table(file: Path) -> dict[str, object]:
    """The same from stored trainings that are known image by image (`val_bits`, `test_bits`), on one split.

    Every policy at the greatest length, against the default of the table, validated on as many images as its
    validation split has.
    """
    policies = json.loads(file.with_name(file.name.removesuffix(".jsonl") + ".policies.json").read_text())
    default = [policy["name"] for policy in policies].index(TABLE_DEFAULT)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    longest = max(row["epochs"] for row in rows)
    rows = [row for row in rows if row["epochs"] == longest]
    validated, tested = (_images(rows, split) for split in ("val", "test"))
    right = {
        (row["policy"], row["seed"]): np.concatenate(
            [_unpacked(row["val_bits"], validated), _unpacked(row["test_bits"], tested)]
        )
        for row in rows
    }
    seeds = sorted({seed for _, seed in right})
    cells = [
        np.stack([right[policy, seed] - right[default, seed] for seed in seeds])
        for policy in sorted({policy for policy, _ in right} - {default})
    ]
    found, interval = variance_of(cells, validated), interval_of(cells, validated)
    return {
        "name": "variance of a paired gain of 3 seeds, folds against one split, from stored trainings",
        **found.as_json(interval),
        "settings": {
            "table": file.name,
            "policies": len(cells),
            "seeds": len(seeds),
            "epochs": longest,
            "validation_images": validated,
            "images": validated + tested,
        },
    }


def _images(rows: list[dict], split: str) -> int:
    """How many images the bits of `split` are about: the number that fits their bytes and every accuracy best."""
    most = 4 * len(rows[0][f"{split}_bits"])

    def misfit(count: int) -> float:
        return sum(abs(int(row[f"{split}_bits"], 16).bit_count() / count - row[split]) for row in rows)

    return min(range(most - 7, most + 1), key=misfit)


def _unpacked(bits: str, count: int) -> np.ndarray:
    """100 for each image that was right, else 0."""
    return 100.0 * np.unpackbits(np.frombuffer(bytes.fromhex(bits), dtype=np.uint8))[:count]


def main() -> int:
    """Measure, print and write benchmarks/results/fold_variance.json; 1 where the target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of images with a train and a val split")
    parser.add_argument("--table", type=Path, help="instead of training: NAME.jsonl of stored trainings")
    parser.add_argument("--measure", choices=("accuracy", "log_loss"), default="accuracy")
    parser.add_argument("--device", default="cpu")
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
    if (arguments.data is None) == (arguments.table is None):
        parser.error("give --data or --table")
    result = measure(arguments) if arguments.table is None else measure_table(arguments.table)
    RESULTS.mkdir(exist_ok=True)
    kind = "_table" if arguments.table is not None else "" if arguments.measure == "accuracy" else "_log_loss"
    file = RESULTS / f"fold_variance{kind}.json"
    file.write_text(json.dumps({**result, "metadata": metadata()}, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 0 if result["met"] else 1


if __name__ == "__main__":
    raise SystemExit(main())

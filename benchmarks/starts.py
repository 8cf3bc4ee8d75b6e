"""What published weights give beside what augmentation gives, on a folder of images.

EfficientNet-Lite0 from scratch and from its ImageNet weights, each without augmentation and with the default policy of
the images, under the same seeds, evaluated on the validation split, from which nothing is chosen here.
`python -m benchmarks.starts --data DIR` writes benchmarks/results/starts.json and prints the table in docs/model.md.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.trials import paired_difference, spec_of
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.policy.canonical import canonical_json
from tools.policy.policy import Policy
from tools.policy.starts import default_policy
from tools.training.config import ModelConfig, Recipe, TrainingConfig
from tools.training.loop import train_trial
from tools.training.recipes import resolve_recipe

STARTS = {
    "from scratch": ModelConfig(name="efficientnet_lite0", norm_momentum=0.1),
    "published weights": ModelConfig(name="efficientnet_lite0", weights="pretrained", norm_momentum=0.1),
    "published weights, own momentum": ModelConfig(name="efficientnet_lite0", weights="pretrained"),
}
"""The last has the model's own momentum of batch normalisation, 0.01, in place of what a study takes."""
MEASURES = {"accuracy": 100, "loss": 1}
PAIRS = (
    ("from scratch", "default", "from scratch", "none"),
    ("published weights", "none", "from scratch", "none"),
    ("published weights", "default", "from scratch", "default"),
    ("published weights", "default", "published weights", "none"),
    ("published weights", "none", "published weights, own momentum", "none"),
    ("published weights", "default", "published weights, own momentum", "default"),
)
"""(start, policy) less (start, policy)."""


def measure(
    data: CachedDataset, root: Path, modality: str, recipe: Recipe, seeds: int
) -> Iterator[dict[str, Any]]:
    """One row for each training."""
    policies = {"none": Policy(operations=[]), "default": default_policy(modality).policy}
    for seed in range(seeds):
        for start, model in STARTS.items():
            for name, policy in policies.items():
                spec = spec_of(data, root, canonical_json(policy), model, recipe, seed)
                result = train_trial(spec, "cpu", lambda report: None)
                assert result.scores is not None, result.reason
                scores = {measure: getattr(result.scores, measure) for measure in MEASURES}
                yield {"start": start, "policy": name, "seed": seed, **scores, "seconds": result.seconds}


def table(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means by start and policy, and the paired differences of `PAIRS` with 95% intervals over seeds."""

    def values(start: str, policy: str, measure: str) -> list[float]:
        own = [row for row in rows if (row["start"], row["policy"]) == (start, policy)]
        return [MEASURES[measure] * row[measure] for row in sorted(own, key=lambda row: row["seed"])]

    found: list[dict[str, Any]] = []
    for start, policy in dict.fromkeys((row["start"], row["policy"]) for row in rows):
        means = {each: round(sum(v := values(start, policy, each)) / len(v), 3) for each in MEASURES}
        found.append({"start": start, "policy": policy, **means})
    for pair in PAIRS:
        differences = {
            each: paired_difference(values(*pair[:2], each), values(*pair[2:], each)) for each in MEASURES
        }
        found.append({"of": ", ".join(pair[:2]), "less": ", ".join(pair[2:]), **differences})
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="published weights against a start from scratch")
    parser.add_argument("--data", type=Path, required=True, help="folder with splits and classes")
    parser.add_argument(
        "--images", type=int, default=None, help="training images of each class; all if unset"
    )
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--modality", default="dermoscopy")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = DataConfig(dataset="folder", path=options.data, per_class=options.images, decode_workers=1)
    recipe = resolve_recipe(TrainingConfig(epochs=options.epochs))
    with tempfile.TemporaryDirectory() as temporary:
        root, rows = Path(temporary), []
        data = build_cache(open_dataset(config), config, options.image_size, root / "cache")
        for row in measure(data, root, options.modality, recipe, options.seeds):
            rows.append(row)
            print(json.dumps(row), flush=True)
        counts = {split: data.class_counts(split) for split in ("train", "validation")}
    from benchmarks.__main__ import RESULTS, metadata

    found = {"data": data.card.name, "images": counts, "image_size": options.image_size}
    found |= {"epochs": options.epochs, "table": table(rows), "trials": rows, "metadata": metadata()}
    (RESULTS / "starts.json").write_text(json.dumps(found, indent=1) + "\n")
    for row in found["table"]:
        print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())

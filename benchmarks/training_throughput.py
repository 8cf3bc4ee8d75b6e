"""Training throughput of a trial against a bare, hand-written PyTorch loop that does the same work.

Same images, model, batches, augmentation calls, optimizer, learning-rate schedule and per-epoch validation; the
bare loop keeps no log, no checkpoint, no seeds, no scores and no checks. The two take turns, epoch by epoch, in one
process, so that each pair of epochs runs under the same load; the figure is the median of bare / trial seconds.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset, open_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.policy.built_policy import build
from tools.policy.canonical import canonical_json, from_canonical, parse_one_line
from tools.training.config import ModelConfig, TrainingConfig, TrialSpec
from tools.training.loop import train_trial
from tools.training.networks.models import build_model
from tools.training.normalisation import training_normalisation
from tools.training.recipes import learning_rate_at, optimizer_for, resolve_recipe
from tools.training.types import EpochReport

NAME = "training throughput"
TARGET = 0.97
EPOCHS = 9
"""The first is a warm-up and does not count."""

POLICIES = {
    "no augmentation": "",
    "three operations": "rotate(p=0.5, degrees=10) > brightness(p=0.5, strength=0.2) > horizontal_flip(p=0.5)",
}


def bare_epochs(spec: TrialSpec) -> Iterator[float]:
    """A loop as written by hand; yields the seconds of each epoch."""
    cached, recipe = open_cache(spec.cache), spec.recipe
    train, validation = cached.split("train"), cached.split("validation")
    norm = training_normalisation(spec.cache, train.images)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (norm.mean, norm.std))
    policy = build(from_canonical(spec.policy), spec.image_size, spec.classes)
    model = build_model(spec.model, spec.classes, spec.image_size, spec.seed)
    optimizer = optimizer_for(model, recipe)
    steps = -(-len(train) // recipe.batch_size)
    for epoch in range(1, recipe.epochs + 1):
        started = time.perf_counter()
        model.train()
        order = torch.randperm(len(train)).numpy()
        for step in range(steps):
            indices = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            if policy.is_identity:
                images = torch.from_numpy(train.images[indices]).permute(0, 3, 1, 2)
            else:
                images = torch.stack([policy.augment(train.images[index]) for index in indices])
            labels = torch.from_numpy(train.labels[indices])
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(recipe, epoch, step, steps)
            inputs = (images.float() - mean) / std
            loss = nn.functional.cross_entropy(model(inputs), labels, label_smoothing=recipe.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            if recipe.gradient_clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
            optimizer.step()
            loss.item()
        model.eval()
        correct = 0
        with torch.inference_mode():
            for start in range(0, len(validation), 2 * recipe.batch_size):
                stop = start + 2 * recipe.batch_size
                images = torch.from_numpy(np.array(validation.images[start:stop])).permute(0, 3, 1, 2)
                labels = torch.from_numpy(np.array(validation.labels[start:stop]))
                logits = model((images.float() - mean) / std)
                correct += int((logits.argmax(dim=1) == labels).sum())
        yield time.perf_counter() - started


def paired_epochs(spec: TrialSpec) -> list[tuple[float, float]]:
    """Seconds of (trial, bare loop) for each epoch; those of the trial include its log and checkpoints."""
    bare = bare_epochs(spec)
    pairs: list[tuple[float, float]] = []
    resumed = time.perf_counter()

    def on_epoch(report: EpochReport) -> None:
        nonlocal resumed
        pairs.append((time.perf_counter() - resumed, next(bare)))
        resumed = time.perf_counter()

    result = train_trial(spec, "cpu", on_epoch)
    if result.status != "finished":
        raise RuntimeError(f"the trial failed: {result.reason}")
    return pairs


def specification(cached: CachedDataset, policy: str, root: Path) -> TrialSpec:
    return TrialSpec(
        key="benchmark",
        policy=canonical_json(parse_one_line(policy)),
        cache=cached.folder,
        image_size=cached.image_size,
        classes=len(cached.card.classes),
        ordinal=cached.card.ordinal,
        model=ModelConfig(),
        recipe=resolve_recipe(TrainingConfig(epochs=EPOCHS, amp="off")),
        seed=0,
        directory=root,
    )


def run() -> dict[str, Any]:
    """Measures; `ratio` is the worse of the two policies' medians."""
    before = torch.get_num_threads()
    # as a worker has on 2 cores; with more, any other process on the machine makes torch's threads wait
    torch.set_num_threads(1)
    try:
        return _run()
    finally:
        torch.set_num_threads(before)


def _run() -> dict[str, Any]:
    medians: dict[str, float] = {}
    details: dict[str, Any] = {
        "data": "demo: 100 training and 200 validation images, 32 px",
        "model": "resnet18",
        "pairs_of_epochs": EPOCHS - 1,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        config = DataConfig(dataset="demo")
        cached = build_cache(open_dataset(config), config, 32, root / "cache")
        for name, policy in POLICIES.items():
            pairs = paired_epochs(specification(cached, policy, root / name))[1:]
            ratios = [bare / ours for ours, bare in pairs]
            medians[name] = statistics.median(ratios)
            details[name] = {
                "median": round(medians[name], 4),
                "quartiles": [round(value, 4) for value in statistics.quantiles(ratios, n=4)],
                "images_per_second": round(
                    len(cached.split("train")) / statistics.median(o for o, _ in pairs), 1
                ),
            }
    ratio = min(medians.values())
    return {"name": NAME, "ratio": ratio, "target": TARGET, "met": ratio >= TARGET, "details": details}


if __name__ == "__main__":
    outcome = run()
    print(f"{outcome['name']}: {outcome['ratio']:.3f} of a bare loop (target {outcome['target']})")
    for key, value in outcome["details"].items():
        print(f"  {key}: {value}")
    sys.exit(0 if outcome["met"] else 1)

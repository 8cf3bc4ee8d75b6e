"""How far rounding carries a training: `python -m benchmarks.rounding [--device cuda:0]`.

The same training, from weights of which each is changed by about so many parts of itself: by how much does the mean
training loss of its first epoch differ? Two trainers that compute alike but round differently (another kernel, another
order of a sum) cannot agree any better than that. Writes benchmarks/results/rounding.json.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from benchmarks.__main__ import RESULTS, metadata
from benchmarks.gpu_data import blobs, trial
from tools.datasets.cache.read import CachedDataset
from tools.training import loop
from tools.training.config import TrialSpec
from tools.training.networks.models import build_model

IMAGES, SIZE, BATCH = 150, 32, 8
"""As in the test that compares packs with the trainer for one trial (`make test-gpu`)."""
POLICIES = {"no mixing": "", "mixup": "mixup(p=0.7, alpha=0.4)", "cutmix": "cutmix(p=0.7, alpha=1.0)"}
CHANGES = (1e-6, 1e-5, 1e-4)
SEEDS = 3


def first_loss(spec: TrialSpec, device: str, change: float) -> float:
    """The mean training loss of the first epoch, from weights that differ by `change` of themselves."""

    def changed(*arguments: Any) -> nn.Module:
        model, noise = build_model(*arguments), torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weights in model.parameters():
                weights.mul_(1 + change * torch.randn(weights.shape, generator=noise))
        return model

    with patch.object(loop, "build_model", changed):
        result = loop.train_trial(spec, device, lambda report: None)
    assert result.epochs, result.reason
    return result.epochs[0].train_loss


def measure(root: Path, device: str) -> dict[str, dict[str, list[float]]]:
    """Optimizer and mixing → change → relative differences of the loss, by seed."""
    data, found = blobs(root / "data", SIZE, IMAGES), dict[str, dict[str, list[float]]]()
    for optimizer in ("adamw", "sgd"):
        for name, policy in POLICIES.items():
            row = found[f"{optimizer}, {name}"] = {f"{change:g}": [] for change in CHANGES}
            for seed in range(SEEDS):
                losses = [
                    first_loss(_trial(data, root / f"{change:g}", policy, seed, optimizer), device, change)
                    for change in (0.0, *CHANGES)
                ]
                for change, loss in zip(row, losses[1:], strict=True):
                    row[change].append(abs(loss / losses[0] - 1))
            told = "  ".join(f"{change}: {100 * max(values):.2f}%" for change, values in row.items())
            print(f"{optimizer:6} {name:10} largest difference by change of the weights  {told}", flush=True)
    return found


def _trial(data: CachedDataset, root: Path, policy: str, seed: int, optimizer: str) -> TrialSpec:
    return trial(data, root, policy, seed, epochs=2, batch_size=BATCH, optimizer=optimizer, amp="off")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args().device
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), device)
    result = {
        "name": "rounding",
        "what": "relative difference of the mean training loss of the first epoch, by seed, where each weight is "
        "changed by so many parts of itself",
        "images": IMAGES,
        "image_size": SIZE,
        "batch_size": BATCH,
        "device": device,
        "differences": found,
        "metadata": metadata(),
    }
    (RESULTS / "rounding.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

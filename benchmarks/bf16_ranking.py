"""Whether bfloat16 ranks policies as float32 does: `python -m benchmarks.bf16_ranking [--policies N]`.

Up to twelve policies, as `agent run --dataset demo` trains them, under the same seeds in plain float32 and in bfloat16
with channels last. Kendall's τ says how far the two orders of the policies agree; beside it stands τ between two seeds
of float32 alone, which is what a seed does to the order. Writes benchmarks/results/bf16_ranking.json. Trials are kept
in --root: a run that was stopped resumes.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from agent.settings.config import StudyConfig
from agent.settings.sources import load_config
from benchmarks.__main__ import RESULTS, metadata
from benchmarks.trials import spec_of
from tools.datasets.cache.build import build_cache
from tools.datasets.registry import open_dataset
from tools.policy.canonical import canonical_json
from tools.policy.named import named_policy
from tools.policy.policy import Policy
from tools.training.loop import train_trial
from tools.training.recipes import resolve_recipe

POLICIES = (
    "none",
    "default",
    "rand_augment",
    "trivial_augment_wide",
    "rotate(p=0.5, degrees=15)",
    "rotate(p=1, degrees=45)",
    "horizontal_flip(p=0.5)",
    "vertical_flip(p=0.5)",
    "invert(p=0.5)",
    "mixup(p=1, alpha=0.4)",
    "cutmix(p=1, alpha=1)",
    "erasing(p=0.5)",
)
ARITHMETICS = {"float32": {}, "bfloat16": {"amp": "bf16", "channels_last": True}}


def measure(
    config: StudyConfig, policies: Sequence[str], seeds: int, root: Path
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Arithmetic → validation accuracy, float (policies, seeds), and → seconds of a training."""
    dataset = open_dataset(config.data)
    data = build_cache(
        dataset, config.data, config.data.image_size or dataset.card.image_size, root / "cache"
    )
    plain = resolve_recipe(config.training)
    scores = {name: np.zeros((len(policies), seeds)) for name in ARITHMETICS}
    seconds: dict[str, list[float]] = {name: [] for name in ARITHMETICS}
    for row, text in enumerate(policies):
        policy = canonical_json(
            named_policy(text, data.card.modality).policy if text != "none" else Policy(operations=[])
        )
        for seed in range(seeds):
            for name, fields in ARITHMETICS.items():
                spec = spec_of(data, root, policy, config.model, plain.model_copy(update=fields), seed)
                result = train_trial(spec, "cpu", lambda report: None)
                assert result.scores is not None, result.reason
                scores[name][row, seed] = result.scores.accuracy
                seconds[name].append(result.seconds)
        found = "  ".join(f"{name} {100 * scores[name][row].mean():.1f}%" for name in ARITHMETICS)
        print(f"{text:30} {found}", flush=True)
    return scores, {name: mean(values) for name, values in seconds.items()}


def summary(
    policies: Sequence[str], scores: dict[str, np.ndarray], seconds: dict[str, float]
) -> dict[str, Any]:
    """What the two have in common, and what seeds alone do."""
    plain, other = (scores[name] for name in ARITHMETICS)
    gaps = 100 * (other - plain).ravel()
    between = [_tau(plain[:, a], plain[:, b]) for a, b in combinations(range(plain.shape[1]), 2)]
    return {
        "tau_of_the_means": _tau(plain.mean(axis=1), other.mean(axis=1)),
        "tau_of_each_seed": [_tau(plain[:, seed], other[:, seed]) for seed in range(plain.shape[1])],
        "tau_between_two_seeds_of_float32": between,
        "difference_in_points": {"mean": float(gaps.mean()), "error": stdev(gaps) / len(gaps) ** 0.5},
        "accuracy": {
            name: {policy: list(row) for policy, row in zip(policies, values.tolist(), strict=True)}
            for name, values in scores.items()
        },
        "seconds_of_a_training": seconds,
    }


def _tau(one: np.ndarray, other: np.ndarray) -> float:
    return float(kendalltau(one, other)[0])  # pyright: ignore[reportArgumentType]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--policies", type=int, default=len(POLICIES), help="how many of them, the first ones"
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--root", type=Path, help="folder of the trials; a temporary one if unset")
    options = parser.parse_args()
    policies = POLICIES[: options.policies]
    torch.set_num_threads(1)
    config, _ = load_config(["--dataset", "demo"], {})
    with tempfile.TemporaryDirectory() as folder:
        scores, seconds = measure(config, policies, options.seeds, options.root or Path(folder))
    found = summary(policies, scores, seconds)
    print(json.dumps({name: value for name, value in found.items() if name != "accuracy"}, indent=2))
    content = {"policies": len(policies), "seeds": options.seeds, **found, "machine": metadata()}
    (RESULTS / "bf16_ranking.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()

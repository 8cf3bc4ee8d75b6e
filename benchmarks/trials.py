"""Trials of benchmarks that train without a study."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from scipy import stats

from tools.datasets.cache.read import CachedDataset
from tools.training.config import Fold, ModelConfig, Recipe, TrialSpec, Trunk
from tools.training.trial_store import trial_key


def spec_of(
    data: CachedDataset,
    root: Path,
    policy: str,
    model: ModelConfig,
    recipe: Recipe,
    seed: int,
    trunk: Trunk | None = None,
    fold: Fold | None = None,
) -> TrialSpec:
    """A trial in a folder below `root`, on the splits as they are without a fold; `policy` is canonical JSON."""
    foreign = None if trunk is None else trunk.policy
    key = trial_key(policy, data.fingerprint, model, recipe, seed, 1, fold=fold, trunk_policy=foreign)
    return TrialSpec(
        key=key,
        policy=policy,
        cache=data.folder,
        image_size=data.image_size,
        classes=len(data.card.classes),
        ordinal=data.card.ordinal,
        model=model,
        recipe=recipe,
        seed=seed,
        directory=root / "trials" / key,
        fold=fold,
        trunk=trunk,
    )


def paired_difference(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Mean of `values` less `others`, paired by seed, and half of its 95% interval (Student)."""
    differences = [value - other for value, other in zip(values, others, strict=True)]
    half = stats.t.ppf(0.975, len(differences) - 1) * stdev(differences) / len(differences) ** 0.5
    return [round(float(mean(differences)), 3), round(float(half), 3)]

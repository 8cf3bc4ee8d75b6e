"""Trials of benchmarks that train without a study."""

from pathlib import Path

from tools.datasets.cache.read import CachedDataset
from tools.training.config import ModelConfig, Recipe, TrialSpec, Trunk
from tools.training.trial_store import trial_key


def spec_of(
    data: CachedDataset,
    root: Path,
    policy: str,
    model: ModelConfig,
    recipe: Recipe,
    seed: int,
    trunk: Trunk | None = None,
) -> TrialSpec:
    """A trial on the splits as they are, in a folder below `root`; `policy` is canonical JSON."""
    foreign = None if trunk is None else trunk.policy
    key = trial_key(policy, data.fingerprint, model, recipe, seed, 1, trunk_policy=foreign)
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
        trunk=trunk,
    )

"""Races on simulated tables of seeds × images."""

from collections.abc import Sequence

import numpy as np

from evaluators.race.contrasts import Contrast, contrasts
from evaluators.report.comparison import TestScores

SEEDS, IMAGES = 5, 200


def arm(rights: np.ndarray) -> TestScores:
    """`rights`: bool (seeds, images)."""
    by_seed = {seed: float(row.mean()) for seed, row in enumerate(rights)}
    return TestScores(by_seed, by_seed, dict(enumerate(rights)))


def race(
    rng: np.random.Generator, gains: list[float], hard: float = 0.25, between: float = 0.01
) -> list[TestScores]:
    """Arms that share images and seeds; a control first. An image is right where its chance beats a uniform draw."""
    ease = np.clip(0.75 + hard * rng.standard_normal(IMAGES), 0.02, 0.98)
    arms = []
    for gain in [0.0, *gains]:
        own = ease + gain + 0.05 * rng.standard_normal(IMAGES)
        level = own[None] + between * rng.standard_normal((SEEDS, 1))
        arms.append(arm(rng.random((SEEDS, IMAGES)) < level))
    return arms


def compared(
    arms: list[TestScores], groups: Sequence[str] | None = None, resamples: int = 2_000
) -> list[Contrast]:
    """Every arm against the first."""
    named = {str(number): [each] for number, each in enumerate(arms)}
    return contrasts(named, [(name, "0") for name in named if name != "0"], groups, resamples)

"""What a race can see: the chance of finding a gain with so many seeds and test images, before anything is trained.

The sufficient statistics of the seeds × images table of differences (its mean and three mean squares) are drawn for
20,000 races, and the rule of `contrasts.py` is applied to each. Normal and chi-squared draws stand in for the table;
tests compare the result with races on simulated tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.race.contrasts import LEVEL, averaged, paired
from evaluators.report.comparison import TestScores
from evaluators.statistics import FEWEST_IMAGES, FEWEST_SEEDS

DRAWS = 20_000
WANTED = 0.8
"""The power at which a gain counts as one that a race can see."""
_LARGEST = 0.5


@dataclass(frozen=True)
class Noise:
    """The noise of the difference of two arms."""

    between_seeds: float
    """Standard deviation between seeds of a paired difference on an endless test set (0..1)."""
    of_images: float
    """Variance over images of the difference that all seeds agree on."""
    left: float
    """Variance of what seed and image do together."""
    words: str = ""
    """Where it comes from."""

    @classmethod
    def assumed(cls, between_seeds: float, disagreement: float, agreed: float = 0.3) -> "Noise":
        """From what is easy to imagine.

        Args:
            between_seeds: as above.
            disagreement: share of the test images that only one of two classifiers gets right (0..1).
            agreed: share of that which is the same under all seeds.
        """
        words = f"±{100 * between_seeds:g} points between seeds, arms disagree on {100 * disagreement:g}% of images"
        return cls(between_seeds, agreed * disagreement, (1 - agreed) * disagreement, words)


GUESSES = (Noise.assumed(0.005, 0.05), Noise.assumed(0.01, 0.10), Noise.assumed(0.02, 0.20))
"""What is shown where nothing was measured: little, usual and much noise."""


def measured(arms: Mapping[str, Sequence[TestScores]], pairs: Sequence[tuple[str, str]]) -> Noise | None:
    """The noise of a finished race: the mean over its comparisons; None where none has two seeds.

    The mean squares of the two-way analysis of variance, taken apart by their expectations.
    """
    found = [
        each for one, other in pairs if (each := _components(averaged(arms[one]), averaged(arms[other])))
    ]
    if not found:
        return None
    # Each part may come out below zero by chance; cut before they are averaged, they would be too large on average.
    seeds, images, left = np.maximum(np.mean(found, axis=0), 0.0)
    return Noise(float(np.sqrt(seeds)), float(images), float(left), "as measured in an earlier race")


def _components(one: TestScores, other: TestScores) -> tuple[float, float, float] | None:
    treated, controls = paired(one, other)
    table = treated - controls
    seeds, images = table.shape
    if seeds < 2 or images < 2 or np.abs(table).max() == 0:  # one policy under two names
        return None
    mean = table.mean()
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    of_seeds = images * float(((rows - mean) ** 2).sum()) / (seeds - 1)
    of_images = seeds * float(((columns - mean) ** 2).sum()) / (images - 1)
    left = float(((table - rows - columns + mean) ** 2).sum()) / ((seeds - 1) * (images - 1))
    return (of_seeds - left) / images, (of_images - left) / seeds, left


def power(gain: float, noise: Noise, seeds: int, images: int, comparisons: int = 1) -> float:
    """The chance (0..1) that a true gain is called better.

    Args:
        gain: true mean difference (0..1).
        noise: of the difference.
        seeds: fresh seeds of each arm.
        images: test images, or groups of them where they belong together.
        comparisons: in the family; each is held to the level that Holm's correction asks of the first.
    """
    from scipy import stats

    if seeds < FEWEST_SEEDS or images < FEWEST_IMAGES:
        return 0.0
    draws = np.random.default_rng(0)
    freedom = np.array([seeds - 1, images - 1, (seeds - 1) * (images - 1)])
    expected = np.array(
        [
            images * noise.between_seeds**2 + noise.left,
            seeds * noise.of_images + noise.left,
            noise.left,
        ]
    )
    squares = expected * draws.chisquare(freedom, (DRAWS, 3)) / freedom
    cells = seeds * images
    spread = np.sqrt((expected[0] + expected[1] - expected[2]) / cells)
    mean = gain + spread * draws.standard_normal(DRAWS)
    of_seeds, of_images, left = squares.T
    larger = np.maximum(of_seeds, left)
    total = larger + np.maximum(of_images - left, 0)
    p = np.maximum.reduce(
        [
            stats.t.sf(mean / np.sqrt(of_seeds / cells), seeds - 1),
            stats.norm.sf(mean / np.sqrt(of_images / cells)),
            stats.t.sf(mean / np.sqrt(total / cells), total**2 / (larger**2 / (seeds - 1))),
        ]
    )
    return float((2 * p < LEVEL / comparisons).mean())


def smallest_gain(noise: Noise, seeds: int, images: int, comparisons: int = 1) -> float | None:
    """The smallest gain (0..1) that is found with a power of 80%; None where even 50 points are not."""
    from scipy import optimize

    def short(gain: float) -> float:
        return power(gain, noise, seeds, images, comparisons) - WANTED

    if short(_LARGEST) < 0:
        return None
    return float(optimize.brentq(short, 0.0, _LARGEST, xtol=1e-4))  # type: ignore[arg-type]

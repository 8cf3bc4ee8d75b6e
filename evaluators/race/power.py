"""What a race can see: the chance of finding a gain with so many seeds and test images, before anything is trained.

The sufficient statistics of the seeds × cases table of differences (its mean and three mean squares) are drawn for
20,000 races, and the rule of `contrasts.py` is applied to each. Normal and chi-squared draws stand in for the table;
tests compare the result with races on simulated tables.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.race.contrasts import LEVEL, averaged, paired
from evaluators.report.comparison import TestScores
from evaluators.statistics import FEWEST_IMAGES, FEWEST_SEEDS, mean_squares

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
    """Variance over images of the difference that all seeds agree on; with `of_groups`, over groups of images."""
    left: float
    """Variance of what seed and image (group) do together."""
    words: str = ""
    """Where it comes from."""
    of_groups: bool = False
    """Whether a group of images counts as one; the two variances then hold for groups such as those test images have.
    Races of earlier versions measured them by image, also where there were groups."""

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

    def in_groups(self, sizes: Sequence[int], shared: float) -> "Noise":
        """This noise of single images as that of whole groups of them.

        Args:
            sizes: images in each group.
            shared: share of the two variances that the images of a group have in common (0..1).
        """
        mean, mean_square = float(np.mean(sizes)), float(np.mean(np.square(sizes)))
        factor = (1 - shared) / mean + shared * mean_square / mean**2
        return Noise(
            self.between_seeds,
            self.of_images * factor,
            self.left * factor,
            f"{self.words}, {shared:.0%} of it by group",
            of_groups=True,
        )


GUESSES = (Noise.assumed(0.005, 0.05), Noise.assumed(0.01, 0.10), Noise.assumed(0.02, 0.20))
"""What is shown where nothing was measured: little, usual and much noise."""
SHARED = (0.0, 0.3, 1.0)
"""How much of it the images of a group have in common: nothing, some, or all, as frames of one video may."""


def guesses(groups: Sequence[str]) -> list[Noise]:
    """`GUESSES` for test images of these groups, one name for each image."""
    sizes = list(Counter(groups).values())
    if len(sizes) == len(groups):
        return list(GUESSES)
    return [each.in_groups(sizes, shared) for each, shared in zip(GUESSES, SHARED, strict=True)]


def measured(
    arms: Mapping[str, Sequence[TestScores]],
    pairs: Sequence[tuple[str, str]],
    groups: Sequence[str] | None = None,
) -> Noise | None:
    """The noise of a finished race: the mean over its comparisons; None where none has two seeds.

    The mean squares of the two-way analysis of variance, taken apart by their expectations.

    Args:
        arms: name → test scores of each repeat.
        pairs: what is compared with what.
        groups: group of each test image, which then counts as one; None where every image is its own.
    """
    found = [
        each
        for one, other in pairs
        if (each := _components(averaged(arms[one]), averaged(arms[other]), groups))
    ]
    if not found:
        return None
    # Each part may come out below zero by chance; cut before they are averaged, they would be too large on average.
    seeds, cases, left = np.maximum(np.mean(found, axis=0), 0.0)
    words, grouped = "as measured in an earlier race", groups is not None
    return Noise(float(np.sqrt(seeds)), float(cases), float(left), words, grouped)


def _components(
    one: TestScores, other: TestScores, groups: Sequence[str] | None
) -> tuple[float, float, float] | None:
    treated, controls = paired(one, other)
    found = mean_squares(treated - controls, groups)
    if found is None or np.array_equal(treated, controls):  # one policy under two names
        return None
    left = found.residual
    return (found.of_seeds - left) / found.cases, (found.of_cases - left) / found.seeds, left


def power(gain: float, noise: Noise, seeds: int, cases: int, comparisons: int = 1) -> float:
    """The chance (0..1) that a true gain is called better.

    Args:
        gain: true mean difference (0..1).
        noise: of the difference, by image or by group.
        seeds: fresh seeds of each arm.
        cases: test images; where they belong together and `noise` is that of groups, the groups.
        comparisons: in the family; each is held to the level that Holm's correction asks of the first.
    """
    from scipy import stats

    if seeds < FEWEST_SEEDS or cases < FEWEST_IMAGES:
        return 0.0
    draws = np.random.default_rng(0)
    freedom = np.array([seeds - 1, cases - 1, (seeds - 1) * (cases - 1)])
    expected = np.array(
        [
            cases * noise.between_seeds**2 + noise.left,
            seeds * noise.of_images + noise.left,
            noise.left,
        ]
    )
    squares = expected * draws.chisquare(freedom, (DRAWS, 3)) / freedom
    cells = seeds * cases
    spread = np.sqrt((expected[0] + expected[1] - expected[2]) / cells)
    mean = gain + spread * draws.standard_normal(DRAWS)
    of_seeds, of_cases, left = squares.T
    larger = np.maximum(of_seeds, left)
    total = larger + np.maximum(of_cases - left, 0)
    # Flips of so many signs: about Student's t, and never below the one where all are flipped alike.
    p = np.maximum.reduce(
        [
            stats.t.sf(mean / np.sqrt(of_seeds / cells), seeds - 1),
            np.maximum(stats.t.sf(mean / np.sqrt(of_cases / cells), cases - 1), 2.0**-cases),
            stats.t.sf(mean / np.sqrt(total / cells), total**2 / (larger**2 / (seeds - 1))),
        ]
    )
    return float((2 * p < LEVEL / comparisons).mean())


def smallest_gain(noise: Noise, seeds: int, cases: int, comparisons: int = 1) -> float | None:
    """The smallest gain (0..1) that is found with a power of 80%; None where even 50 points are not."""
    from scipy import optimize

    def short(gain: float) -> float:
        return power(gain, noise, seeds, cases, comparisons) - WANTED

    if short(_LARGEST) < 0:
        return None
    return float(optimize.brentq(short, 0.0, _LARGEST, xtol=1e-4))  # type: ignore[arg-type]

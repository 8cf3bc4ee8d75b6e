"""Studies whose policies are all equally good, drawn instead of trained; what follows the draws is the product's own.

A trial's accuracy is what training under another seed makes of one true value: an effect of the seed on all arms, one
of the seed on this arm, and the luck of a finite set of images, which are as hard for one arm as for another, but for
the arm's own luck with each of them. A trial that did well on validation by its seed does well on the test as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.settings.config import SearchConfig
from evaluators.recommendation import Contender, Kind, rank, recommend
from evaluators.report.comparison import TestScores, verdict_between
from evaluators.statistics import Interval, paired_difference

REFERENCE = "no augmentation"
DEFAULT = "default"
BASELINES = (DEFAULT, "b", "c")
TRUE_LOGIT = 1.1
"""75% of the images of mean difficulty."""


@dataclass(frozen=True)
class World:
    """Standard deviations on the scale of logits, and numbers of images."""

    of_seed: float = 0.2
    of_trial: float = 0.2
    of_image: float = 1.5
    of_arm_and_image: float = 0.7
    validation_images: int = 200
    test_images: int = 250


class Study:
    """One study of `arms` proposals in `world`."""

    def __init__(self, rng: np.random.Generator, world: World, arms: int) -> None:
        self._rng, self._world = rng, world
        self._names = [f"iteration {number}" for number in range(1, arms + 1)]
        self._seeds: dict[int, float] = {}
        self._trials: dict[tuple[str, int], float] = {}
        self._split = rng.normal() * world.of_image / np.sqrt(world.validation_images)
        self._offsets = {
            name: rng.normal() * world.of_arm_and_image / np.sqrt(world.validation_images)
            for name in (REFERENCE, *BASELINES, *self._names)
        }
        self._scores: dict[tuple[str, int], float] = {}
        self._losses: dict[tuple[str, int], float] = {}
        self._difficulty = world.of_image * rng.normal(size=world.test_images)
        self._test: dict[str, TestScores] = {}

    def best_proposal(self, search: SearchConfig) -> str:
        """Search, finalists, choice: the proposal that is tested, recommended or not."""
        return next(name for name in rank(self._finish(search)) if name in self._names)

    def recommended(self, search: SearchConfig) -> str:
        """Search, finalists, choice: the name of what the product recommends."""
        return recommend(self._finish(search)).name

    def _finish(self, search: SearchConfig) -> list[Contender]:
        """The contenders of the choice."""
        fixed = [self._contender(name, search.search_seeds) for name in (REFERENCE, *BASELINES)]
        searched = [*fixed, *(self._contender(name, search.search_seeds) for name in self._names)]
        rivals = [name for name in rank(searched) if name in self._names][: search.top_k]
        return [self._contender(name, search.choice_seeds) for name in (REFERENCE, *BASELINES, *rivals)]

    def _contender(self, name: str, seeds: Sequence[int]) -> Contender:
        kinds: dict[str, Kind] = {REFERENCE: "none", DEFAULT: "default", "b": "baseline", "c": "baseline"}
        scores = {seed: self._validation(name, seed) for seed in seeds}
        return Contender(
            name, kinds.get(name, "policy"), scores, {seed: self._losses[name, seed] for seed in seeds}
        )

    def gain(self, one: str, other: str, seeds: Sequence[int]) -> Interval:
        """Over seeds, on the test set, by the trials of these seeds."""
        found = paired_difference(self._tested(one, seeds).accuracy, self._tested(other, seeds).accuracy)
        assert found is not None
        return found

    def verdict(self, one: str, other: str, seeds: Sequence[int]) -> str:
        """Of the product, on the test set, by the trials of these seeds.

        The bootstrap takes nearly all of the time, and is not needed where the interval over seeds has decided.
        """
        if not self.gain(one, other, seeds).excludes_zero:
            return "not shown"
        found = verdict_between(self._tested(one, seeds), self._tested(other, seeds), None)
        assert found is not None
        return found.kind

    def raise_quality(self, name: str, seed: int, by: float) -> None:
        """Make a trial better than chance would have it."""
        self._quality(name, seed)
        self._trials[name, seed] += by

    def _quality(self, name: str, seed: int) -> float:
        """How well a trial went, wherever it is evaluated."""
        if seed not in self._seeds:
            self._seeds[seed] = self._world.of_seed * self._rng.normal()
        if (name, seed) not in self._trials:
            self._trials[name, seed] = self._seeds[seed] + self._world.of_trial * self._rng.normal()
        return TRUE_LOGIT + self._trials[name, seed]

    def _validation(self, name: str, seed: int) -> float:
        key = name, seed
        if key not in self._scores:
            logit = self._quality(name, seed) + self._split + self._offsets[name]
            images = self._world.validation_images
            self._scores[key] = self._rng.binomial(images, _probability(logit)) / images
            self._losses[key] = 0.8 - 0.25 * logit + 0.02 * self._rng.normal()
        return self._scores[key]

    def _tested(self, name: str, seeds: Sequence[int]) -> TestScores:
        if name not in self._test:
            world = self._world
            logits = self._difficulty + world.of_arm_and_image * self._rng.normal(size=world.test_images)
            quality = np.array([[self._quality(name, seed)] for seed in seeds])
            correct = self._rng.random((len(seeds), world.test_images)) < _probability(logits + quality)
            self._test[name] = TestScores(
                {seed: float(row.mean()) for seed, row in zip(seeds, correct, strict=True)},
                {},
                dict(zip(seeds, correct, strict=True)),
            )
        return self._test[name]


def _probability(logit):
    return 1 / (1 + np.exp(-logit))

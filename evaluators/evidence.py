"""What all validation results say together: by which measure, with which noise, and how much is believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluators.contenders import Contender
from evaluators.scatter import ImageScatter, Rows, image_scatter, scatter_of
from evaluators.shrinkage import believe

Measure = Literal["metric and log loss", "metric"]

RELATED = 0.05
"""Level at which metric and log loss must be shown to go together over the contenders (one-sided test of Pearson's
correlation of their means), else the metric alone is believed."""
FEWEST_RELATED = 5
"""Contenders that this test needs."""
FEWEST_FREEDOM = 2
"""Degrees of freedom below which the spread over seeds is not estimated."""
_EQUAL = 1e-9


@dataclass(frozen=True)
class Belief:
    """In a contender's true gain over another."""

    gain: float
    """Shrunk."""
    deviation: float
    """Standard deviation of the belief."""
    probability: float
    """That the gain is above zero."""


@dataclass(frozen=True)
class _Noise:
    of_trial: np.ndarray
    """Covariance (measures, measures) of one trial, a seed's effect on all taken out."""
    shared: np.ndarray
    """Covariance of a gain due to the images that all seeds share."""
    freedom: float


class Evidence:
    """Of the contenders that finished a trial."""

    def __init__(self, contenders: Sequence[Contender]) -> None:
        """Choose the measure and estimate the noise.

        Raises:
            ValueError: if no contender finished a trial, or a name, no augmentation or the default comes twice.
        """
        self.finished = [each for each in contenders if each.scores]
        if not self.finished:
            raise ValueError("no contender finished a trial: there is nothing to recommend")
        if len({each.name for each in contenders}) < len(contenders):
            raise ValueError(f"contenders need names of their own: {[each.name for each in contenders]}")
        self.none, self.default = self._only("none"), self._only("default")
        self.anchor = self.default or self.none
        self.measure: Measure = "metric and log loss" if _go_together(self.finished) else "metric"
        self._noise = self._estimate_noise()

    def _only(self, kind: str) -> Contender | None:
        found = [each for each in self.finished if each.kind == kind]
        if len(found) > 1:
            raise ValueError(f"there can be one contender of kind {kind!r}: {[each.name for each in found]}")
        return found[0] if found else None

    def beliefs(self, anchor: Contender, others: Sequence[Contender]) -> dict[str, Belief]:
        """In the gain of each of the others over `anchor`, in the metric; those without a common seed are left out."""
        rows = self._rows(anchor)
        common = {each.name: sorted(rows.keys() & self._rows(each).keys()) for each in others}
        known = [each for each in others if common[each.name]]
        if not known:
            return {}
        gains = np.array(
            [
                np.mean([self._rows(each)[seed] - rows[seed] for seed in common[each.name]], 0)
                for each in known
            ]
        )
        noise = self._noise
        if noise is None or noise.of_trial[0, 0] + noise.shared[0, 0] < _EQUAL**2:
            return {each.name: _uncounted(anchor, each, common[each.name]) for each in known}
        seeds = np.array([len(common[each.name]) for each in known])
        own = noise.of_trial / seeds[:, None, None] + noise.shared / 2
        found = believe(gains, own, noise.of_trial / seeds.max() + noise.shared / 2)
        chances = above_zero(found.means, found.deviations, noise.freedom)
        return {
            each.name: Belief(*map(float, values))
            for each, *values in zip(known, found.means, found.deviations, chances, strict=True)
        }

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the noise."""
        return self._noise.freedom if self._noise else 1.0

    def _rows(self, contender: Contender) -> Rows:
        return _rows(contender, self.measure)

    def _estimate_noise(self) -> _Noise | None:
        by_image = None
        if self.anchor is not None:
            by_image = image_scatter(self.anchor, [each for each in self.finished if each is not self.anchor])
        scatter = scatter_of([self._rows(each) for each in self.finished])
        if scatter is None or scatter.freedom < FEWEST_FREEDOM:
            return self._by_images_alone(by_image)
        of_trial = scatter.left / scatter.freedom
        shared = np.zeros_like(of_trial)
        if by_image is not None and by_image.counted:
            shared = self._shared(by_image, of_trial)
        return _Noise(of_trial, shared, scatter.freedom)

    def _shared(self, by_image: ImageScatter, of_trial: np.ndarray) -> np.ndarray:
        """The noise of shared images, in this measure.

        By image, only right or wrong is known of any metric: its noise is scaled by that of the metric between seeds.
        """
        accuracy = scatter_of([_accuracies(each) for each in self.finished if each.images])
        if accuracy is None or accuracy.freedom < FEWEST_FREEDOM or accuracy.left[0, 0] < _EQUAL**2:
            scale = 1.0
        else:
            scale = float(np.sqrt(of_trial[0, 0] / (accuracy.left[0, 0] / accuracy.freedom)))
        found = by_image.shared
        if len(found) == len(of_trial):
            scales = np.array([scale, 1.0])[: len(found)]
            return _not_negative(found * np.outer(scales, scales))
        if len(found) > len(of_trial):
            return _not_negative(found[:1, :1] * scale**2)
        share = scale**2 * max(found[0, 0], 0.0) / of_trial[0, 0] if of_trial[0, 0] > _EQUAL**2 else 0.0
        return of_trial * share

    def _by_images_alone(self, by_image: ImageScatter | None) -> _Noise | None:
        """Of a single seed: its images, and what of the training's luck shows in them."""
        measures = 2 if self.measure == "metric and log loss" else 1
        if by_image is None or len(by_image.alone) < measures:
            return None
        alone = by_image.alone[:measures, :measures] / 2
        return _Noise(alone, np.zeros_like(alone), 30.0)


def above_zero(means: np.ndarray, deviations: np.ndarray, freedom: float) -> np.ndarray:
    """Probability that something of this mean and deviation is positive (Student's t)."""
    from scipy.special import stdtr

    return stdtr(max(freedom, 1.0), means / np.maximum(deviations, 1e-12))


def _rows(contender: Contender, measure: Measure) -> Rows:
    if measure == "metric":
        return {seed: np.array([score]) for seed, score in contender.scores.items()}
    return {seed: np.array([score, -contender.losses[seed]]) for seed, score in contender.scores.items()}


def _accuracies(contender: Contender) -> Rows:
    return {seed: np.array([scores.correct.mean()]) for seed, scores in contender.images.items()}


def _go_together(contenders: Sequence[Contender]) -> bool:
    """Whether it is shown that contenders of lower log loss score higher; every trial needs a loss."""
    if len(contenders) < FEWEST_RELATED:
        return False
    if any(seed not in each.losses for each in contenders for seed in each.scores):
        return False
    means = np.array([np.mean(list(_rows(each, "metric and log loss").values()), 0) for each in contenders])
    if not np.isfinite(means).all() or means.std(0).min() < _EQUAL:
        return False
    correlation = float(np.corrcoef(means.T)[0, 1])
    freedom = len(contenders) - 2
    statistic = correlation * np.sqrt(freedom / max(1 - correlation**2, _EQUAL))
    from scipy.special import stdtr

    return bool(stdtr(freedom, statistic) > 1 - RELATED)


def _uncounted(anchor: Contender, other: Contender, seeds: Sequence[int]) -> Belief:
    """Where noise is not known, the number of seeds with a gain decides, by Laplace's rule of succession."""
    gains = np.array([other.scores[seed] - anchor.scores[seed] for seed in seeds])
    wins = float(np.sum(gains > _EQUAL) + np.sum(np.abs(gains) <= _EQUAL) / 2)
    return Belief(float(gains.mean()), 0.0, (wins + 1) / (len(seeds) + 2))


def _not_negative(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T


def mean(scores: Mapping[int, float]) -> float:
    """Of the values."""
    return float(np.mean(list(scores.values())))

"""What all validation results say together: by which measure, with which noise, and how much is believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

import numpy as np

from evaluators.contenders import Contender
from evaluators.measure import METRIC_ALONE, Index, find_index
from evaluators.scatter import ImageScatter, Rows, image_scatter, scatter_of
from evaluators.shrinkage import believe

Measure = Literal["metric and log loss", "metric and log loss after temperature scaling", "metric"]

FEWEST_FREEDOM = 2
"""Degrees of freedom below which the spread over seeds is not estimated."""
_IMAGES_FREEDOM = 30.0
"""Taken for noise that is learnt from images."""
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
    """Of (metric, −log loss)."""

    of_trial: np.ndarray
    """(2, 2), covariance of one trial, a seed's effect on all taken out."""
    shared: np.ndarray
    """(2, 2), covariance of one contender's mean that is due to the images that all seeds share."""
    freedom: float
    of_loss: bool = True
    """Whether the part of log loss is known; else it is zero, and says nothing."""


def evidence_of(contenders: Sequence[Contender]) -> "Evidence":
    """With log loss as it is, or after temperature scaling where that is known of all trials and errs less.

    How sure a classifier is says little of what it gets right, and a policy can change it: a temperature of each
    trial's own (Guo et al. 2017) takes that out. Which of the two losses predicts the metric better, the expected error
    of the index says, found on these contenders; where neither goes with the metric, the metric alone is used.

    Raises:
        ValueError: as `Evidence` does.
    """
    as_it_is = Evidence(contenders)
    if not all(each.images.keys() == each.calibrated.keys() == each.scores.keys() for each in contenders):
        return as_it_is
    scaled = Evidence([_calibrated(each) for each in contenders], scaled=True)
    return scaled if scaled.error < as_it_is.error else as_it_is


def _calibrated(contender: Contender) -> Contender:
    images = {
        seed: replace(scores, losses=contender.calibrated[seed]) for seed, scores in contender.images.items()
    }
    means = {seed: float(losses.mean()) for seed, losses in contender.calibrated.items()}
    return replace(contender, losses=means, images=images)


class Evidence:
    """Of the contenders that finished a trial."""

    def __init__(self, contenders: Sequence[Contender], scaled: bool = False) -> None:
        """Choose the measure and estimate the noise; `scaled`: whether losses are those after temperature scaling.

        Raises:
            ValueError: if no contender finished a trial, or a name, no augmentation or the default comes twice.
        """
        self._scaled = scaled
        self.finished = [each for each in contenders if each.scores]
        if not self.finished:
            raise ValueError("no contender finished a trial: there is nothing to recommend")
        if len({each.name for each in contenders}) < len(contenders):
            raise ValueError(f"contenders need names of their own: {[each.name for each in contenders]}")
        self.none, self.default = self._only("none"), self._only("default")
        self.anchor = self.default or self.none
        missing = float("nan")
        kept = all(isfinite(each.losses.get(seed, missing)) for each in self.finished for seed in each.scores)
        self._rows = {each.name: _rows(each, kept) for each in self.finished}
        self._noise = self._estimate_noise()
        self._index = self._find_index()

    def _only(self, kind: str) -> Contender | None:
        found = [each for each in self.finished if each.kind == kind]
        if len(found) > 1:
            raise ValueError(f"there can be one contender of kind {kind!r}: {[each.name for each in found]}")
        return found[0] if found else None

    @property
    def measure(self) -> Measure:
        """What gains are measured by."""
        if self._index is METRIC_ALONE:
            return "metric"
        return "metric and log loss after temperature scaling" if self._scaled else "metric and log loss"

    @property
    def error(self) -> float:
        """Expected squared error of a contender's index as a measure of its true metric; infinite if not known."""
        if self.anchor is None or self._noise is None:
            return float("inf")
        _, _, seeds = self._gains(self.anchor, self.finished)
        return self._index.variance(self._of_means(self._noise, seeds)) + self._index.misfit

    @property
    def index(self) -> Index:
        """How metric and log loss are weighted."""
        return self._index

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the noise."""
        return self._noise.freedom if self._noise else 1.0

    def beliefs(self, anchor: Contender, others: Sequence[Contender]) -> dict[str, Belief]:
        """In the gain of each of the others over `anchor`, in the metric; those without a common seed are left out."""
        known, gains, seeds = self._gains(anchor, others)
        if not known:
            return {}
        noise, index = self._noise, self._index
        trial, shared = (
            (index.variance(noise.of_trial), index.variance(noise.shared)) if noise else (0.0, 0.0)
        )
        if noise is None or trial + shared < _EQUAL**2:
            return {each.name: _uncounted(anchor, each) for each in known}
        own = trial / seeds + shared + index.misfit
        found = believe(index.of(gains), own, float(own.min()))
        chances = above_zero(found.means, found.deviations, noise.freedom)
        return {
            each.name: Belief(float(gain), float(deviation), float(chance))
            for each, gain, deviation, chance in zip(
                known, found.means, found.deviations, chances, strict=True
            )
        }

    def measured(self, anchor: Contender, others: Sequence[Contender]) -> dict[str, float]:
        """The gain of each of the others over `anchor` by the measure, as it was seen; 0 for the anchor itself.

        Those without a common seed are left out.
        """
        known, gains, _ = self._gains(anchor, others)
        if not known:
            return {}
        return {each.name: float(gain) for each, gain in zip(known, self._index.of(gains), strict=True)}

    def _gains(
        self, anchor: Contender, others: Sequence[Contender]
    ) -> tuple[list[Contender], np.ndarray, np.ndarray]:
        """Those with a common seed, their mean gains (contenders, 2), and the numbers of common seeds."""
        base, known, gains, counts = self._rows[anchor.name], [], [], []
        for each in others:
            rows = self._rows[each.name]
            common = [seed for seed in rows if seed in base]
            if common:
                known.append(each)
                gains.append(sum(rows[seed] - base[seed] for seed in common) / len(common))
                counts.append(len(common))
        return known, np.array(gains), np.array(counts, dtype=np.float64)

    def _estimate_noise(self) -> _Noise | None:
        by_image = None
        if self.anchor is not None:
            by_image = image_scatter(self.anchor, [each for each in self.finished if each is not self.anchor])
        scatter = scatter_of(list(self._rows.values()))
        if scatter is not None and scatter.freedom >= FEWEST_FREEDOM:
            of_trial = scatter.left / scatter.freedom
            if by_image is None or not by_image.counted:
                return _Noise(of_trial, 0 * of_trial, scatter.freedom)
            shared, of_loss = self._shared(by_image, of_trial)
            return _Noise(of_trial, shared, scatter.freedom, of_loss)
        if by_image is None:
            return None
        # A single seed: its images, and what of the training's luck shows in them.
        alone, known = np.zeros((2, 2)), len(by_image.alone)
        alone[:known, :known] = by_image.alone / 2
        return _Noise(alone, 0 * alone, _IMAGES_FREEDOM, of_loss=known == 2)

    def _shared(self, by_image: ImageScatter, of_trial: np.ndarray) -> tuple[np.ndarray, bool]:
        """The noise of shared images, and whether that of log loss is known.

        Where what each image adds to the metric is not known, right or wrong stands for it, and its noise is scaled by
        that of the metric between seeds. Where no losses by image are known, the images' share of the noise is taken
        as equal in metric and log loss.
        """
        scale = 1.0 if by_image.of_metric else self._scale(of_trial)
        found = by_image.shared / 2
        if len(found) == 2:
            return _not_negative(found * np.outer([scale, 1.0], [scale, 1.0])), True
        of_metric = scale**2 * max(float(found[0, 0]), 0.0)
        if of_trial[0, 0] > _EQUAL**2:
            return of_trial * of_metric / of_trial[0, 0], True
        return np.diag([of_metric, 0.0]), False

    def _scale(self, of_trial: np.ndarray) -> float:
        """By how much the metric is noisier than the accuracy, between seeds."""
        accuracy = scatter_of([_accuracies(each) for each in self.finished if each.images])
        if accuracy is None or accuracy.freedom < FEWEST_FREEDOM or accuracy.left[0, 0] <= _EQUAL**2:
            return 1.0
        return float(np.sqrt(of_trial[0, 0] / (accuracy.left[0, 0] / accuracy.freedom)))

    def _find_index(self) -> Index:
        noise = self._noise
        if self.anchor is None or noise is None or not noise.of_loss:
            return METRIC_ALONE
        _, gains, seeds = self._gains(self.anchor, self.finished)
        return find_index(gains, self._of_means(noise, seeds))

    def _of_means(self, noise: _Noise, seeds: np.ndarray) -> np.ndarray:
        """The covariance of the noise in a contender's means, averaged over their numbers of `seeds`."""
        return noise.of_trial * float((1 / seeds).mean()) + noise.shared


def above_zero(means: np.ndarray, deviations: np.ndarray, freedom: float) -> np.ndarray:
    """Probability that something of this mean and deviation is positive (Student's t)."""
    from scipy.special import stdtr

    return stdtr(max(freedom, 1.0), means / np.maximum(deviations, 1e-12))


def mean(scores: Mapping[int, float]) -> float:
    """Of the values."""
    return sum(scores.values()) / len(scores)


def _rows(contender: Contender, with_losses: bool) -> Rows:
    """Metric and −log loss of each trial; 0 for the latter where it is not to be used."""
    return {
        seed: np.array([score, -contender.losses[seed] if with_losses else 0.0])
        for seed, score in contender.scores.items()
    }


def _accuracies(contender: Contender) -> Rows:
    return {
        seed: np.array([np.mean(scores.correct, dtype=np.float64)])
        for seed, scores in contender.images.items()
        if len(scores.correct)
    }


def _uncounted(anchor: Contender, other: Contender) -> Belief:
    """Where noise is not known, the number of seeds with a gain decides, by Laplace's rule of succession."""
    gains = np.array(
        [score - anchor.scores[seed] for seed, score in other.scores.items() if seed in anchor.scores]
    )
    wins = float(np.sum(gains > _EQUAL) + np.sum(np.abs(gains) <= _EQUAL) / 2)
    return Belief(float(gains.mean()), 0.0, (wins + 1) / (len(gains) + 2))


def _not_negative(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T

"""Whether a difference is more than chance.

Two chances are at work when two policies are compared: another seed would have given other weights, and another
sample of images would have given another score. Each has its own interval here, and a difference counts as shown
only where both exclude zero:

- over seeds: Student's t on the paired differences (same seed: same initial weights, data order and split);
- over images: the BCa bootstrap of the mean per-image difference, resampling whole groups (patients, source photos)
  where images belong together (Efron and Tibshirani, An Introduction to the Bootstrap, chapters 14 and 8).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.wording import signed

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval; the bounds are None where there are too few values to have one."""

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval exists and lies wholly on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean and 95% t interval of `values` (any unit); no bounds with fewer than two values.

    Raises:
        ValueError: if `values` is empty or not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"an interval needs at least one value, all finite; got {list(values)}")
    mean = float(array.mean())
    if array.size < 2:
        return Interval(mean, None, None, array.size)
    if np.ptp(array) == 0:
        return Interval(mean, mean, mean, array.size)
    from scipy import stats

    t_interval = stats.ttest_1samp(array, 0.0).confidence_interval(CONFIDENCE)
    return Interval(mean, float(t_interval.low), float(t_interval.high), array.size)


def paired_difference(treatment: Mapping[int, float], control: Mapping[int, float]) -> Interval | None:
    """Mean of treatment − control over the seeds that both have, with its 95% t interval; None without a pair."""
    seeds = sorted(treatment.keys() & control.keys())
    if not seeds:
        return None
    return mean_interval([treatment[seed] - control[seed] for seed in seeds])


def is_within_noise(difference: Interval, noise: float | None) -> bool:
    """Whether a paired difference may be chance.

    With two pairs or more, the interval decides. A single pair is compared with `noise`, the standard deviation of
    one trial: the difference of two trials has √2 times that, and must exceed 1.96 of these. Without either, nothing
    is shown, so the answer is yes.
    """
    if difference.low is not None:
        return not difference.excludes_zero
    return noise is None or abs(difference.mean) <= 1.96 * np.sqrt(2.0) * noise


def image_interval(
    treatment: np.ndarray, control: np.ndarray, groups: Sequence[str] | None = None, resamples: int = 2000
) -> Interval:
    """Mean difference over images, with its 95% BCa bootstrap interval; groups are resampled whole.

    Args:
        treatment: float (images,): share of the seeds (0..1) under which each image was classified correctly.
        control: the same for the other arm, same images in the same order.
        groups: name of each image's group; each image on its own where None.
        resamples: bootstrap samples.

    Raises:
        ValueError: if the shapes differ or there is no image.
    """
    if treatment.shape != control.shape or treatment.ndim != 1 or treatment.size == 0:
        raise ValueError(
            f"image scores must be paired, one a test image; got {treatment.shape} and {control.shape}"
        )
    difference = treatment.astype(np.float64) - control.astype(np.float64)
    if groups is None:
        sums, counts = difference, np.ones_like(difference)
    else:
        _, member = np.unique(np.asarray(groups), return_inverse=True)
        sums, counts = np.bincount(member, weights=difference), np.bincount(member).astype(np.float64)
    mean = float(difference.mean())
    if sums.size < 2:
        return Interval(mean, None, None, sums.size)
    if np.ptp(sums) == 0 and np.ptp(counts) == 0:
        return Interval(mean, mean, mean, sums.size)
    from scipy import stats

    def ratio(sums: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
        return sums.sum(axis=axis) / counts.sum(axis=axis)

    bootstrapped = stats.bootstrap(
        (sums, counts),
        ratio,
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 4_000_000 // sums.size),
        confidence_level=CONFIDENCE,
        # The jackknife of BCa takes memory by the square of the number of groups.
        method="BCa" if sums.size <= 5000 else "percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(mean, float(bootstrapped.low), float(bootstrapped.high), sums.size)


@dataclass(frozen=True)
class Verdict:
    """How a policy compares with no augmentation on the test set; differences in accuracy (0..1)."""

    over_seeds: Interval
    over_images: Interval

    @property
    def kind(self) -> str:
        """'better', 'worse', or 'not shown'."""
        both = (self.over_seeds, self.over_images)
        if all(interval.low is not None and interval.low > 0 for interval in both):
            return "better"
        if all(interval.high is not None and interval.high < 0 for interval in both):
            return "worse"
        return "not shown"

    def sentence(self, policy: str = "The chosen policy") -> str:
        """The report's first sentence: whether `policy` is better than no augmentation, and by how much."""
        seeds, images = bounds(self.over_seeds), bounds(self.over_images)
        basis = (
            f"{signed(self.over_seeds.mean)} points of test accuracy over {self.over_seeds.count} paired seeds "
            f"(95% interval over seeds {seeds}, over test images {images})"
        )
        if self.kind == "not shown":
            policy = policy[0].lower() + policy[1:]
            return f"It is not shown that {policy} differs from no augmentation: {basis}."
        return f"{policy} is {self.kind} than no augmentation: {basis}."


def bounds(interval: Interval) -> str:
    """The bounds in accuracy points, such as '−0.3 to +2.7', or 'unknown' where there are none."""
    if interval.low is None or interval.high is None:
        return "unknown"
    return f"{signed(interval.low)} to {signed(interval.high)}"

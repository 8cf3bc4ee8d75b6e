"""Whether a difference is more than chance.

Two chances are at work when two policies are compared: another seed would have given other weights, and another
sample of images would have given another score. A difference counts as shown only where three intervals exclude zero:

- over seeds: Student's t on the paired differences (same seed: same initial weights, data order and split);
- over images: the BCa bootstrap of the mean per-image difference, resampling whole groups (patients, source photos)
  where images belong together (Efron and Tibshirani, An Introduction to the Bootstrap, chapters 14 and 8);
- over both at once: the analysis of variance of seeds × images with both as random effects, as in studies of several
  readers and several cases (Dorfman, Berbaum and Metz 1992; degrees of freedom of Hillis 2007). Each of the first two
  holds one chance fixed, so that where both matter alike each alone would be too narrow.

No interval reaches beyond what is possible: accuracies lie in 0..1, their differences in -1..1, and kappa and its
differences in twice that. Cutting an interval there changes nothing of how often it covers the truth, which lies there
too.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluators.wording import signed
from tools.training.metrics import Metric

CONFIDENCE = 0.95
FEWEST_SEEDS = 3
"""With fewer values there are no bounds: a t interval of two values is 9 standard deviations wide on either side."""
FEWEST_IMAGES = 6
"""With fewer test images (or groups of them) there are no bounds: even five heads in a row may well be chance."""
Limits = tuple[float, float]
"""Smallest and largest possible value."""
SCORES, DIFFERENCES = (0.0, 1.0), (-1.0, 1.0)
"""What accuracies, and differences of accuracies, can be."""
WIDE_DIFFERENCES = (-2.0, 2.0)
"""Likewise, of what lies in -1..1 itself: kappa, or a difference."""
_EQUAL = 1e-9
"""Values closer than this differ by rounding only: accuracies are shares of far fewer than 10⁹ images."""


@dataclass(frozen=True)
class Interval:
    """A mean with its 95% interval; the bounds are None where the values are too few, or all equal, to have one."""

    mean: float
    low: float | None
    high: float | None
    count: int
    values: tuple[float, ...] = field(default=(), compare=False)
    """What the mean was taken of, to be shown where there are no bounds; empty for means over images."""

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval exists and lies wholly on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def scores_of_metric(metric: Metric) -> Limits:
    """What the metric can be."""
    return DIFFERENCES if metric == "kappa" else SCORES


def differences_of_metric(metric: Metric) -> Limits:
    """What differences of the metric can be."""
    return WIDE_DIFFERENCES if metric == "kappa" else DIFFERENCES


def mean_interval(values: Sequence[float], limits: Limits = SCORES) -> Interval:
    """Mean and 95% t interval of `values`, within `limits`; no bounds with fewer than three, or with equal values.

    Raises:
        ValueError: if `values` is empty or not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"an interval needs at least one value, all finite; got {list(values)}")
    mean, kept = float(array.mean()), tuple(float(value) for value in array)
    if array.size < FEWEST_SEEDS or np.ptp(array) < _EQUAL:
        return Interval(mean, None, None, array.size, kept)
    error = float(array.std(ddof=1)) / np.sqrt(array.size)
    return Interval(mean, *t_bounds(mean, error, array.size - 1, limits), array.size, kept)


def t_bounds(mean: float, error: float, freedom: float, limits: Limits = DIFFERENCES) -> tuple[float, float]:
    """The bounds of Student's 95% interval, cut at `limits`.

    Args:
        mean: its middle.
        error: standard error of the mean.
        freedom: degrees of freedom, which need not be whole.
        limits: smallest and largest possible value.
    """
    from scipy import stats

    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * float(error)
    return max(limits[0], mean - half), min(limits[1], mean + half)


def paired_difference(
    treatment: Mapping[int, float], control: Mapping[int, float], limits: Limits = DIFFERENCES
) -> Interval | None:
    """Mean of treatment − control over the seeds that both have, with its 95% t interval; None without a pair.

    `limits` are of the differences, of the study's metric as of `differences_of_metric`.
    """
    seeds = sorted(treatment.keys() & control.keys())
    if not seeds:
        return None
    return mean_interval([treatment[seed] - control[seed] for seed in seeds], limits)


def image_interval(
    treatment: np.ndarray,
    control: np.ndarray,
    groups: Sequence[str] | None = None,
    resamples: int = 2000,
    limits: Limits = DIFFERENCES,
) -> Interval:
    """Mean difference over images, with its 95% BCa bootstrap interval; groups are resampled whole.

    There are no bounds with fewer than six images (groups), or where all of them differ alike.

    Args:
        treatment: float (images,): share of the seeds (0..1) under which each image was classified correctly.
        control: the same for the other arm, same images in the same order.
        groups: name of each image's group; each image on its own where None.
        resamples: bootstrap samples.
        limits: of the differences.

    Raises:
        ValueError: if the shapes differ, there is no image, or a share is not finite.
    """
    if treatment.shape != control.shape or treatment.ndim != 1 or treatment.size == 0:
        raise ValueError(
            f"image scores must be paired, one a test image; got {treatment.shape} and {control.shape}"
        )
    difference = treatment.astype(np.float64) - control.astype(np.float64)
    if not np.isfinite(difference).all():
        raise ValueError("image scores must be finite; a share of seeds is NaN or infinite")
    sums, counts = by_group(difference[None], groups)
    sums, mean = sums[0], float(difference.mean())
    if sums.size < FEWEST_IMAGES or np.abs(sums - mean * counts).max() < _EQUAL:
        return Interval(mean, None, None, sums.size)
    # The jackknife of BCa takes memory by the square of the number of groups.
    low, high = _bootstrap(sums, counts, resamples, "BCa" if sums.size <= 5000 else "percentile")
    if not np.isfinite([low, high]).all():
        low, high = _bootstrap(sums, counts, resamples, "percentile")
    return Interval(mean, max(limits[0], low), min(limits[1], high), sums.size)


def by_group(difference: np.ndarray, groups: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """(seeds, images) → sums (seeds, groups) and images in each group (groups,)."""
    if groups is None:
        return difference, np.ones(difference.shape[1])
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.stack([np.bincount(member, weights=row) for row in difference])
    return sums, np.bincount(member).astype(np.float64)


def _bootstrap(sums: np.ndarray, counts: np.ndarray, resamples: int, method: str) -> tuple[float, float]:
    from scipy import stats

    def ratio(sums: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
        return sums.sum(axis=axis) / counts.sum(axis=axis)

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Where BCa is undefined, SciPy warns and returns NaN, which the caller looks for.
        warnings.simplefilter("ignore")
        found = stats.bootstrap(
            (sums, counts),
            ratio,
            paired=True,
            vectorized=True,
            n_resamples=resamples,
            batch=max(1, 4_000_000 // sums.size),
            confidence_level=CONFIDENCE,
            method=method,
            rng=np.random.default_rng(0),
        ).confidence_interval
    return float(found.low), float(found.high)


@dataclass(frozen=True)
class Error:
    """How uncertain a mean difference is."""

    mean: float
    error: float
    """Its standard error."""
    freedom: float
    """Degrees of freedom of the error, which need not be whole."""


def error_over_both(
    treatment: np.ndarray, control: np.ndarray, groups: Sequence[str] | None = None
) -> Error | None:
    """How uncertain a mean difference is for another training run on another test set at once.

    With MS the mean squares of the seeds × images table of differences, its variance is (MS_residual +
    max(MS_seeds − MS_residual, 0) + max(MS_images − MS_residual, 0)) / (seeds · images), and its degrees of freedom are
    those of Hillis. Where images matter no more than by chance, this is the t interval over seeds. None where there are
    no bounds over seeds, or fewer than six images (groups).

    Args:
        treatment: (seeds, images), whether (or how far, 0..1) each image was classified correctly under each seed.
        control: the same for the other arm, same seeds and images in the same order.
        groups: name of each image's group, which counts as one case, weighted by its images; each image its own where
            None.

    Raises:
        ValueError: if the shapes differ or one of them is empty.
    """
    difference = _paired(treatment, control)
    found = mean_squares(difference, groups)
    if found is None or found.seeds < FEWEST_SEEDS or found.cases < FEWEST_IMAGES:
        return None
    if np.ptp(difference.mean(axis=1)) < _EQUAL:
        return None
    of_seeds = max(found.of_seeds, found.residual)
    total = of_seeds + max(found.of_cases - found.residual, 0.0)
    freedom = total**2 / (of_seeds**2 / (found.seeds - 1))
    return Error(float(difference.mean()), float(np.sqrt(total / (found.seeds * found.cases))), freedom)


@dataclass(frozen=True)
class MeanSquares:
    """Of a table of differences, seeds × cases: a case is an image, or a group of images, weighted by their number."""

    seeds: int
    cases: int
    of_seeds: float
    of_cases: float
    residual: float
    """Of what seed and case do together."""


def mean_squares(difference: np.ndarray, groups: Sequence[str] | None) -> MeanSquares | None:
    """The two-way analysis of variance of (seeds, images); None with fewer than two seeds, or two cases.

    Args:
        difference: of two arms, under each seed and on each image.
        groups: name of each image's group, which counts as one case; each image its own where None.
    """
    sums, counts = by_group(difference, groups)
    seeds, cases = sums.shape
    if seeds < 2 or cases < 2:
        return None
    # Each case as a deviation from the mean, weighted by its images (linearisation of a ratio).
    table = (sums - float(difference.mean()) * counts) * cases / counts.sum()
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    return MeanSquares(
        seeds,
        cases,
        of_seeds=cases * float((rows**2).sum()) / (seeds - 1),
        of_cases=seeds * float((columns**2).sum()) / (cases - 1),
        residual=float(((table - rows - columns) ** 2).sum()) / ((seeds - 1) * (cases - 1)),
    )


def interval_over_both(
    treatment: np.ndarray,
    control: np.ndarray,
    groups: Sequence[str] | None = None,
    limits: Limits = DIFFERENCES,
) -> Interval:
    """Mean difference with its 95% interval, within `limits`, for another training run on another test set at once.

    There are no bounds where `error_over_both` has none; the other arguments and errors are its own.
    """
    difference = _paired(treatment, control)
    mean, by_seed = float(difference.mean()), tuple(float(value) for value in difference.mean(axis=1))
    found = error_over_both(treatment, control, groups)
    if found is None:
        return Interval(mean, None, None, len(by_seed), by_seed)
    return Interval(mean, *t_bounds(mean, found.error, found.freedom, limits), len(by_seed), by_seed)


def _paired(treatment: np.ndarray, control: np.ndarray) -> np.ndarray:
    """The differences, (seeds, images)."""
    if treatment.shape != control.shape or treatment.ndim != 2 or treatment.size == 0:
        raise ValueError(f"scores must be paired, seeds by images; got {treatment.shape} and {control.shape}")
    return treatment.astype(np.float64) - control.astype(np.float64)


@dataclass(frozen=True)
class Verdict:
    """How a policy compares with another (no augmentation) on the test set, in the study's metric (0..1)."""

    over_seeds: Interval
    over_images: Interval
    over_both: Interval
    measure: str = "accuracy"
    """What is compared, in words."""

    @property
    def kind(self) -> str:
        """'better', 'worse', or 'not shown'."""
        every = (self.over_seeds, self.over_images, self.over_both)
        if all(interval.low is not None and interval.low > 0 for interval in every):
            return "better"
        if all(interval.high is not None and interval.high < 0 for interval in every):
            return "worse"
        return "not shown"

    def sentence(self, policy: str = "The chosen policy", other: str = "no augmentation") -> str:
        """The report's first sentence: whether `policy` is better than `other`, and by how much."""
        basis = self.basis()
        if self.kind == "not shown":
            policy = policy[0].lower() + policy[1:]
            return f"It is not shown that {policy} differs from {other}: {basis}."
        return f"{policy} is {self.kind} than {other}: {basis}."

    def basis(self) -> str:
        """The difference with its intervals: '+1.2 points of test accuracy over 5 paired fresh seeds (…)'."""
        count = self.over_seeds.count
        seeds = f"{count} paired fresh {'seed' if count == 1 else 'seeds'}"
        return f"{signed(self.over_both.mean)} points of test {self.measure} over {seeds} ({self._bounds()})"

    def _bounds(self) -> str:
        """The three intervals, or why there are none."""
        if self.over_seeds.low is None:
            values = ", ".join(signed(value) for value in self.over_seeds.values)
            why = (
                f"an interval takes {FEWEST_SEEDS} seeds"
                if self.over_seeds.count < FEWEST_SEEDS
                else "all seeds agree to the last digit, so that their spread is unknown"
            )
            return f"by seed {values}; {why}"
        if self.over_both.low is None:
            return (
                f"95% interval over seeds {bounds(self.over_seeds)}; there are too few test images, fewer than "
                f"{FEWEST_IMAGES} on their own, for one over test images"
            )
        return (
            f"95% interval {bounds(self.over_both)}; over seeds alone {bounds(self.over_seeds)}, over test images "
            f"alone {bounds(self.over_images)}"
        )


def bounds(interval: Interval) -> str:
    """The bounds in accuracy points, such as '−0.3 to +2.7', or 'unknown' where there are none."""
    if interval.low is None or interval.high is None:
        return "unknown"
    return f"{signed(interval.low)} to {signed(interval.high)}"

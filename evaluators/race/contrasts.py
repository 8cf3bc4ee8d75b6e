"""Arms of a race against each other on the test set: intervals, p-values, Holm's correction, effect sizes.

A difference is called shown only where no source of chance explains it: another training run (Student's t over paired
seeds), another test set (signs of the images' differences flipped at random), both at once (seeds × images, as in
`evaluators.statistics`) and, where a search was repeated, another search. The p-value of such a claim is the largest
of theirs (intersection-union test, Berger 1982), and Holm's correction (1979) keeps the chance of any false claim
among the arms at 5%.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from evaluators.report.comparison import TestScores, verdict_between
from evaluators.statistics import (
    FEWEST_SEEDS,
    Interval,
    Verdict,
    by_group,
    differences_of_metric,
    error_over_both,
    mean_interval,
)

LEVEL = 0.05
RESAMPLES = 9_999
"""Random flips of signs, where there are too many to try them all."""
_EQUAL = 1e-9


@dataclass(frozen=True)
class Contrast:
    """One arm against another, in the metric of the race (0..1; kappa -1..1), over the seeds that both finished."""

    arm: str
    other: str
    verdict: Verdict
    over_repeats: Interval | None
    """Over repeats of the search; None where neither arm was repeated at least three times."""
    p_seeds: float | None
    """Two-sided, Student's t over the paired seeds; None with fewer than three of them, or where all differ alike."""
    p_flips: float
    """Two-sided, over all ways to flip the signs of the seeds' differences (exact permutation test)."""
    p_images: float | None
    """Two-sided, over flips of the signs of the images' (groups') differences."""
    p_both: float | None
    p: float
    """The largest of `p_seeds`, `p_images`, `p_both` and that over repeats; 1 where one is unknown."""
    adjusted: float
    """`p` after Holm's correction over the family of comparisons."""
    effect: float | None
    """Mean difference over the standard deviation between seeds (Cohen's d of paired values)."""
    wins: int
    """Seeds under which the arm scored higher."""

    @property
    def kind(self) -> str:
        """'better', 'worse', or 'not shown'."""
        every = self.over_repeats is None or self.over_repeats.excludes_zero
        return self.verdict.kind if self.adjusted < LEVEL and every else "not shown"

    @property
    def least_p(self) -> float:
        """The smallest `p_flips` that so many seeds can give."""
        return 2.0 ** (1 - self.verdict.over_seeds.count)


def averaged(repeats: Sequence[TestScores]) -> TestScores:
    """An arm that was repeated, as one: by seed and image, the mean over its repeats.

    Raises:
        ValueError: there is no repeat.
    """
    if not repeats:
        raise ValueError("an arm needs at least one repeat")
    if len(repeats) == 1:
        return repeats[0]
    seeds = sorted(reduce(lambda one, other: one & other, (set(each.values) for each in repeats)))

    def mean(of: Sequence[Mapping[int, float]]) -> dict[int, float]:
        return {seed: float(np.mean([each[seed] for each in of])) for seed in seeds}

    def mean_images(of: Sequence[Mapping[int, np.ndarray]]) -> dict[int, np.ndarray]:
        if not all(seed in each for each in of for seed in seeds):
            return {}
        return {seed: np.stack([each[seed] for each in of]).astype(np.float64).mean(axis=0) for seed in seeds}

    return TestScores(
        accuracy=mean([each.accuracy for each in repeats]),
        macro_f1=mean([each.macro_f1 for each in repeats]),
        correct=mean_images([each.correct for each in repeats]),
        metric=repeats[0].metric,
        images=mean_images([each.images for each in repeats]) if repeats[0].images else {},
        labels=repeats[0].labels,
    )


def contrasts(
    arms: Mapping[str, Sequence[TestScores]],
    pairs: Sequence[tuple[str, str]],
    groups: Sequence[str] | None,
    resamples: int = RESAMPLES,
) -> list[Contrast]:
    """Each pair (arm, other) compared, with Holm's correction over all; pairs without a common seed are left out.

    Args:
        arms: name → test scores of each repeat (one of an arm that does not search).
        pairs: what is compared with what; one family.
        groups: group of each test image; None where every image is its own.
        resamples: random flips of signs; a fifth as many samples make the interval over images.
    """
    found = [each for pair in pairs if (each := _contrast(arms, pair, groups, resamples)) is not None]
    adjusted = holm([each.p for each in found])
    return [replace(each, adjusted=value) for each, value in zip(found, adjusted, strict=True)]


def holm(values: Sequence[float]) -> list[float]:
    """p-values after Holm's correction, in the same order."""
    from statsmodels.stats.multitest import multipletests

    # One needs no correction, and statsmodels has all memory collected, which takes a while in large processes.
    if len(values) < 2:
        return list(values)
    return [float(value) for value in multipletests(values, method="holm")[1]]  # type: ignore[union-attr]


def _contrast(
    arms: Mapping[str, Sequence[TestScores]],
    pair: tuple[str, str],
    groups: Sequence[str] | None,
    resamples: int,
) -> Contrast | None:
    one, other = averaged(arms[pair[0]]), averaged(arms[pair[1]])
    verdict = verdict_between(one, other, groups, resamples // 5)
    if verdict is None:
        return None
    treated, controls = paired(one, other)
    differences = np.array([one.values[s] - other.values[s] for s in common_seeds(one, other)])
    over_repeats = _over_repeats(arms[pair[0]], arms[pair[1]])
    by_image = by_group((treated.mean(axis=0) - controls.mean(axis=0))[None], groups)[0][0]
    ps = [_p_t(differences), _p_of_images(by_image, resamples), _p_both(treated, controls, groups)]
    more = [] if over_repeats is None else [_p_t(np.array(over_repeats.values))]
    known = [each for each in (*ps, *more) if each is not None]
    spread = float(differences.std(ddof=1)) if differences.size > 1 else 0.0
    return Contrast(
        arm=pair[0],
        other=pair[1],
        verdict=verdict,
        over_repeats=over_repeats,
        p_seeds=ps[0],
        p_flips=_p_of_flips(differences),
        p_images=ps[1],
        p_both=ps[2],
        p=max(known) if len(known) == len(ps) + len(more) else 1.0,
        adjusted=1.0,
        effect=float(differences.mean()) / spread if spread > _EQUAL else None,
        wins=int((differences > _EQUAL).sum()),
    )


def common_seeds(one: TestScores, other: TestScores) -> list[int]:
    """The seeds that both finished."""
    return sorted(one.by_image.keys() & other.by_image.keys())


def paired(one: TestScores, other: TestScores) -> tuple[np.ndarray, np.ndarray]:
    """Both arms' tables (seeds, images) over the seeds that both finished."""
    seeds = common_seeds(one, other)
    first, second = (
        np.stack([arm.by_image[seed] for seed in seeds]).astype(np.float64) for arm in (one, other)
    )
    return first, second


def _over_repeats(one: Sequence[TestScores], other: Sequence[TestScores]) -> Interval | None:
    """The mean difference over repeats, paired where both arms were repeated: over as many as both have."""
    if max(len(one), len(other)) < FEWEST_SEEDS:
        return None
    repeated = [len(arm) for arm in (one, other) if len(arm) > 1]
    values = []
    for number in range(min(repeated)):
        first, second = one[number % len(one)], other[number % len(other)]
        seeds = common_seeds(first, second)
        if not seeds:
            return None
        values.append(float(np.mean([first.values[seed] - second.values[seed] for seed in seeds])))
    return mean_interval(values, differences_of_metric(one[0].metric))


def _p_t(differences: np.ndarray) -> float | None:
    from scipy import stats

    if differences.size < FEWEST_SEEDS:
        return None
    if np.ptp(differences) < _EQUAL:
        return 1.0 if abs(float(differences[0])) < _EQUAL else None
    return float(stats.ttest_1samp(differences, 0.0)[1])  # type: ignore[arg-type]


def _p_both(treated: np.ndarray, controls: np.ndarray, groups: Sequence[str] | None) -> float | None:
    from scipy import stats

    found = error_over_both(treated, controls, groups)
    if found is None:
        return 1.0 if len(treated) >= FEWEST_SEEDS and np.abs(treated - controls).max() < _EQUAL else None
    return float(2 * stats.t.sf(abs(found.mean) / found.error, found.freedom))


def _p_of_images(by_image: np.ndarray, resamples: int) -> float | None:
    return _p_of_flips(by_image, resamples) if by_image.size else None


def _p_of_flips(differences: np.ndarray, resamples: int = RESAMPLES) -> float:
    """Two-sided p-value of the mean, where the sign of each difference could as well have been the other."""
    from scipy import stats

    differing = differences[np.abs(differences) > _EQUAL]  # flipping a zero changes nothing
    if differing.size < 2:
        return 1.0
    found = stats.permutation_test(
        (differing,),
        lambda values, axis=-1: np.asarray(values).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 2_000_000 // differing.size),
        rng=np.random.default_rng(0),
    )
    return min(1.0, float(found.pvalue))

"""What counts as more than chance."""

import warnings

import numpy as np
import pytest
from scipy import stats

from evaluators.statistics import (
    DIFFERENCES,
    Interval,
    Verdict,
    differences_of_metric,
    image_interval,
    interval_over_both,
    mean_interval,
    paired_difference,
    scores_of_metric,
)


@pytest.fixture(autouse=True)
def no_warning():
    """A warning of NumPy or SciPy would reach the terminal of whoever runs a study."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_the_interval_of_a_mean_is_student_t():
    values = [0.90, 0.92, 0.95, 0.91]
    interval = mean_interval(values)
    half = stats.t.ppf(0.975, 3) * np.std(values, ddof=1) / 2
    assert interval.low == pytest.approx(np.mean(values) - half)
    assert interval.high == pytest.approx(np.mean(values) + half)


@pytest.mark.parametrize("values", [[0.5], [0.4, 0.6], [0.5] * 5])
def test_too_few_or_equal_values_have_a_mean_and_no_interval(values):
    interval = mean_interval(values)
    assert interval == Interval(0.5, None, None, len(values))
    assert interval.values == tuple(values)


def test_values_that_differ_by_rounding_are_equal():
    """0.9 − 0.8 and 0.8 − 0.7 differ in the last bit: an interval of that width would exclude zero."""
    difference = paired_difference({0: 0.9, 1: 0.8, 2: 0.7}, {0: 0.8, 1: 0.7, 2: 0.6})
    assert difference is not None
    assert len(set(difference.values)) > 1
    assert difference.low is None


@pytest.mark.parametrize("values", [[0.99, 1.0, 0.9], [0.0, 0.01, 0.1], [1.0, 1.0, 0.5, 0.0]])
def test_no_interval_of_accuracies_reaches_beyond_0_and_1(values):
    interval = mean_interval(values)
    assert interval.low is not None
    assert interval.high is not None
    assert 0 <= interval.low < interval.mean < interval.high <= 1


def test_no_interval_of_a_difference_reaches_beyond_100_points():
    interval = mean_interval([1.0, 0.9, -0.9], DIFFERENCES)
    assert (interval.low, interval.high) == (-1.0, 1.0)
    table = np.random.default_rng(0).random((3, 8)) < 0.5
    over_both = interval_over_both(table, ~table)
    assert over_both.low is not None
    assert over_both.high is not None
    assert -1 <= over_both.low < over_both.high <= 1


def test_an_interval_of_nothing_or_of_nan_is_refused():
    for values in ([], [float("nan"), 1.0]):
        with pytest.raises(ValueError):
            mean_interval(values)


def test_a_difference_is_taken_within_seeds_only():
    difference = paired_difference({0: 0.9, 1: 0.8, 7: 0.1}, {0: 0.8, 1: 0.7, 8: 0.9})
    assert difference is not None
    assert difference.count == 2
    assert difference.mean == pytest.approx(0.1)


def test_without_a_common_seed_there_is_no_difference():
    assert paired_difference({0: 0.9}, {1: 0.9}) is None


def test_differences_of_kappa_reach_twice_as_far_as_those_of_accuracy():
    better, worse = {0: 0.9, 1: 0.95, 2: 0.92}, {0: -0.2, 1: -0.15, 2: -0.22}
    found = paired_difference(better, worse, differences_of_metric("kappa"))
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert 1.05 < found.low < found.mean < found.high < 1.2
    wide = paired_difference(
        {0: 1.0, 1: 0.9, 2: 0.1}, {0: -1.0, 1: -0.9, 2: 0.0}, differences_of_metric("kappa")
    )
    assert wide is not None
    assert wide.high == 2.0
    assert (scores_of_metric("kappa"), scores_of_metric("auroc")) == ((-1, 1), (0, 1))
    assert differences_of_metric("macro_f1") == DIFFERENCES


def test_what_images_add_to_kappa_may_differ_by_more_than_one():
    draw = np.random.default_rng(0)
    treated, controls = (mean + draw.normal(0, 0.1, (4, 30)) for mean in (0.7, -0.7))
    limits = differences_of_metric("kappa")
    for found in (
        image_interval(treated.mean(axis=0), controls.mean(axis=0), limits=limits),
        interval_over_both(treated, controls, limits=limits),
    ):
        assert found.low is not None
        assert found.high is not None
        assert 1.3 < found.low < found.mean < found.high < 1.5


def test_pairing_finds_a_small_gain_that_seeds_would_hide():
    reference = {seed: 0.7 + 0.1 * seed for seed in range(4)}
    better = {seed: accuracy + 0.01 + 0.001 * seed for seed, accuracy in reference.items()}
    difference = paired_difference(better, reference)
    assert difference is not None
    assert difference.excludes_zero


def test_the_interval_over_images_covers_at_its_rate():
    """95% intervals of a true difference of 0.1, over repeated draws of 150 images, cover it about that often."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        control = (rng.random(150) < 0.7).astype(float)
        treatment = (rng.random(150) < 0.8).astype(float)
        interval = image_interval(treatment, control, resamples=400)
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 0.1 <= interval.high
    assert 0.89 <= covered / 200 <= 0.99


def test_images_of_one_patient_are_resampled_together():
    """Twenty identical images of each patient carry no more than twenty-fold weight of one: the interval widens."""
    rng = np.random.default_rng(0)
    per_patient = rng.choice([-1.0, 0.0, 1.0], size=15)
    treatment, control = np.repeat(per_patient, 20), np.zeros(300)
    groups = [str(patient) for patient in np.repeat(np.arange(15), 20)]
    grouped, alone = image_interval(treatment, control, groups), image_interval(treatment, control)
    assert grouped.mean == alone.mean
    assert (grouped.high or 0) - (grouped.low or 0) > 3 * ((alone.high or 0) - (alone.low or 0))


def test_unpaired_images_are_refused():
    with pytest.raises(ValueError, match="paired"):
        image_interval(np.zeros(3), np.zeros(4))


@pytest.mark.parametrize(
    ("treatment", "control"),
    [
        ([1, 1, 1, 1, 1], [0, 0, 0, 0, 0]),  # five images show nothing, however they turn out
        ([1] * 40, [0] * 40),  # every image alike
        ([0.5] * 40, [0.5] * 40),
        ([1], [0]),
    ],
)
def test_images_that_are_few_or_alike_have_no_interval(treatment, control):
    interval = image_interval(np.array(treatment, float), np.array(control, float))
    assert interval.mean == treatment[0] - control[0]
    assert interval.low is None


@pytest.mark.parametrize("seed", range(20))
def test_tiny_test_sets_have_finite_intervals_within_bounds(seed):
    """Including those where BCa is undefined: SciPy then warns and returns NaN."""
    rng = np.random.default_rng(seed)
    treatment = (rng.random(8) < 0.9).astype(float)
    interval = image_interval(treatment, np.ones(8))
    if interval.low is not None:
        assert interval.high is not None
        assert -1 <= interval.low <= interval.high <= 0


def test_groups_of_equal_share_have_no_interval():
    """Each group differs in half of its images: resampling groups can only give the same mean again."""
    groups = [name for name in "abcdefgh" for _ in range(2 + ord(name) % 2 * 2)]
    treatment = np.tile([1.0, 0.0], len(groups) // 2)
    assert image_interval(treatment, np.zeros(len(groups)), groups).low is None


def test_shares_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        image_interval(np.full(9, np.nan), np.zeros(9))


def scores_of(rng, seeds: int, images: int, of_seed: float, of_image: float) -> np.ndarray:
    """Continuous scores (seeds, images) around zero: an effect of each seed, of each image, and the rest."""
    return (
        of_seed * rng.normal(size=(seeds, 1))
        + of_image * rng.normal(size=(1, images))
        + 0.2 * rng.normal(size=(seeds, images))
    )


@pytest.mark.parametrize(
    ("of_seed", "of_image"), [(0.05, 0.0), (0.0, 0.5), (0.05, 0.5), (0.02, 0.5), (0.0, 0.0)]
)
def test_the_interval_over_both_covers_whichever_chance_is_larger(of_seed, of_image):
    """At least at its rate, where each of the other two misses: with seeds alone of 100 images that differ, for one."""
    rng = np.random.default_rng(3)
    missed = {"both": 0, "seeds": 0}
    for _ in range(1000):
        table = scores_of(rng, 5, 100, of_seed, of_image)
        interval = interval_over_both(table, np.zeros_like(table))
        missed["both"] += interval.excludes_zero
        missed["seeds"] += mean_interval(list(table.mean(axis=1)), DIFFERENCES).excludes_zero
    # 0.0069: the standard error of a share of 5% in 1,000
    assert missed["both"] / 1000 <= 0.05 + 3 * 0.0069
    if of_image:
        assert missed["seeds"] / 1000 > 0.1


def test_over_both_is_over_seeds_where_images_do_not_matter():
    """Every image answers alike, so that nothing but the seed is left to chance."""
    table = np.repeat([[0.02], [0.05], [0.01], [0.04]], 50, axis=1)
    both = interval_over_both(table, np.zeros_like(table))
    seeds = mean_interval([0.02, 0.05, 0.01, 0.04], DIFFERENCES)
    assert (both.low, both.high) == pytest.approx((seeds.low, seeds.high))


def test_over_both_is_no_narrower_than_over_images():
    """Where seeds agree by luck, they do not make the test set larger."""
    rng = np.random.default_rng(0)
    table = (rng.random((3, 60)) < 0.5).astype(float)
    table[:, -3:] = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]])
    table[1, :57], table[2, :57] = np.roll(table[0, :57], 5), np.roll(table[0, :57], 11)
    table[0, 0] = 1 - table[0, 0]
    both, images = (
        interval_over_both(table, np.zeros_like(table)),
        image_interval(table.mean(0), np.zeros(60)),
    )
    assert both.low is not None
    assert both.high is not None
    assert images.low is not None
    assert images.high is not None
    assert both.high - both.low > images.high - images.low


def test_over_both_groups_count_as_one_case():
    """Twenty images of a patient that answer alike are one case; groups of one image each are the images themselves."""
    rng = np.random.default_rng(0)
    of_patients = scores_of(rng, 4, 15, 0.01, 0.3)
    table, names = np.repeat(of_patients, 20, axis=1), np.repeat(np.arange(15), 20).astype(str)
    grouped = interval_over_both(table, np.zeros_like(table), list(names))
    patients = interval_over_both(of_patients, np.zeros_like(of_patients))
    alone = interval_over_both(table, np.zeros_like(table))
    assert (grouped.low, grouped.high) == pytest.approx((patients.low, patients.high))
    assert (grouped.high or 0) - (grouped.low or 0) > 1.5 * ((alone.high or 0) - (alone.low or 0))


@pytest.mark.parametrize("shape", [(2, 100), (1, 100), (5, 5), (3, 1)])
def test_over_both_needs_three_seeds_and_six_images(shape):
    table = np.random.default_rng(0).random(shape)
    assert interval_over_both(table, np.zeros(shape)).low is None


HIGH, ROUND, NONE = (0.02, 0.01, 0.03), (0.02, -0.005, 0.04), (0.02, None, None)


@pytest.mark.parametrize(
    ("seeds", "images", "both", "kind"),
    [
        (HIGH, HIGH, HIGH, "better"),
        (ROUND, HIGH, HIGH, "not shown"),
        (HIGH, ROUND, HIGH, "not shown"),
        (HIGH, HIGH, ROUND, "not shown"),
        (NONE, HIGH, NONE, "not shown"),
        (HIGH, NONE, NONE, "not shown"),
        ((-0.02, -0.03, -0.01),) * 3 + ("worse",),
    ],
)
def test_a_difference_is_shown_only_where_seeds_images_and_both_agree(seeds, images, both, kind):
    over_seeds, over_images, over_both = (Interval(*each, count=5) for each in (seeds, images, both))
    assert Verdict(over_seeds, over_images, over_both).kind == kind


def test_the_sentence_says_plainly_that_nothing_was_shown():
    verdict = Verdict(
        Interval(0.004, -0.01, 0.018, 5), Interval(0.004, -0.02, 0.03, 300), Interval(0.004, -0.03, 0.038, 5)
    )
    sentence = verdict.sentence()
    assert sentence.startswith(
        "It is not shown that the chosen policy differs from no augmentation: +0.4 points"
    )
    for part in ("interval −3.0 to +3.8", "seeds alone −1.0 to +1.8", "images alone −2.0 to +3.0"):
        assert part in sentence


def verdict_of(treatment: list[list[int]], control: list[list[int]]) -> Verdict:
    treated, controls = np.array(treatment, float), np.array(control, float)
    over_seeds = mean_interval(list((treated - controls).mean(axis=1)), DIFFERENCES)
    over_images = image_interval(treated.mean(axis=0), controls.mean(axis=0))
    return Verdict(over_seeds, over_images, interval_over_both(treated, controls))


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        (
            verdict_of([[1] * 10, [1, 0] * 5], [[0] * 10] * 2),
            "by seed +100.0, +50.0; an interval takes 3 seeds",
        ),
        (verdict_of([[1] * 10] * 3, [[0] * 10] * 3), "+100.0, +100.0, +100.0; all seeds agree"),
        (verdict_of([[1] * 4, [1, 1, 1, 0], [1, 1, 0, 0]], [[0] * 4] * 3), "too few test images"),
    ],
)
def test_the_sentence_says_why_there_is_no_interval(verdict, why):
    assert verdict.kind == "not shown"
    assert why in verdict.sentence()

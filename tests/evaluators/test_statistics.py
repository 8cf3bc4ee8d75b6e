"""What counts as more than chance."""

import numpy as np
import pytest
from scipy import stats

from evaluators.statistics import (
    Interval,
    Verdict,
    image_interval,
    is_within_noise,
    mean_interval,
    paired_difference,
)


def test_the_interval_of_a_mean_is_student_t():
    values = [0.90, 0.92, 0.95, 0.91]
    interval = mean_interval(values)
    half = stats.t.ppf(0.975, 3) * np.std(values, ddof=1) / 2
    assert interval.low == pytest.approx(np.mean(values) - half)
    assert interval.high == pytest.approx(np.mean(values) + half)


def test_one_value_has_a_mean_and_no_interval():
    assert mean_interval([0.5]) == Interval(0.5, None, None, 1)


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


def test_pairing_finds_a_small_gain_that_seeds_would_hide():
    reference = {seed: 0.7 + 0.1 * seed for seed in range(4)}
    better = {seed: accuracy + 0.01 + 0.001 * seed for seed, accuracy in reference.items()}
    difference = paired_difference(better, reference)
    assert difference is not None
    assert difference.excludes_zero


def test_a_single_pair_is_held_against_the_noise_of_a_trial():
    single = Interval(0.05, None, None, 1)
    assert is_within_noise(single, noise=0.02)
    assert not is_within_noise(single, noise=0.01)
    assert is_within_noise(single, noise=None)


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


def test_a_difference_is_shown_only_where_seeds_and_images_agree():
    for seeds, images, kind in (
        (Interval(0.02, 0.01, 0.03, 5), Interval(0.02, 0.005, 0.04, 300), "better"),
        (Interval(0.02, 0.01, 0.03, 5), Interval(0.02, -0.005, 0.04, 300), "not shown"),
        (Interval(0.02, -0.01, 0.05, 5), Interval(0.02, 0.005, 0.04, 300), "not shown"),
        (Interval(-0.02, -0.03, -0.01, 5), Interval(-0.02, -0.04, -0.01, 300), "worse"),
        (Interval(0.02, None, None, 1), Interval(0.02, 0.005, 0.04, 300), "not shown"),
    ):
        assert Verdict(seeds, images).kind == kind


def test_the_sentence_says_plainly_that_nothing_was_shown():
    verdict = Verdict(Interval(0.004, -0.01, 0.018, 5), Interval(0.004, -0.02, 0.03, 300))
    sentence = verdict.sentence()
    assert sentence.startswith(
        "It is not shown that the chosen policy differs from no augmentation: +0.4 points"
    )
    assert "−1.0 to +1.8" in sentence

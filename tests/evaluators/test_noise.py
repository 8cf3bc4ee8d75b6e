"""How large a gain must be to be more than noise, learnt from all candidates of a search."""

import warnings

import numpy as np
import pytest

from evaluators.noise import Noise, pooled_gain, pooled_noise
from evaluators.statistics import paired_difference


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def search(rng, candidates: int, seeds: int, of_seed: float = 0.01, noise: float = 0.01) -> dict:
    """Candidates of one true accuracy; each seed helps or harms all of them alike, and chance the rest."""
    table = 0.8 + of_seed * rng.normal(size=seeds) + noise * rng.normal(size=(candidates, seeds))
    return {f"c{number}": dict(enumerate(map(float, row))) for number, row in enumerate(table)}


def test_with_two_candidates_it_is_the_paired_interval():
    accuracies = search(np.random.default_rng(0), 2, 4)
    pooled = pooled_gain(accuracies["c1"], accuracies["c0"], pooled_noise(accuracies))
    paired = paired_difference(accuracies["c1"], accuracies["c0"])
    assert pooled is not None
    assert paired is not None
    assert (pooled.mean, pooled.low, pooled.high) == pytest.approx((paired.mean, paired.low, paired.high))


def test_all_candidates_tell_the_noise_better_than_one():
    """With three seeds, the paired intervals of equal candidates differ tenfold in width; pooled ones agree."""
    rng = np.random.default_rng(0)
    own, pooled = [], []
    for _ in range(200):
        accuracies = search(rng, 12, 3)
        for interval, widths in (
            (paired_difference(accuracies["c1"], accuracies["c0"]), own),
            (pooled_gain(accuracies["c1"], accuracies["c0"], pooled_noise(accuracies)), pooled),
        ):
            assert interval is not None
            widths.append((interval.high or 0) - (interval.low or 0))
    assert max(own) / min(own) > 10
    assert max(pooled) / min(pooled) < 4
    assert np.median(pooled) < 0.7 * np.median(own)


@pytest.mark.parametrize(("candidates", "seeds"), [(5, 2), (5, 3), (20, 3)])
def test_a_true_gain_of_nothing_is_within_noise_at_its_rate(candidates, seeds):
    rng = np.random.default_rng(1)
    outside = 0
    for _ in range(1000):
        accuracies = search(rng, candidates, seeds)
        gain = pooled_gain(accuracies["c1"], accuracies["c0"], pooled_noise(accuracies))
        assert gain is not None
        outside += gain.excludes_zero
    assert 0.03 <= outside / 1000 <= 0.05 + 3 * 0.0069


def test_the_effect_of_a_seed_on_all_is_no_noise_of_a_pair():
    noise = pooled_noise(search(np.random.default_rng(2), 50, 3, of_seed=0.1, noise=0.01))
    assert noise is not None
    assert noise.paired == pytest.approx(0.01, rel=0.2)
    assert noise.between_seeds > 3 * noise.paired


def test_trials_that_failed_leave_gaps():
    """What is missing neither shifts the effects of the seeds nor counts as freedom."""
    accuracies = {"a": {0: 0.5, 1: 0.6, 2: 0.7}, "b": {0: 0.6, 2: 0.8}, "c": {1: 0.9}}
    noise = pooled_noise(accuracies)
    assert noise is not None
    assert noise.freedom == 5 - 2 - 2  # trials of several seeds − candidates − effects of seeds
    assert noise.paired == pytest.approx(0.0, abs=1e-9)
    gain = pooled_gain(accuracies["b"], accuracies["a"], Noise(0.1, 0.05, 8))
    assert gain is not None
    assert (gain.mean, gain.count) == (pytest.approx(0.1), 2)


@pytest.mark.parametrize(
    "accuracies",
    [
        {},
        {"a": {0: 0.5}, "b": {0: 0.7}},  # one seed
        {"a": {0: 0.5, 1: 0.5}, "b": {0: 0.7, 1: 0.7}},  # no spread
        {"a": {0: 0.5, 1: 0.6}, "b": {0: 0.7, 1: 0.9}},  # one degree of freedom
    ],
)
def test_where_the_noise_is_not_known_there_is_a_gain_and_no_interval(accuracies):
    gain = pooled_gain(accuracies.get("b", {0: 0.7}), accuracies.get("a", {0: 0.5}), pooled_noise(accuracies))
    assert gain is not None
    assert gain.low is None
    assert not gain.excludes_zero
    assert len(gain.values) == gain.count


def test_a_gain_within_bounds_stays_there():
    gain = pooled_gain({0: 1.0}, {0: 0.1}, Noise(0.3, 0.3, 4))
    assert gain is not None
    assert gain.high == 1.0


def test_without_a_common_seed_there_is_no_gain():
    assert pooled_gain({0: 0.5}, {1: 0.5}, None) is None

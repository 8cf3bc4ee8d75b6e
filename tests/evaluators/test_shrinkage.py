"""Means are pulled to where they belong, by as much as chance explains."""

import numpy as np
import pytest

from evaluators.shrinkage import believe

OWN = np.full(200, 0.02**2)


def test_beliefs_are_nearer_to_the_truth_than_what_was_seen_and_know_their_error() -> None:
    draw = np.random.default_rng(0)
    true = draw.normal(-0.02, 0.02, 200)
    seen = true + draw.normal(0, 0.02, 200)
    found = believe(seen, OWN, 0.0)
    assert np.mean((found.means - true) ** 2) < 0.65 * np.mean((seen - true) ** 2)
    assert np.std((found.means - true) / found.deviations) == pytest.approx(1, abs=0.15)


def test_nothing_but_noise_is_pulled_to_the_middle() -> None:
    found = believe(np.random.default_rng(0).normal(-0.01, 0.01, 200), OWN, 0.0)
    assert np.ptp(found.means) == 0


def test_what_is_less_certain_is_pulled_further() -> None:
    seen = np.array([0.05, 0.05, -0.05, -0.03, 0.0])
    found = believe(seen, np.array([1, 9, 1, 1, 1]) * 0.01**2, 0.0)
    assert found.means[1] < found.means[0]
    assert found.deviations[1] > found.deviations[0]


def test_a_lead_of_all_over_the_anchor_is_doubted_as_its_bad_luck() -> None:
    seen = np.full(5, 0.02)
    assert believe(seen, OWN[:5], 0.03**2).means[0] == 0
    assert 0.015 < believe(seen, OWN[:5] / 100, 0.005**2).means[0] < 0.02
    assert believe(-seen, OWN[:5], 0.03**2).means[0] == pytest.approx(-0.02)


def test_two_are_too_few_to_pull() -> None:
    found = believe(np.array([0.1, -0.1]), np.full(2, 0.03**2), 0.04**2)
    assert list(found.means) == [0.1, -0.1]
    assert found.deviations[0] == pytest.approx(0.05)

"""Draws are near the strengths that people use, and reach the whole range."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.policy.catalogue import CATALOGUE, ParameterSpec
from tools.policy.priors import PROBABILITY, share_of, uniform, value_at

SPECS = [PROBABILITY, *(spec for row in CATALOGUE.values() for spec in row.parameters)]
NAMES = [f"{number}-{spec.name}" for number, spec in enumerate(SPECS)]


@pytest.mark.parametrize("spec", SPECS, ids=NAMES)
def test_draws_lie_around_the_default_and_within_the_range(spec: ParameterSpec) -> None:
    draws = np.array([value_at(share, spec) for share in np.linspace(0.005, 0.995, 100)])
    assert (np.diff(draws) >= 0).all()
    assert draws.min() >= spec.low
    assert draws.max() <= spec.high
    assert np.quantile(draws, 0.05) <= spec.default <= np.quantile(draws, 0.8)
    assert value_at(0, spec) == pytest.approx(spec.low)
    assert value_at(1, spec) == pytest.approx(spec.high)


@given(st.sampled_from(SPECS), st.floats(0.001, 0.999))
def test_a_share_and_its_value_belong_together(spec: ParameterSpec, share: float) -> None:
    value = value_at(share, spec)
    back = share_of(value, spec)
    assert back is not None
    assert value_at(back, spec) == pytest.approx(value, rel=1e-6)
    if not spec.integer:
        assert back == pytest.approx(share, abs=1e-6)


def test_a_value_outside_the_range_has_no_share() -> None:
    assert share_of(0.05, PROBABILITY) is None


def test_strong_rotations_are_rare() -> None:
    (degrees,) = CATALOGUE["rotate"].parameters
    assert value_at(0.9, degrees) < 60


def test_without_the_prior_draws_are_uniform_over_the_range() -> None:
    spec = ParameterSpec("degrees", 0, 180, 15, "")
    with uniform():
        assert value_at(0.25, spec) == pytest.approx(45)
        assert share_of(90, spec) == pytest.approx(0.5)
    assert value_at(0.25, spec) < 30

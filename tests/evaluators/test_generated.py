"""How close synthetic images come to real ones."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from evaluators.generated import FEWEST, closeness, frechet


def cloud(count: int, seed: int, centre: float = 0.0, spread: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scales = np.linspace(3, 0.2, 24)
    return (centre + spread * scales * rng.standard_normal((count, 24))).astype(np.float32)


REAL = cloud(300, 0)


def test_the_distance_is_that_of_the_formula():
    other = cloud(300, 1, centre=0.5, spread=1.3)
    first, second = np.cov(other, rowvar=False), np.cov(REAL, rowvar=False)
    apart = other.mean(axis=0) - REAL.mean(axis=0)
    expected = apart @ apart + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))
    assert frechet(other, REAL) == pytest.approx(expected / np.trace(second), rel=1e-4)
    assert frechet(REAL, REAL) == pytest.approx(0, abs=1e-5)


def test_images_as_real_score_as_real_ones():
    found = closeness(cloud(300, 1), REAL)
    assert found.frechet < 0.1
    assert found.density == pytest.approx(1, abs=0.15)
    assert found.coverage > 0.95
    assert 0.3 < found.copies < 0.7  # of two samples of one cloud, either may be nearer


def test_others_are_told_by_the_measure_that_sees_it():
    elsewhere = closeness(cloud(300, 1, centre=9), REAL)
    assert elsewhere.frechet > 5
    assert elsewhere.density == elsewhere.coverage == 0
    two_kinds = np.concatenate([cloud(150, 3), cloud(150, 4, centre=20)])
    one_kind = closeness(cloud(150, 1), two_kinds)
    assert one_kind.density == pytest.approx(1, abs=0.2)
    assert one_kind.coverage == pytest.approx(0.5, abs=0.05)
    copied = REAL[:100] + 1e-3 * cloud(100, 2)
    assert closeness(copied, REAL).copies == 1


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match=str(FEWEST)):
        closeness(REAL[: FEWEST - 1], REAL)
    assert np.isfinite(closeness(REAL[:FEWEST], REAL[FEWEST : 2 * FEWEST]).frechet)

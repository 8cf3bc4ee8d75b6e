"""Metric and log loss become one index where they are shown to go together, and the less noisy one weighs more."""

import numpy as np
import pytest

from evaluators.measure import METRIC_ALONE, find_index, go_together

SLOPE = 0.3


def means(
    draw: np.random.Generator, noise: np.ndarray, contenders: int = 200, misfit: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Noisy means (contenders, 2), and the true metric of each."""
    losses = draw.normal(0, 0.06, contenders)
    metric = SLOPE * losses + draw.normal(0, misfit, contenders)
    return np.stack([metric, losses], 1) + draw.multivariate_normal([0, 0], noise, contenders), metric


def test_the_slope_is_not_flattened_by_noise() -> None:
    noise = np.diag([0.01**2, 0.04**2])
    found = [find_index(means(np.random.default_rng(seed), noise)[0], noise).slope for seed in range(20)]
    assert np.mean(found) == pytest.approx(SLOPE, rel=0.05)
    metric, loss = means(np.random.default_rng(0), noise)[0].T
    flat = np.polyfit(loss, metric, 1)[0]
    assert flat < 0.8 * SLOPE


def test_the_less_noisy_measure_weighs_more() -> None:
    draw = np.random.default_rng(0)
    loss_quiet, loss_loud = np.diag([0.02**2, 0.01**2]), np.diag([0.002**2, 0.04**2])
    assert find_index(means(draw, loss_quiet)[0], loss_quiet).weight < 0.2
    assert find_index(means(draw, loss_loud)[0], loss_loud).weight > 0.8


def test_contenders_off_the_line_make_the_metric_weigh_more() -> None:
    draw, noise = np.random.default_rng(0), np.diag([0.01**2, 0.01**2])
    on, off = (find_index(means(draw, noise, misfit=misfit)[0], noise) for misfit in (0.0, 0.03))
    assert on.weight < 0.4 < off.weight


def test_the_index_errs_less_than_either_measure() -> None:
    noise = np.array([[0.012**2, 0.0001], [0.0001, 0.03**2]])
    seen, true = means(np.random.default_rng(1), noise, contenders=2000, misfit=0.005)
    index = find_index(seen, noise)

    def error(values: np.ndarray) -> float:
        return float(np.std(values - true))

    assert error(index.of(seen)) < 0.95 * min(error(seen[:, 0]), error(SLOPE * seen[:, 1]))
    assert error(index.of(seen)) ** 2 == pytest.approx(index.variance(noise) + index.misfit, rel=0.25)


def test_unrelated_measures_leave_the_metric_alone() -> None:
    """At the level of the test, and always where lower losses go with lower scores."""
    draw, noise = np.random.default_rng(0), np.diag([0.01**2, 0.01**2])
    unrelated = [find_index(draw.normal(0, 0.05, (14, 2)), noise) is METRIC_ALONE for _ in range(400)]
    assert np.mean(unrelated) > 0.87
    opposed = means(draw, noise)[0] * [1, -1]
    assert find_index(opposed, noise) is METRIC_ALONE


def test_a_relation_takes_five_contenders_and_some_spread() -> None:
    line = np.stack([np.arange(5.0), np.arange(5.0)], 1)
    assert go_together(line)
    assert not go_together(line[:4])
    assert not go_together(line * [1, 0])
    assert not go_together(np.where(line == 2, np.nan, line))


def test_where_noise_explains_the_whole_spread_the_metric_stays() -> None:
    seen = means(np.random.default_rng(0), np.zeros((2, 2)))[0]
    assert find_index(seen, np.diag([1.0, 1.0])) is METRIC_ALONE


def test_few_noisy_contenders_never_show_that_there_is_no_misfit() -> None:
    """Where noise explains all distances to the line, what noise could hide is still expected."""
    draw, noise = np.random.default_rng(0), np.diag([0.015**2, 0.005**2])
    few = [find_index(means(draw, noise, contenders=12)[0], noise) for _ in range(50)]
    many = find_index(means(draw, noise, contenders=3000)[0], noise)
    believed = [each.misfit for each in few if each is not METRIC_ALONE]
    assert min(believed) > 0
    assert np.median(believed) > 3 * many.misfit

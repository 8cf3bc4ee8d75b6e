"""Races on simulated tables of seeds × images: false claims, power as planned, Holm, repeats."""

import numpy as np
import pytest

from evaluators.race.contrasts import averaged, contrasts, holm
from evaluators.race.forecasts import Forecast, score
from evaluators.race.power import Noise, measured, power, smallest_gain
from evaluators.report.comparison import TestScores

SEEDS, IMAGES = 5, 200


def arm(rights: np.ndarray) -> TestScores:
    """`rights`: bool (seeds, images)."""
    by_seed = {seed: float(row.mean()) for seed, row in enumerate(rights)}
    return TestScores(by_seed, by_seed, dict(enumerate(rights)))


def race(
    rng: np.random.Generator, gains: list[float], hard: float = 0.25, between: float = 0.01
) -> list[TestScores]:
    """Arms that share images and seeds; a control first. An image is right where its chance beats a uniform draw."""
    ease = np.clip(0.75 + hard * rng.standard_normal(IMAGES), 0.02, 0.98)
    arms = []
    for gain in [0.0, *gains]:
        own = ease + gain + 0.05 * rng.standard_normal(IMAGES)
        level = own[None] + between * rng.standard_normal((SEEDS, 1))
        arms.append(arm(rng.random((SEEDS, IMAGES)) < level))
    return arms


def compared(arms: list[TestScores], groups=None, resamples=2_000):
    named = {str(number): [each] for number, each in enumerate(arms)}
    return contrasts(named, [(name, "0") for name in named if name != "0"], groups, resamples)


SLOW = (pytest.mark.slow, pytest.mark.timeout(3600))


@pytest.mark.parametrize(("races", "resamples"), [(20, 250), pytest.param(300, 2_000, marks=SLOW)])
def test_arms_that_are_alike_are_called_better_in_few_races(races, resamples):
    """Of four arms, one in 5% of the races or fewer: without Holm's correction it would be about 10%."""
    rng, false = np.random.default_rng(1), 0
    for _ in range(races):
        found = compared(race(rng, [0.0] * 4), resamples=resamples)
        false += any(each.kind == "better" for each in found)
    assert false <= 0.05 * races


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("races", "near"), [(400, 0.07)])
def test_a_planted_gain_is_found_as_often_as_planned(races, near):
    """The noise is measured on other races; the power that follows from it is that of the rule."""
    rng = np.random.default_rng(2)
    pilots = [race(rng, [0.06]) for _ in range(300)]
    named = {
        f"{number} {name}": [each]
        for number, pair in enumerate(pilots)
        for name, each in zip("ab", pair, strict=True)
    }
    noise = measured(named, [(f"{number} b", f"{number} a") for number in range(300)])
    gain = float(
        np.mean([np.mean(list(b.values.values())) - np.mean(list(a.values.values())) for a, b in pilots])
    )
    planned = power(gain, noise, SEEDS, IMAGES)  # type: ignore[arg-type]
    found = np.mean([compared(race(rng, [0.06]), resamples=250)[0].kind == "better" for _ in range(races)])
    assert 0.3 < planned < 0.97
    assert found == pytest.approx(planned, abs=near)  # what so many races can be off


def test_the_smallest_gain_has_the_power_that_it_is_named_for():
    noise = Noise.assumed(0.01, 0.1)
    gain = smallest_gain(noise, 5, 300)
    assert gain is not None
    assert power(gain, noise, 5, 300) == pytest.approx(0.8, abs=0.01)
    more = smallest_gain(noise, 5, 300, comparisons=6)
    assert more is not None
    assert more > gain > smallest_gain(noise, 15, 3000)  # type: ignore[operator]
    assert smallest_gain(noise, 2, 300) is None


def test_images_of_one_patient_count_once():
    rng = np.random.default_rng(3)
    rights = [rng.random((SEEDS, 40)) < level for level in (0.5, 0.6)]
    alone = compared([arm(np.repeat(each, 5, axis=1)) for each in rights])[0]
    groups = [f"patient {number}" for number in range(40) for _ in range(5)]
    together = compared([arm(np.repeat(each, 5, axis=1)) for each in rights], groups)[0]
    assert alone.p_images is not None
    assert together.p_images is not None
    assert together.p_images > 3 * alone.p_images
    assert together.p_both > alone.p_both  # type: ignore[operator]


def test_holm_makes_the_smallest_count_for_all():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_one_policy_under_two_names_is_no_difference():
    same = arm(np.random.default_rng(4).random((SEEDS, IMAGES)) < 0.8)
    found = compared([same, same])[0]
    assert (found.kind, found.p, found.p_flips, found.effect, found.wins) == ("not shown", 1.0, 1.0, None, 0)


def test_flips_of_five_seeds_cannot_go_below_a_sixteenth():
    ones, zeros = np.ones((SEEDS, 30), bool), np.zeros((SEEDS, 30), bool)
    zeros[np.arange(SEEDS), np.arange(SEEDS)] = True
    zeros[0, 7] = True
    found = compared([arm(zeros), arm(ones)])[0]
    assert found.p_flips == pytest.approx(found.least_p) == 1 / 16
    assert found.kind == "better"


def test_a_repeated_search_must_win_in_its_repeats_too():
    """Three searches of which one found something great: by seeds and images it is better, as a method not shown."""
    rng = np.random.default_rng(5)
    control = arm(rng.random((SEEDS, 400)) < 0.6)
    repeats = [arm(rng.random((SEEDS, 400)) < level) for level in (0.6, 0.6, 0.95)]
    found = contrasts({"search": repeats, "default": [control]}, [("search", "default")], None)[0]
    assert found.verdict.kind == "better"
    assert found.over_repeats is not None
    assert found.over_repeats.count == 3
    assert found.kind == "not shown"


def test_an_average_over_repeats_keeps_the_mean_of_each_seed():
    rng = np.random.default_rng(6)
    one, other = (arm(rng.random((SEEDS, 50)) < level) for level in (0.5, 0.9))
    both = averaged([one, other])
    assert both.accuracy[2] == pytest.approx((one.accuracy[2] + other.accuracy[2]) / 2)
    assert both.by_image[2].mean() == pytest.approx(both.values[2])


def test_forecasts_are_scored_against_what_came():
    found = score("llm", [Forecast(0.02, 0.01), Forecast(0.04, 0.02), Forecast(0.01, -0.005)])
    assert found is not None
    assert found.count == 3
    assert found.bias == pytest.approx(0.07 / 3 - 0.025 / 3)
    assert found.rank == pytest.approx(1.0)
    assert found.right_sign == pytest.approx(2 / 3)
    assert score("llm", []) is None

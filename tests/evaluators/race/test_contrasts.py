"""Races on simulated tables of seeds × images: false claims, Holm, repeats."""

import numpy as np
import pytest

from evaluators.race.contrasts import averaged, contrasts, holm
from evaluators.race.forecasts import Forecast, score
from evaluators.report.comparison import TestScores
from tests.evaluators.race.simulated import IMAGES, SEEDS, arm, compared, race


def repeated(rng: np.random.Generator, *levels: float) -> list[TestScores]:
    return [arm(rng.random((SEEDS, 400)) < level) for level in levels]


SLOW = (pytest.mark.slow, pytest.mark.timeout(3600))


@pytest.mark.parametrize(("races", "resamples"), [(20, 250), pytest.param(300, 2_000, marks=SLOW)])
def test_arms_that_are_alike_are_called_better_in_few_races(races, resamples):
    """Of four arms, one in 5% of the races or fewer: without Holm's correction it would be about 10%."""
    rng, false = np.random.default_rng(1), 0
    for _ in range(races):
        found = compared(race(rng, [0.0] * 4), resamples=resamples)
        false += any(each.kind == "better" for each in found)
    assert false <= 0.05 * races


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
    repeats = repeated(rng, 0.6, 0.6, 0.95)
    found = contrasts({"search": repeats, "default": [control]}, [("search", "default")], None)[0]
    assert found.verdict.kind == "better"
    assert found.over_repeats is not None
    assert found.over_repeats.count == 3
    assert found.kind == "not shown"


def test_arms_that_were_repeated_unequally_often_are_paired_over_the_repeats_that_both_have():
    rng = np.random.default_rng(7)
    arms = {
        "five": repeated(rng, *[0.8] * 5),
        "four": repeated(rng, *[0.6] * 4),
        "two": repeated(rng, 0.5, 0.6),
    }
    over_four, over_two = contrasts(arms, [("five", "four"), ("two", "five")], None, 500)
    assert over_four.over_repeats is not None
    assert over_four.over_repeats.count == 4
    assert over_four.kind == "better"
    assert over_two.verdict.kind == "worse"
    assert over_two.over_repeats is not None
    assert over_two.over_repeats.low is None  # two repeats say nothing of the way of searching
    assert over_two.p == 1.0
    assert over_two.kind == "not shown"


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

"""The power that a race is planned by, against what simulated races come to."""

from collections.abc import Callable

import numpy as np
import pytest

from evaluators.race.power import GUESSES, Noise, guesses, measured, power, smallest_gain
from evaluators.report.comparison import TestScores
from tests.evaluators.race.simulated import IMAGES, SEEDS, arm, compared, race

SIZES = [1, 2, 4, 8, 15, 20] * 6
"""Images of each patient."""
PATIENTS = [f"patient {number}" for number, size in enumerate(SIZES) for _ in range(size)]


def grouped(rng: np.random.Generator, gain: float) -> list[TestScores]:
    """Two arms on images of patients: on some patients an arm is better than on others, in all their images."""
    ease = rng.standard_normal(len(PATIENTS))

    def shifts(*shape: int) -> np.ndarray:
        return np.repeat(0.07 * rng.standard_normal((*shape, len(SIZES))), SIZES, axis=-1)

    def rights(level: float) -> np.ndarray:
        chance = level + 0.2 * ease + shifts() + shifts(SEEDS) + 0.01 * rng.standard_normal((SEEDS, 1))
        return rng.random((SEEDS, len(PATIENTS))) < chance

    return [arm(rights(0.7)), arm(rights(0.7 + gain))]


def noise_and_gain(pilots: list[list[TestScores]], groups: list[str] | None = None) -> tuple[Noise, float]:
    """Of races of two arms, the control first."""
    named = {
        f"{number} {name}": [each]
        for number, pair in enumerate(pilots)
        for name, each in zip("ab", pair, strict=True)
    }
    noise = measured(named, [(f"{number} b", f"{number} a") for number in range(len(pilots))], groups)
    assert noise is not None
    gains = [np.mean(list(b.values.values())) - np.mean(list(a.values.values())) for a, b in pilots]
    return noise, float(np.mean(gains))


def called(race: Callable[[], list[TestScores]], races: int, groups: list[str] | None = None) -> float:
    """The share of the races in which the second arm is called better."""
    return float(np.mean([compared(race(), groups, 250)[0].kind == "better" for _ in range(races)]))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("races", "near"), [(400, 0.07)])
def test_a_planted_gain_is_found_as_often_as_planned(races: int, near: float) -> None:
    """The noise is measured on other races; the power that follows from it is that of the rule."""
    rng = np.random.default_rng(2)
    noise, gain = noise_and_gain([race(rng, [0.06]) for _ in range(300)])
    planned = power(gain, noise, SEEDS, IMAGES)
    assert 0.3 < planned < 0.97
    assert called(lambda: race(rng, [0.06]), races) == pytest.approx(planned, abs=near)


@pytest.mark.parametrize(
    ("races", "near"),
    [(80, 0.15), pytest.param(400, 0.1, marks=(pytest.mark.slow, pytest.mark.timeout(3600)))],
)
def test_where_images_belong_together_a_gain_is_found_as_often_as_planned(races: int, near: float) -> None:
    """The noise by image would plan 7% for the number of patients, and 60% for that of the images."""
    rng = np.random.default_rng(3)
    noise, gain = noise_and_gain([grouped(rng, 0.065) for _ in range(100)], PATIENTS)
    planned = power(gain, noise, SEEDS, len(SIZES))
    assert noise.of_groups
    assert 0.4 < planned < 0.55
    assert called(lambda: grouped(rng, 0.065), races, PATIENTS) == pytest.approx(planned, abs=near)


def test_images_of_a_patient_that_are_all_alike_have_the_noise_of_one() -> None:
    rng = np.random.default_rng(4)
    rights = [rng.random((SEEDS, 40)) < level for level in (0.5, 0.6)]
    groups = [f"patient {number}" for number in range(40) for _ in range(5)]
    alone, _ = noise_and_gain([[arm(each) for each in rights]])
    together, _ = noise_and_gain([[arm(np.repeat(each, 5, axis=1)) for each in rights]], groups)
    assert (alone.of_groups, together.of_groups) == (False, True)
    for field in ("between_seeds", "of_images", "left"):
        assert getattr(together, field) == pytest.approx(getattr(alone, field))


def test_images_of_a_patient_that_have_nothing_in_common_are_not_counted_as_one() -> None:
    rng = np.random.default_rng(5)
    pilots = [race(rng, [0.0]) for _ in range(30)]
    groups = [str(number // 5) for number in range(IMAGES)]
    by_image, _ = noise_and_gain(pilots)
    by_group, _ = noise_and_gain(pilots, groups)
    one, other = smallest_gain(by_image, SEEDS, IMAGES), smallest_gain(by_group, SEEDS, IMAGES // 5)
    assert other == pytest.approx(one, rel=0.1)


def test_the_smallest_gain_has_the_power_that_it_is_named_for() -> None:
    noise = Noise.assumed(0.01, 0.1)
    gain = smallest_gain(noise, 5, 300)
    assert gain is not None
    assert power(gain, noise, 5, 300) == pytest.approx(0.8, abs=0.01)
    more = smallest_gain(noise, 5, 300, comparisons=6)
    assert more is not None
    assert more > gain > smallest_gain(noise, 15, 3000)  # type: ignore[operator]
    assert smallest_gain(noise, 2, 300) is None


def test_what_so_few_groups_cannot_show_is_not_promised() -> None:
    """Of eight signs, one of 128 ways to flip them is as far from zero: among seven arms that is no proof."""
    noise = Noise(0.01, 0.01, 0.01)
    assert power(0.5, noise, SEEDS, 8) > 0.9
    assert power(0.5, noise, SEEDS, 8, comparisons=7) == 0.0
    rights = np.random.default_rng(6).random((2, SEEDS, 8)) < np.array([[[0.1]], [[1.1]]])
    [found] = compared([arm(each) for each in rights])
    assert found.verdict.kind == "better"
    assert 7 * found.p > 0.05


def test_guesses_allow_for_images_that_belong_together() -> None:
    assert guesses([str(number) for number in range(50)]) == list(GUESSES)
    found = guesses([str(number // 20) for number in range(1200)])
    little, usual, much = (smallest_gain(noise, SEEDS, 60) for noise in found)
    images = [smallest_gain(noise, SEEDS, 1200) for noise in GUESSES]
    assert little == pytest.approx(images[0], rel=0.1)  # nothing in common: 1,200 cases as before
    assert usual > images[1]  # type: ignore[operator]
    assert much == pytest.approx(smallest_gain(GUESSES[2], SEEDS, 60))  # all in common: 60 cases
    assert "100% of it by group" in found[2].words
    unequal = guesses([*"abcde", *"f" * 15])[2]
    assert unequal.of_images > GUESSES[2].of_images  # one large patient decides

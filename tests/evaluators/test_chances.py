"""How likely a gain is real, and how that is said."""

import numpy as np
import pytest

from evaluators.noise import Noise, chance_of_gain, pooled_noise
from evaluators.wording import likelihood, unsigned


def drawn(
    candidates: int, seeds: int, deviation: float, draw: np.random.Generator
) -> dict[str, dict[int, float]]:
    """Candidates of equal merit, whose seeds have effects on all of them."""
    effects = draw.normal(0, 0.05, seeds)
    return {
        str(name): {seed: 0.8 + effects[seed] + draw.normal(0, deviation) for seed in range(seeds)}
        for name in range(candidates)
    }


class TestChance:
    def test_of_two_candidates_it_is_that_of_the_paired_t_test(self) -> None:
        from scipy import stats

        a, b = {0: 0.71, 1: 0.75, 2: 0.74}, {0: 0.70, 1: 0.70, 2: 0.73}
        expected = stats.ttest_rel(list(a.values()), list(b.values()), alternative="less").pvalue
        assert chance_of_gain(a, b, pooled_noise({"a": a, "b": b})) == pytest.approx(expected)

    def test_it_is_right_as_often_as_it_says(self) -> None:
        """Of equal candidates, a chance above 90% comes out for a tenth of them."""
        draw = np.random.default_rng(1)
        sure = []
        for _ in range(300):
            pool = drawn(8, 3, 0.02, draw)
            noise = pooled_noise(pool)
            sure += [(chance_of_gain(pool[name], pool["0"], noise) or 0) > 0.9 for name in ("1", "2")]
        assert 0.06 < np.mean(sure) < 0.14

    def test_without_noise_the_seeds_with_a_gain_are_counted(self) -> None:
        unknown = Noise(0.0, 0.0, 0)
        control = {0: 0.5, 1: 0.5, 2: 0.5}
        assert chance_of_gain({0: 0.6, 1: 0.6, 2: 0.6}, control, unknown) == pytest.approx(4 / 5)
        assert chance_of_gain({0: 0.4}, control, unknown) == pytest.approx(1 / 3)
        assert chance_of_gain(control, control, unknown) == 0.5

    def test_without_a_common_seed_it_is_not_known(self) -> None:
        assert chance_of_gain({0: 0.6}, {1: 0.5}, Noise(0.01, 0.01, 4)) is None


class TestWording:
    @pytest.mark.parametrize(
        ("probability", "words"),
        [
            (0.999, "almost certainly better (more than 39 in 40)"),
            (0.975, "almost certainly better (more than 39 in 40)"),
            (0.95, "very likely better (about 19 in 20)"),
            (0.8, "likely better (about 4 in 5)"),
            (0.65, "perhaps better (about 2 in 3)"),
            (0.55, "as likely better as worse"),
            (0.5, "as likely better as worse"),
            (0.45, "as likely better as worse"),
            (0.3, "perhaps worse (about 2 in 3)"),
            (0.2, "likely worse (about 4 in 5)"),
            (0.05, "very likely worse (about 19 in 20)"),
            (0.0, "almost certainly worse (more than 39 in 40)"),
            (None, "not known"),
        ],
    )
    def test_a_chance_is_said_in_grades(self, probability: float | None, words: str) -> None:
        assert likelihood(probability) == words

    def test_better_and_worse_mirror_each_other(self) -> None:
        for hundredths in range(51, 100):
            better, worse = likelihood(hundredths / 100), likelihood(1 - hundredths / 100)
            assert better.replace("better", "worse") == worse or better == "as likely better as worse"

    @pytest.mark.parametrize(("lost", "words"), [(0.0136, "1.4"), (-0.0136, "−1.4"), (-0.0001, "0.0")])
    def test_points_that_are_lost_have_no_plus_and_no_negative_zero(self, lost: float, words: str) -> None:
        assert unsigned(lost) == words

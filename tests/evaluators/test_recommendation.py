"""Everything that was tried competes, luck is discounted, and in doubt the simpler contender wins."""

import numpy as np
import pytest

from evaluators.recommendation import Contender, Kind, rank, recommend

NOISE = np.random.default_rng(0).normal(0, 0.01, (20, 4))


def contender(name: str, gain: float, kind: Kind = "policy", seeds: int = 4, noise: float = 1.0) -> Contender:
    """With paired seeds and noise of one point; the loss falls by 0.03 a point."""
    drawn = noise * NOISE[sum(map(ord, name)) % len(NOISE)]
    scores = {seed: 0.8 + gain + float(drawn[seed] - drawn.mean()) for seed in range(seeds)}
    return Contender(name, kind, scores, {seed: 2.9 - 3 * score for seed, score in scores.items()})


NONE, DEFAULT = contender("none", 0.0, "none"), contender("default", 0.04, "default")
POOR = [contender(f"poor {number}", -0.01 * number) for number in range(6)]


def test_where_nothing_beats_the_default_it_is_recommended() -> None:
    found = recommend([NONE, DEFAULT, *POOR, contender("lucky", 0.042)])
    assert found.name == "default"
    assert found.estimates["default"].gain_over_none > 0.03


def test_what_is_clearly_better_is_recommended() -> None:
    found = recommend([NONE, DEFAULT, *POOR, contender("good", 0.09)])
    assert found.name == "good"
    assert found.estimates["good"].better_than_default > 0.95
    assert "%" in found.reason


def test_no_augmentation_stays_where_the_default_harms() -> None:
    assert recommend([NONE, contender("default", -0.04, "default"), *POOR]).name == "none"


def test_without_a_default_no_augmentation_is_what_must_be_beaten() -> None:
    assert recommend([NONE, *POOR]).name == "none"
    assert recommend([NONE, *POOR, contender("good", 0.09)]).name == "good"


def test_rank_puts_the_best_first() -> None:
    assert rank([NONE, *POOR, DEFAULT, contender("good", 0.09)])[:2] == ["good", "default"]


def test_what_finished_nothing_is_left_out() -> None:
    assert recommend([NONE, DEFAULT, Contender("failed", "policy", {}, {})]).name == "default"
    with pytest.raises(ValueError, match="no contender finished a trial"):
        recommend([Contender("failed", "policy", {}, {})])

"""The numbers of a race on test images that belong together."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.comparing import outcome
from agent.comparing.arms import parse_arms
from agent.comparing.entrants import entrants_of
from agent.comparing.plan import Race
from agent.memory.candidate import Candidate, reference
from agent.memory.proposal import Proposal
from agent.settings.config import StudyConfig
from evaluators.race.power import smallest_gain
from evaluators.race.result import RaceResult
from evaluators.report.comparison import TestScores
from tests.evaluators.race.simulated import IMAGES, SEEDS, arm
from tests.evaluators.race.simulated import race as simulated
from tools.policy.named import named_policy

ARMS: tuple[str, ...] = ("none", "default", "rotate")
PATIENTS = 20


class TestImages(SimpleNamespace):
    """The opened test set: `groups` alone is looked at."""

    __test__ = False

    def __len__(self) -> int:
        return len(self.groups)


def candidate(name: str, number: int) -> Candidate:
    policy = named_policy(name, "digits").policy.operations
    return Candidate(name, number, "fixed", Proposal(hypothesis="", expected_gain=0.0, policy=policy))


def result(
    monkeypatch: pytest.MonkeyPatch, scores: Mapping[str, TestScores], groups: list[str]
) -> RaceResult:
    monkeypatch.setattr(outcome, "describe_recipe", lambda _: "a recipe")
    race = Race(StudyConfig.model_validate({"study": "r"}), tuple(parse_arms(["rotate"])))
    given = {"none": reference(), "default": candidate("default", 0), "rotate": candidate("rotate", 1)}
    test = TestImages(groups=groups)
    context: Any = SimpleNamespace(
        config=race.config,
        recipe=None,
        data=SimpleNamespace(
            card=SimpleNamespace(title="data", name="data", classes=("a", "b")),
            open_test=lambda: test,
            size=lambda _: len(groups),
            image_size=24,
            fingerprint="f",
        ),
    )
    entrants = entrants_of(given, [])
    named = {entrants.of_arm[name][0]: each for name, each in scores.items()}
    return outcome.result_of(race, context, entrants, {}, named, [])


def test_the_smallest_gain_counts_patients_and_their_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten images of each patient that are all alike: the test set says what one of each would say."""
    rights = [drawn(seed, level) for seed, level in enumerate((0.7, 0.7, 0.72))]
    alike = [arm(np.repeat(each, 10, axis=1)) for each in rights]
    groups = [f"patient {number}" for number in range(PATIENTS) for _ in range(10)]
    one = result(monkeypatch, dict(zip(ARMS, map(arm, rights), strict=True)), [*map(str, range(PATIENTS))])
    many = result(monkeypatch, dict(zip(ARMS, alike, strict=True)), groups)
    assert one.visible is not None
    assert many.visible == pytest.approx(one.visible, rel=1e-3)
    assert (one.test_images, one.test_groups) == (PATIENTS, PATIENTS)
    assert (many.test_images, many.test_groups) == (10 * PATIENTS, PATIENTS)
    assert dict(many.facts)["test images"] == "200 in 20 groups"
    assert "200 test images in 20 groups." in many.sentence


def drawn(seed: int, level: float) -> np.ndarray:
    return np.random.default_rng(seed).random((SEEDS, PATIENTS)) < level


def test_images_that_have_nothing_in_common_are_not_counted_as_their_groups(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They say as much as they would without groups."""
    scores = dict(zip(ARMS, simulated(np.random.default_rng(5), [0.0, 0.0]), strict=True))
    alone = result(monkeypatch, scores, [str(number) for number in range(IMAGES)])
    grouped = result(monkeypatch, scores, [str(number // 5) for number in range(IMAGES)])
    assert alone.visible is not None
    assert grouped.visible == pytest.approx(alone.visible, rel=0.2)
    assert grouped.noise is not None
    assert grouped.noise.of_groups
    assert grouped.visible == smallest_gain(grouped.noise, SEEDS, IMAGES // 5)

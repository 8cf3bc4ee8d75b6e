"""Which candidates are explained, and what is said about the frozen backbone."""

from typing import Any

import pytest

from agent.explanation.frozen_backbone import sentence_about
from agent.explanation.pair import Arm, choose_pair
from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.proposal import Proposal
from evaluators.explanation import Explanation, Measured, read_explanation
from tools.errors import AugurError


def arm(name: str, *seeds: int) -> Arm:
    specs: Any = {seed: f"trial {name} {seed}" for seed in seeds}
    return Arm(Candidate(name, 0, "x", Proposal(hypothesis="", expected_gain=0.0, policy=[])), specs)


def test_what_is_recommended_is_explained():
    pair = choose_pair([arm(REFERENCE, 1, 2), arm("a", 1), arm("b", 2, 3)], "b", ["a"])
    assert (pair.winner.name, pair.recommended, pair.seeds) == ("b", True, [2])


def test_where_that_is_no_augmentation_the_next_best_is():
    arms = [arm(REFERENCE, 1), arm("a", 1), arm("b", 1), arm("failed")]
    assert choose_pair(arms, REFERENCE, ["failed", "b"]).winner.name == "b"
    assert choose_pair(arms, REFERENCE).winner.name == "a"
    assert not choose_pair(arms, REFERENCE).recommended


@pytest.mark.parametrize(
    ("arms", "why"),
    [
        ([arm("a", 1)], "nothing to compare with"),
        ([arm(REFERENCE, 1)], "nothing to compare with it"),
        ([arm(REFERENCE, 1), arm("a", 2)], "no seed in common"),
    ],
)
def test_what_cannot_be_compared_is_refused(arms: list[Arm], why: str):
    with pytest.raises(AugurError, match=why):
        choose_pair(arms, "a")


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (Measured(mean=0.05, low=0.01, high=0.09), "is above a frozen"),
        (Measured(mean=-0.05, low=-0.09, high=-0.01), "is below a frozen"),
        (Measured(mean=0.05, low=-0.01, high=0.09), "is not shown to differ from a frozen"),
        (Measured(mean=0.05), "is not shown to differ from a frozen"),
    ],
)
def test_the_sentence_claims_no_more_than_the_interval(gain: Measured, words: str):
    found = sentence_about("iteration 3", "from scratch", "X (ImageNet)", "accuracy", 0.8, 0.85, gain, 41.0)
    assert found.startswith("Iteration 3, trained from scratch, ")
    assert words in found
    assert "85.0% against 80.0%" in found
    assert ("interval" in found) == (gain.low is not None)


def test_an_explanation_is_read_as_it_was_written(tmp_path):
    (tmp_path / "explain").mkdir()
    written = Explanation(
        study="s",
        reference=REFERENCE,
        winner="a",
        recommended=True,
        classes=["x", "y"],
        test_images=3,
        seconds=1.0,
    )
    assert read_explanation(tmp_path) is None
    written.write(tmp_path / "explain")
    assert read_explanation(tmp_path) == written

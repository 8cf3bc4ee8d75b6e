"""Which candidates are explained, and what is said about the frozen backbone."""

from pathlib import Path
from typing import Any

import pytest

from agent.explanation.frozen_backbone import sentence_about
from agent.explanation.pair import Arm, choose_pair
from agent.explanation.running import kept
from agent.explanation.sections import SECTIONS
from agent.explanation.work import Options, Work
from agent.memory.candidate import REFERENCE, Candidate
from agent.memory.proposal import Proposal
from evaluators.explanation import (
    Calibration,
    Corruptions,
    Explanation,
    Features,
    Measured,
    Picture,
    read_explanation,
)
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


def explanation(**fields: Any) -> Explanation:
    """Of candidate a, with no section but `fields`."""
    return Explanation(
        study="s",
        reference=REFERENCE,
        winner="a",
        recommended=True,
        classes=["x", "y"],
        test_images=3,
        seconds=1.0,
        **fields,
    )


def test_an_explanation_is_read_as_it_was_written(tmp_path):
    (tmp_path / "explain").mkdir()
    written = explanation()
    assert read_explanation(tmp_path) is None
    written.write(tmp_path / "explain")
    assert read_explanation(tmp_path) == written


def calibrated(*names: str) -> list[Calibration]:
    return [Calibration(name=name, seeds=3, expected_error=0, brier=0, log_loss=0, bins=[]) for name in names]


def earlier_explanation(study: Path) -> Path:
    """Of candidate a: corrupted images, and a map of features with its picture; its folder."""
    folder = study / "explain"
    folder.mkdir()
    (folder / "features.png").write_bytes(b"a picture")
    explanation(
        calibration=calibrated(REFERENCE, "a"),
        corruptions=Corruptions(
            images=3,
            seeds=3,
            clean_reference=1,
            clean_winner=1,
            mean_error=None,
            gain=Measured(mean=0),
            lines=[],
        ),
        features=Features(
            method="t-SNE",
            of="a",
            real=3,
            synthetic=0,
            spread_real=1,
            spread_both=None,
            apart_real=1,
            apart_both=None,
        ),
        pictures=[Picture(file="features.png", title="Features", alt="Features.")],
    ).write(folder)
    return folder


def test_what_is_not_computed_again_is_kept(tmp_path):
    folder, fresh = earlier_explanation(tmp_path), tmp_path / "explain.new"
    fresh.mkdir()
    nothing: Any = None
    work = Work(nothing, nothing, Options(), fresh)
    work.computed.append(SECTIONS["corruptions"])
    found = kept(work, folder, {"calibration": calibrated(REFERENCE, "a")})
    assert found.keys() == {"features"}
    assert (fresh / "features.png").read_bytes() == b"a picture"
    assert [each.title for each in work.pictures] == ["Features"]
    assert work.notes == ["Kept from an earlier explanation: map of features."]


def test_nothing_of_another_candidate_is_kept(tmp_path):
    nothing: Any = None
    work = Work(nothing, nothing, Options(), tmp_path)
    assert not kept(work, earlier_explanation(tmp_path), {"calibration": calibrated(REFERENCE, "b")})
    assert not work.notes

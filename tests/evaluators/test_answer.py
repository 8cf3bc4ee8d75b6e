"""The first sentence of a result: what to use, in words, and against what."""

import pytest

from evaluators.report.answer import Against, Named, answer
from evaluators.statistics import Interval, Verdict

LINE = "translate(p=0.8, fraction=0.08)"
NONE = Named("no augmentation", "no augmentation")
DEFAULT = Named("default", LINE)
TRIVIAL = Named("trivial_augment_wide", "trivial_augment_wide(p=1)")
RAND = Named("rand_augment(num_ops=3)", "rand_augment(p=1, magnitude=9, num_ops=3)")
SIXTH = Named("iteration 6", LINE, True)


def verdict(mean: float, half: float = 0.01, measure: str = "accuracy") -> Verdict:
    found = Interval(mean, mean - half, mean + half, 5)
    return Verdict(found, found, found, measure)


@pytest.mark.parametrize(
    ("recommended", "begins"),
    [
        (TRIVIAL, "Use TrivialAugment: it is "),
        (RAND, "Use RandAugment (num_ops=3): it is "),
        (DEFAULT, f"Use the default policy, {LINE}: it is "),
        (SIXTH, f"Use the policy of iteration 6, {LINE}: it is "),
        (
            Named("iteration 2", "backgrounds(1×)", True, False, True),
            "Use the new backgrounds of iteration 2, backgrounds(1×): ",
        ),
        (
            Named("iteration 2", "x", True, True, True),
            "Use the policy and the new backgrounds of iteration 2, x: ",
        ),
        (
            Named("rotate(p=0.5, degrees=9)", "rotate(p=0.5, degrees=9)"),
            "Use rotate (p=0.5, degrees=9): it is ",
        ),
    ],
)
def test_it_names_what_to_use_in_words(recommended: Named, begins: str) -> None:
    text = answer(recommended, Against(NONE, verdict(0.02)), None, None, searched=True)
    assert text.startswith(begins)


def test_it_is_compared_with_no_augmentation_and_with_the_best_baseline_each_with_its_interval() -> None:
    text = answer(SIXTH, Against(NONE, verdict(0.031)), Against(DEFAULT, verdict(0.004)), None, searched=True)
    first = text.split(". ")[0]
    assert "better than no augmentation, +3.1 points of test accuracy over 5 paired fresh seeds" in first
    assert "(95% interval +2.1 to +4.1;" in first
    assert "and not shown to differ from the default policy, +0.4 points" in first
    assert "found nothing" not in text


def test_a_search_that_found_nothing_better_than_the_default_says_so() -> None:
    best = Against(SIXTH, verdict(-0.003))
    text = answer(DEFAULT, Against(NONE, verdict(0.03)), Against(TRIVIAL, verdict(0.02)), best, searched=True)
    assert "The search found nothing better than the default." in text
    assert "Its best, the policy of iteration 6, is not shown to differ from the default: −0.3 points" in text
    unsearched = answer(DEFAULT, Against(NONE, verdict(0.03)), None, None, searched=False)
    assert "search" not in unsearched


def test_no_augmentation_is_a_good_answer() -> None:
    text = answer(NONE, None, Against(DEFAULT, verdict(0.002)), None, searched=True)
    assert text.startswith(
        "Use no augmentation: nothing tried is shown on validation to beat it. It is not shown"
    )
    assert "differ from the default policy, +0.2 points" in text


def test_a_choice_that_did_not_hold_on_the_test_is_said_plainly() -> None:
    text = answer(SIXTH, Against(NONE, verdict(-0.05)), None, None, searched=True)
    assert "worse than no augmentation, −5.0 points" in text
    assert "did not hold on the test: no augmentation is the safer choice" in text


def test_what_has_no_fresh_seed_in_common_is_not_compared() -> None:
    assert "not compared with no augmentation on the test set" in answer(
        SIXTH, Against(NONE, None), None, None, searched=True
    )


def test_a_caution_comes_first() -> None:
    text = answer(
        DEFAULT, Against(NONE, verdict(0.0)), None, None, searched=True, caution="Nothing was learnt."
    )
    assert text.startswith("Nothing was learnt. Use the default policy, ")

"""What is said of a length that was given, by the curves of its trainings."""

import pytest

from evaluators.given_length import within_given, within_schedule


def test_the_best_epoch_within_one_schedule_is_said_with_its_weakness():
    found = within_schedule([[0.5, 0.8, 0.7], [0.6, 0.7, 0.7]])
    assert found is not None
    assert (found.best_epoch, found.best, found.last) == (2, pytest.approx(0.75), pytest.approx(0.7))
    assert "after 2 of 3 epochs (75.0; at the end 70.0)" in found.sentence()
    assert "a little too high" in found.sentence()
    last = within_schedule([[0.5, 0.6]])
    assert last is not None
    assert "at the last of 2 epochs (60.0)" in last.sentence()
    assert within_schedule([]) is None


def test_a_given_length_is_told_with_where_each_of_the_two_was_best():
    none, default = within_schedule([[0.5, 0.8, 0.7]]), within_schedule([[0.5, 0.6, 0.9]])
    assert within_given(3, none, default) == (
        "3 epochs, as given. Validation accuracy peaks after 2 (80.0; at the end 70.0) without augmentation and at the "
        "end (90.0) with the default policy. No other length was tried; --epochs auto finds one."
    )
    level = within_schedule([[0.5, 0.9003, 0.9, 0.9]])
    assert level is not None
    assert level.place() == "at the end (90.0)"
    assert within_given(1, None, None).startswith("1 epoch, as given. No other length")

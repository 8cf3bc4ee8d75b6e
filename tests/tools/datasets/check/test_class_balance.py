"""How many images there are, in one line, and what is warned of."""

import pytest

from tools.datasets.check.class_balance import in_one_line, scarce, unbalanced
from tools.datasets.types import Split


def counts(**splits: dict[str, int]) -> dict[Split, dict[str, int]]:
    return splits  # type: ignore[return-value]


UNEVEN = counts(train={"maj": 140, "min": 1}, validation={"maj": 30, "min": 1}, test={"maj": 30, "min": 1})


def test_few_classes_are_counted_one_by_one():
    assert in_one_line(UNEVEN) == (
        "203 images · 2 classes: maj 200, min 3 · train 141 / validation 31 / test 31"
    )


def test_many_classes_are_given_by_their_extremes():
    many = counts(train={f"c{number}": 5 + number for number in range(40)})
    assert in_one_line(many) == "980 images · 40 classes of 5 (c0) to 44 (c39) images · train 980"


def test_classes_of_one_size_are_said_once():
    even = counts(train=dict.fromkeys("abc", 7), test=dict.fromkeys("abc", 3))
    assert in_one_line(even) == "30 images · 3 classes of 10 images each · train 21 / test 9"


def test_uneven_classes_are_warned_of_with_what_the_largest_alone_would_score():
    said = unbalanced(UNEVEN)
    assert "the largest class has 140.0 times the images of the smallest in train" in said
    assert "always answering maj scores 96.8% in validation" in said


@pytest.mark.parametrize("small", [10, 20])
def test_classes_of_similar_size_are_not(small):
    assert unbalanced(counts(train={"a": 40, "b": small}, validation={"a": 8, "b": 8})) == ""
    assert unbalanced(counts()) == ""


def test_classes_that_few_images_judge_are_named_but_not_those_that_none_does():
    assert "validation has 1 of min, test has 1 of min. A single image" in scarce(UNEVEN, UNEVEN)
    enough = counts(train={"a": 1}, validation={"a": 5, "b": 0}, test={"a": 5})
    assert scarce(enough, enough) == ""


def test_many_images_of_few_groups_judge_a_class_no_better():
    images = counts(train={"a": 40, "b": 40}, validation={"a": 12, "b": 12}, test={"a": 12, "b": 3})
    groups = counts(train={"a": 2, "b": 2}, validation={"a": 12, "b": 5}, test={"a": 2, "b": 3})
    said = scarce(images, groups)
    assert "judge a class by: test has 12 of a in 2 groups, test has 3 of b. A single group" in said

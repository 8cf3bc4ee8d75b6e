import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from tools.errors import DataError
from tools.training.evaluation import score


def certain(predicted: list[int], classes: int) -> np.ndarray:
    """Probabilities of a classifier that is sure of `predicted`."""
    return np.eye(classes, dtype=np.float32)[predicted]


def test_scores_of_a_worked_example():
    scores = score(certain([0, 0, 1, 1], 2), np.array([0, 0, 0, 1]), ordinal=False, loss=0.5)
    assert scores.accuracy == 0.75
    assert scores.per_class_recall == (pytest.approx(2 / 3), 1.0)
    assert scores.balanced_accuracy == pytest.approx(5 / 6)
    assert scores.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)
    assert scores.confusion == ((2, 1), (0, 1))
    assert scores.loss == 0.5


def test_kappa_is_given_for_ordered_classes_only():
    probabilities, labels = certain([0, 1, 2, 2], 3), np.array([0, 1, 2, 1])
    assert score(probabilities, labels, ordinal=False, loss=0.0).quadratic_kappa is None
    kappa = score(probabilities, labels, ordinal=True, loss=0.0).quadratic_kappa
    assert kappa == pytest.approx(0.8)


def test_kappa_counts_a_far_miss_more_than_a_near_one():
    labels = np.array([0, 1, 2, 3, 4])
    near = score(certain([1, 1, 2, 3, 4], 5), labels, ordinal=True, loss=0.0).quadratic_kappa
    far = score(certain([4, 1, 2, 3, 4], 5), labels, ordinal=True, loss=0.0).quadratic_kappa
    assert near is not None
    assert far is not None
    assert near > far


def test_kappa_is_none_where_it_is_undefined():
    assert score(certain([1, 1], 3), np.array([1, 1]), ordinal=True, loss=0.0).quadratic_kappa is None


def test_auroc_is_the_mean_of_each_class_against_the_rest():
    probabilities = np.array([[0.8, 0.2, 0.0], [0.4, 0.6, 0.0], [0.5, 0.4, 0.1], [0.1, 0.9, 0.0]], np.float32)
    labels = np.array([0, 0, 1, 1])
    scores = score(probabilities, labels, ordinal=False, loss=0.0)
    assert scores.auroc == pytest.approx((3 / 4 + 3 / 4) / 2)  # the third class has no images
    assert score(probabilities[:2], labels[:2], ordinal=False, loss=0.0).auroc is None


def test_a_class_without_images_has_no_recall_and_does_not_count():
    scores = score(certain([0, 1], 3), np.array([0, 1]), ordinal=False, loss=0.0)
    assert scores.per_class_recall == (1.0, 1.0, None)
    assert scores.macro_f1 == scores.balanced_accuracy == 1.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_balanced_accuracy_is_that_of_scikit_learn(pairs: list[tuple[int, int]]):
    labels, guesses = (np.array(column) for column in zip(*pairs, strict=True))
    scores = score(certain(guesses.tolist(), 4), labels, ordinal=False, loss=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, guesses))


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        (np.empty((0, 2)), np.empty(0, dtype=int)),
        (np.full((2, 2), 0.5), np.array([0])),
        (np.array([[np.nan, 1.0]]), np.array([0])),
        (np.array([[0.5, 0.5]]), np.array([2])),
        (np.array([[0.5, 0.5]]), np.array([-1])),
    ],
    ids=["empty", "lengths differ", "nan", "label too high", "label negative"],
)
def test_what_cannot_be_scored_is_refused(probabilities: np.ndarray, labels: np.ndarray):
    with pytest.raises(DataError):
        score(probabilities, labels, ordinal=False, loss=0.0)

"""Calibration, held against torchmetrics and scikit-learn."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss
from torchmetrics.classification import MulticlassCalibrationError

from evaluators.calibration import (
    brier_score,
    calibration_of,
    class_gains,
    confidence_bins,
    confusion_of,
    expected_error,
)
from tools.training.evaluation import score
from tools.training.types import Predictions


def drawn(seed: int, classes: int = 4, count: int = 200, skill: float = 2.0) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    logits = rng.normal(0, 1, (count, classes)) + skill * np.eye(classes)[labels]
    probabilities = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    return Predictions(probabilities, labels, score(probabilities, labels, False, 0.5 + seed))


@pytest.mark.parametrize("bins", [5, 15])
def test_the_expected_error_is_that_of_torchmetrics(bins: int):
    for seed in range(3):
        found = drawn(seed)
        metric = MulticlassCalibrationError(num_classes=4, n_bins=bins, norm="l1")
        theirs = metric(torch.from_numpy(found.probabilities), torch.from_numpy(found.labels))
        assert expected_error(found.probabilities, found.labels, bins) == pytest.approx(
            float(theirs), abs=1e-6
        )


def test_the_brier_score_is_that_of_scikit_learn():
    found = drawn(0)
    # its types know only the default of scale_by_half
    whole: Any = False
    theirs = brier_score_loss(
        found.labels, found.probabilities.astype(float), scale_by_half=whole, labels=range(4)
    )
    assert brier_score(found.probabilities, found.labels) == pytest.approx(theirs, abs=1e-6)


def test_bins_hold_every_image_once_and_confidence_1_is_in_the_last():
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8]])
    bins = confidence_bins(probabilities, np.array([0, 1, 1]), 5)
    assert [each.count for each in bins] == [0, 0, 1, 1, 1]
    assert bins[-1].accuracy == 1
    assert bins[2].confidence == pytest.approx(0.5)


def test_calibration_is_a_mean_over_seeds():
    each = {0: drawn(0), 1: drawn(1)}
    found = calibration_of("x", each)
    expected = [expected_error(one.probabilities, one.labels) for one in each.values()]
    assert found.expected_error == pytest.approx(np.mean(expected))
    assert found.log_loss == pytest.approx(1.0)
    assert sum(one.count for one in found.bins) == 400
    assert np.sum(confusion_of(each)) == 400


def test_gains_by_class_are_of_recall_and_leave_out_empty_classes():
    labels = np.repeat([0, 1], 20)

    def answers(right: np.ndarray) -> Predictions:
        said = np.where(right, labels, 1 - labels)
        probabilities = np.eye(3, dtype=np.float32)[said]
        return Predictions(probabilities, labels, score(probabilities, labels, False, 0.0))

    rng = np.random.default_rng(0)
    before = {seed: answers(rng.random(40) < 0.5) for seed in range(4)}
    after = {seed: answers((rng.random(40) < 0.5) | (labels == 0)) for seed in range(4)}
    found = class_gains(["a", "b", "never"], before, after, None)
    assert [each.label for each in found] == ["a", "b"]
    assert found[0].winner == 1
    assert found[0].gain.mean == pytest.approx(found[0].winner - found[0].reference)
    assert found[0].gain.low is not None
    assert found[0].gain.low > 0
    assert found[1].gain.low is not None
    assert found[1].gain.low < 0
    assert class_gains(["a", "b", "never"], before, {9: after[0]}, None) == []

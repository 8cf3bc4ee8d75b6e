"""Which epoch a trial is judged by."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tools.training.trials import tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.training.config import TrainingConfig, TrialSpec
from tools.training.evaluation import score
from tools.training.metrics import Metric
from tools.training.progress import Progress
from tools.training.recipes import RECIPES, resolve_recipe
from tools.training.types import Predictions

LABELS = np.array([0] * 6 + [1] * 2 + [2] * 2)
COMMON = np.array([0] * 6 + [1, 0, 0, 0])
"""Right about seven images, nearly all of the largest class."""
EVEN = np.array([0, 0, 1, 1, 2, 2, 1, 1, 2, 2])
"""Right about six, two of each class."""


def predictions(predicted: np.ndarray, sure: float = 0.6) -> Predictions:
    rest = (1 - sure) / 2
    probabilities = np.where(np.eye(3)[predicted] > 0, sure, rest).astype(np.float32)
    loss = float(-np.log(probabilities[np.arange(len(LABELS)), LABELS]).mean())
    return Predictions(probabilities, LABELS, score(probabilities, LABELS, ordinal=False, loss=loss))


def kept(spec: TrialSpec, *epochs: Predictions) -> Predictions | None:
    progress = Progress(spec)
    for number, each in enumerate(epochs, start=1):
        progress.add(number, 0.5, 1e-3, each, torch.nn.Linear(1, 1), 1.0)
    return progress.predictions


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "balanced_accuracy"])
def test_the_best_epoch_is_that_of_the_studys_metric(
    tinted: CachedDataset, tmp_path: Path, metric: Metric
) -> None:
    spec = tiny_trial(tinted, tmp_path, selection="best", selection_metric=metric)
    common, even = predictions(COMMON), predictions(EVEN)
    wanted = common if metric == "accuracy" else even
    assert kept(spec, common, even) is wanted
    assert kept(spec, even, common) is wanted


def test_of_equal_epochs_the_one_of_the_lower_loss_counts(tinted: CachedDataset, tmp_path: Path) -> None:
    spec = tiny_trial(tinted, tmp_path, selection="best", selection_metric="balanced_accuracy")
    timid, sure = predictions(EVEN, 0.4), predictions(EVEN, 0.5)
    assert kept(spec, timid, sure) is kept(spec, sure, timid) is sure


def test_an_epoch_without_the_metric_never_counts_before_one_that_has_it(
    tinted: CachedDataset, tmp_path: Path
) -> None:
    spec = tiny_trial(tinted, tmp_path, selection="best", selection_metric="kappa")
    without = predictions(EVEN)
    ordered = Predictions(
        without.probabilities, LABELS, score(without.probabilities, LABELS, ordinal=True, loss=9.0)
    )
    assert kept(spec, without, ordered) is kept(spec, ordered, without) is ordered


def test_every_metric_is_reported_after_each_epoch(tinted: CachedDataset, tmp_path: Path) -> None:
    report = Progress(tiny_trial(tinted, tmp_path)).add(
        1, 0.5, 1e-3, predictions(EVEN), torch.nn.Linear(1, 1), 1.0
    )
    assert report.score("accuracy") == pytest.approx(0.6)
    assert report.score("balanced_accuracy") == pytest.approx((2 / 6 + 1 + 1) / 3)
    assert report.score("macro_f1") == pytest.approx(0.6, abs=0.05)
    assert report.score("auroc") == pytest.approx(report.validation_auroc)
    assert report.score("kappa") is None


def test_the_metric_is_part_of_the_recipe_only_where_the_best_epoch_counts() -> None:
    best = resolve_recipe(TrainingConfig(selection="best"), "macro_f1")
    assert best.selection_metric == "macro_f1"
    assert resolve_recipe(TrainingConfig(), "macro_f1") == RECIPES["modern"]

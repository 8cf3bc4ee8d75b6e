"""The metric that decides: refused where it is not defined, and added to results that lack it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.settings.config import SearchConfig
from agent.steps.metric import check_metric, with_metric
from tests.tools.training.trials import TintedNoise
from tools.datasets.types import Card, Dataset, Record, Split
from tools.errors import ConfigurationError
from tools.training.evaluation import score
from tools.training.metrics import METRICS, Metric
from tools.training.trial_store import TrialStore, write_predictions
from tools.training.types import Predictions, TrialResult


def dataset(ordinal: bool = False, of_test: tuple[int, ...] = (0, 1)) -> Dataset:
    card = Card("made", "Made", "natural", "what decides", ("a", "b"), ordinal=ordinal)
    labels: dict[Split, tuple[int, ...]] = {"train": (0, 1), "validation": (0, 1), "test": of_test}
    records = [
        Record(f"{split}{number}", label, split, f"{split}{number}")
        for split, found in labels.items()
        for number, label in enumerate(found)
    ]
    return Dataset(card, tuple(records), TintedNoise(8))


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_that_is_defined_is_accepted(metric: Metric) -> None:
    check_metric(metric, dataset(ordinal=True))


def test_kappa_needs_an_order_of_the_classes() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_metric("kappa", dataset())
    for word in ("search.metric is kappa", "a, b", "ordinal: true", "--search.metric accuracy"):
        assert word in str(caught.value)


def test_auroc_needs_two_classes_in_every_split_that_is_judged() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_metric("auroc", dataset(of_test=(1, 1)))
    for word in ("all test images of made are of one class (b)", "--data.splits", "--search.metric accuracy"):
        assert word in str(caught.value)
    check_metric("accuracy", dataset(of_test=(1, 1)))


class Told:
    """A terminal that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.note = self.warn = self.lines.append


def context(root: Path, metric: Metric, told: Told) -> Any:
    """As much of a context as is read."""
    return SimpleNamespace(
        config=SimpleNamespace(search=SearchConfig(metric=metric)),
        store=TrialStore(root),
        terminal=told,
        data=SimpleNamespace(card=dataset().card),
    )


PROBABILITIES = np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4], [0.2, 0.8]], dtype=np.float32)
LABELS = np.array([0, 1, 1, 0])
SCORES = score(PROBABILITIES, LABELS, False, 0.5)
OLD = TrialResult("k", 3, "finished", replace(SCORES, auroc=None))
"""Of an earlier version, which knew no AUROC."""


def test_a_result_that_has_the_metric_is_used_as_it_is(tmp_path: Path) -> None:
    told = Told()
    assert with_metric(context(tmp_path, "accuracy", told), OLD) is OLD
    assert not told.lines


def test_a_metric_is_added_from_the_predictions_that_were_kept(tmp_path: Path) -> None:
    (tmp_path / "k").mkdir()
    kept = Predictions(PROBABILITIES, LABELS, SCORES)
    write_predictions(tmp_path / "k", "validation", kept)
    told = Told()
    found = with_metric(context(tmp_path, "auroc", told), OLD)
    assert found is not None
    assert found.scores == SCORES
    assert "seed 3" in told.lines[0]
    assert "AUROC is added" in told.lines[0]


def test_a_result_without_the_metric_and_its_predictions_is_trained_again(tmp_path: Path) -> None:
    told = Told()
    assert with_metric(context(tmp_path, "auroc", told), OLD) is None
    assert "trained again" in told.lines[0]

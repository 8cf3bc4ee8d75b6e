"""What each image adds to a metric, against the definition of the metric and against a bootstrap."""

import numpy as np
import pytest

from evaluators.influence import image_values
from tools.training.evaluation import score
from tools.training.metrics import METRICS, Metric


def predictions(count: int = 150, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, size=count, p=np.array([0.5, 0.25, 0.15, 0.1])[:classes])
    logits = rng.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels]
    exponents = np.exp(logits)
    return exponents / exponents.sum(axis=1, keepdims=True), labels


def metric_of(probabilities: np.ndarray, labels: np.ndarray, metric: Metric) -> float:
    found = score(probabilities, labels, True, 0.0).of(metric)
    assert found is not None
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_their_mean_is_the_metric(metric: Metric) -> None:
    for seed in range(2):
        probabilities, labels = predictions(seed=seed)
        values = image_values(probabilities, labels, metric)
        assert values.mean() == pytest.approx(metric_of(probabilities, labels, metric), abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_their_spread_is_that_of_other_samples_of_images(metric: Metric) -> None:
    probabilities, labels = predictions(count=400)
    error = image_values(probabilities, labels, metric).std(ddof=1) / np.sqrt(len(labels))
    rng = np.random.default_rng(1)
    drawn = [rng.integers(len(labels), size=len(labels)) for _ in range(300)]
    found = np.std([image_values(probabilities[rows], labels[rows], metric).mean() for rows in drawn])
    assert error == pytest.approx(found, rel=0.15)


@pytest.mark.parametrize("metric", METRICS)
def test_classes_without_images_and_single_images_are_no_trouble(metric: Metric) -> None:
    probabilities, labels = predictions(count=12)
    labels[:] = np.where(labels == 3, 0, labels)
    labels[0] = 2
    values = image_values(probabilities, labels, metric)
    assert np.isfinite(values).all()
    assert values.mean() == pytest.approx(metric_of(probabilities, labels, metric), abs=1e-9)


def test_what_is_not_defined_is_no_number() -> None:
    probabilities, labels = np.tile([0.9, 0.1], (5, 1)), np.zeros(5, dtype=int)
    assert np.isnan(image_values(probabilities, labels, "auroc")).all()
    assert np.isnan(image_values(probabilities, labels, "kappa")).all()


SETS: list[Metric] = [metric for metric in METRICS if metric != "kappa"]


def label_sets(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Of images that may have several of four labels; probabilities with ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, 4)) < [0.5, 0.3, 0.15, 0.1]).astype(np.uint8)
    logits = rng.normal(size=(count, 4)) + 2.0 * labels - 1.0
    return (1 / (1 + np.exp(-logits))).round(3), labels


@pytest.mark.parametrize("metric", SETS)
def test_of_several_labels_an_image_their_mean_is_the_metric(metric: Metric) -> None:
    for seed, count in ((0, 150), (1, 30)):
        probabilities, labels = label_sets(count, seed)
        labels[:, 3] *= seed == 0  # a label that no image has
        values = image_values(probabilities, labels, metric)
        assert values.mean() == pytest.approx(metric_of(probabilities, labels, metric), abs=1e-9)


@pytest.mark.parametrize("metric", SETS)
def test_of_several_labels_an_image_their_spread_is_that_of_other_samples(metric: Metric) -> None:
    probabilities, labels = label_sets(400)
    error = image_values(probabilities, labels, metric).std(ddof=1) / np.sqrt(len(labels))
    rng = np.random.default_rng(1)
    drawn = [rng.integers(len(labels), size=len(labels)) for _ in range(300)]
    found = np.std([image_values(probabilities[rows], labels[rows], metric).mean() for rows in drawn])
    assert error == pytest.approx(found, rel=0.2)

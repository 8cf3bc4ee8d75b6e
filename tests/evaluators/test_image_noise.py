"""The noise by the sample of images, for metrics that are no mean over images: measured against many samples.

A policy and no augmentation under three seeds are put to many samples of images. The covariance of the gain under one
seed with the gain under another is what the images that both see have to do with it: the truth that `image_scatter`
estimates from a single sample. That of right or wrong, scaled, stands for it where nothing better is known.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from evaluators.contenders import Contender, ImageScores, Kind
from evaluators.evidence import Evidence
from evaluators.influence import image_values
from evaluators.scatter import image_scatter
from tools.training.metrics import Metric

SHARES = (0.7, 0.2, 0.1)
IMAGES, SEEDS, SAMPLES = 300, 3, 120


def probabilities(
    draw: np.random.Generator, labels: np.ndarray, hard: np.ndarray, skill: float
) -> np.ndarray:
    """(N, 3): right more often with more skill; `hard` images are hard under every seed."""
    logits = skill * np.eye(3)[labels] + hard + draw.normal(0, 0.7, (len(labels), 3))
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True)


def samples(metric: Metric, seed: int = 0) -> Iterator[tuple[list[Contender], np.ndarray]]:
    """(no augmentation and a policy with their results by image, (seeds,) gain of the policy) of each sample."""
    draw = np.random.default_rng(seed)
    for _ in range(SAMPLES):
        labels = draw.choice(3, IMAGES, p=SHARES)
        found = []
        kinds: tuple[tuple[float, Kind], ...] = ((1.6, "none"), (1.9, "policy"))
        for skill, kind in kinds:
            hard = draw.normal(0, 1.0, (IMAGES, 3))
            images, scores = {}, {}
            for number in range(SEEDS):
                known = probabilities(draw, labels, hard, skill)
                values = image_values(known, labels, metric)
                correct = known.argmax(axis=1) == labels
                images[number] = ImageScores(np.arange(IMAGES), None, correct, values)
                scores[number] = float(values.mean())
            found.append(Contender(kind, kind, scores, {}, images))
        none, policy = found
        yield found, np.array([policy.scores[number] - none.scores[number] for number in range(SEEDS)])


@pytest.mark.parametrize("metric", ["macro_f1", "balanced_accuracy", "auroc"])
def test_the_noise_of_the_images_is_that_of_many_samples(metric: Metric) -> None:
    gains, estimates, by_accuracy = [], [], []
    for (none, policy), each in samples(metric):
        gains.append(each)
        found = image_scatter(none, [policy])
        assert found is not None
        assert found.of_metric
        estimates.append(found.shared[0, 0])
        plain = [without_values(contender) for contender in (none, policy)]
        scaled = Evidence(plain)._noise
        assert scaled is not None
        by_accuracy.append(2 * scaled.shared[0, 0])
    covariance = np.cov(np.array(gains), rowvar=False)
    truth = covariance[~np.eye(SEEDS, dtype=bool)].mean()
    assert np.mean(estimates) == pytest.approx(truth, rel=0.25)
    assert abs(np.mean(estimates) - truth) < abs(np.mean(by_accuracy) - truth)


def without_values(contender: Contender) -> Contender:
    images = {seed: ImageScores(each.ids, None, each.correct) for seed, each in contender.images.items()}
    return Contender(contender.name, contender.kind, contender.scores, {}, images)

"""How far a classifier's confidence can be believed: ECE with its bins, Brier score, and the gains by class."""

from collections.abc import Mapping, Sequence

import numpy as np

from evaluators.explanation import Bin, Calibration, ClassGain, Measured
from evaluators.statistics import interval_over_both
from tools.training.types import Predictions

BINS = 15
"""Of equal width (Guo et al. 2017)."""


def calibration_of(name: str, predictions: Mapping[int, Predictions], bins: int = BINS) -> Calibration:
    """ECE, Brier score and log loss, means over the seeds, and the bins of all seeds together.

    Args:
        name: of the candidate.
        predictions: seed → what its classifier says; at least one.
        bins: of equal width over the confidence, the highest probability.
    """
    each = list(predictions.values())
    together = (
        np.concatenate([one.probabilities for one in each]),
        np.concatenate([one.labels for one in each]),
    )
    return Calibration(
        name=name,
        seeds=len(each),
        expected_error=float(np.mean([expected_error(one.probabilities, one.labels, bins) for one in each])),
        brier=float(np.mean([brier_score(one.probabilities, one.labels) for one in each])),
        log_loss=float(np.mean([one.scores.loss for one in each])),
        bins=confidence_bins(*together, bins),
    )


def confidence_bins(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> list[Bin]:
    """The predictions by their confidence, in bins of equal width.

    Args:
        probabilities: float (N, C), rows sum to 1.
        labels: int (N,), 0..C-1.
        bins: how many.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found = []
    for number in range(bins):
        inside = place == number
        some = bool(inside.any())
        found.append(
            Bin(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                count=int(inside.sum()),
                confidence=float(confidence[inside].mean()) if some else 0.0,
                accuracy=float(correct[inside].mean()) if some else 0.0,
            )
        )
    return found


def expected_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """The expected calibration error, 0..1: mean gap between confidence and accuracy, weighted by images."""
    found = confidence_bins(probabilities, labels, bins)
    return sum(each.count * abs(each.confidence - each.accuracy) for each in found) / len(labels)


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared distance of the probabilities from the truth, over all classes: 0 to 2."""
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities.astype(np.float64) - truth) ** 2).sum(axis=1).mean())


def confusion_of(predictions: Mapping[int, Predictions]) -> list[list[int]]:
    """Images of each true class (rows) by predicted class (columns), all seeds together."""
    return np.sum([each.scores.confusion for each in predictions.values()], axis=0).tolist()


def class_gains(
    classes: Sequence[str],
    reference: Mapping[int, Predictions],
    winner: Mapping[int, Predictions],
    groups: Sequence[str] | None,
) -> list[ClassGain]:
    """What the winner gains on each class that has test images, with an interval over seeds and images.

    Args:
        classes: names.
        reference: seed → predictions.
        winner: the same on the same images.
        groups: of each image, where images belong together.
    """
    seeds = sorted(reference.keys() & winner.keys())
    if not seeds:
        return []
    labels = reference[seeds[0]].labels
    before, after = (
        np.stack([each[seed].probabilities.argmax(axis=1) == labels for seed in seeds]).astype(np.float64)
        for each in (reference, winner)
    )
    found = []
    for number, label in enumerate(classes):
        of_class = np.flatnonzero(labels == number)
        if not len(of_class):
            continue
        own = [groups[int(image)] for image in of_class] if groups else None
        one, other = after[:, of_class], before[:, of_class]
        found.append(
            ClassGain(
                label=label,
                images=len(of_class),
                reference=float(other.mean()),
                winner=float(one.mean()),
                gain=Measured.of(interval_over_both(one, other, own)),
            )
        )
    return found

"""How a training went so far, as the arm `online` is told of it. Light."""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.training.metrics import Metric
from tools.training.types import EpochReport, TrialResult


@dataclass(frozen=True)
class CurvePoint:
    """One epoch, as means over the seeds. Losses in nats; scores 0..1."""

    epoch: int
    train_loss: float
    """Of the images as augmented."""
    validation_loss: float
    score: float | None
    """The study's metric on validation; None where it is not defined."""
    default_score: float | None
    """Of the default policy after the same epoch of its own training; None where it has none."""


@dataclass(frozen=True)
class Phase:
    """Epochs of a training that had one policy."""

    first: int
    last: int
    policy: str
    """In one line."""


@dataclass(frozen=True)
class InTraining:
    """A training that has stopped in the middle and waits to be told how it goes on."""

    epochs: int
    """Of the whole training."""
    seeds: int
    """That have come so far."""
    until: int
    """The epoch after which it stops next, or ends."""
    curve: tuple[CurvePoint, ...]
    phases: tuple[Phase, ...]
    train_accuracy: float | None
    """0..1, on real training images as they are, after the last epoch; mean over the seeds."""
    refused: tuple[str, ...] = ()
    """Why the answer after the stop before was refused, so that the policy stayed as it was."""

    @property
    def done(self) -> int:
        """Epochs that are trained."""
        return self.curve[-1].epoch


def curve_of(
    results: Sequence[TrialResult], default: Sequence[TrialResult], metric: Metric
) -> tuple[CurvePoint, ...]:
    """Means over `results` (at least one, all with the same epochs), and over those of the default policy."""
    return tuple(
        CurvePoint(
            epoch=number,
            train_loss=_mean([each.train_loss for each in reports]),
            validation_loss=_mean([each.validation_loss for each in reports]),
            score=_mean_score(reports, metric),
            default_score=_mean_score(
                [each.epochs[number - 1] for each in default if len(each.epochs) >= number], metric
            ),
        )
        for number, reports in enumerate(zip(*(each.epochs for each in results), strict=True), start=1)
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mean_score(reports: Sequence[EpochReport], metric: Metric) -> float | None:
    scores = [score for each in reports if (score := each.score(metric)) is not None]
    return _mean(scores) if scores else None

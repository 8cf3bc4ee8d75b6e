"""What a trial reports while it runs and when it ends. Light: imports no torch."""

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tools.training.metrics import Metric

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class EpochReport:
    """One epoch of one trial, a line of epochs.jsonl. Losses: mean cross-entropy in nats; scores: 0..1.

    Where images may have several labels, losses are the mean over labels of the binary cross-entropy.
    """

    epoch: int
    """Counted from 1."""
    epochs: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    validation_macro_f1: float
    learning_rate: float
    seconds: float
    validation_balanced_accuracy: float | None = None
    """This and the three below: None in reports of earlier versions, and where the score is not defined."""
    validation_auroc: float | None = None
    validation_kappa: float | None = None
    """-1..1."""
    validation_average_precision: float | None = None

    def score(self, metric: Metric) -> float | None:
        """On validation after this epoch; None where it is not known or not defined."""
        return getattr(self, f"validation_{metric}")


@dataclass(frozen=True)
class Scores:
    """A classifier's scores on one split. All 0..1 but the loss (nats) and kappa (-1..1)."""

    loss: float
    accuracy: float
    macro_f1: float
    balanced_accuracy: float
    quadratic_kappa: float | None
    """Only where the labels are ordinal."""
    per_class_recall: tuple[float | None, ...]
    """None for a class without images."""
    confusion: tuple[tuple[int, ...], ...]
    """Rows: true class; columns: predicted. () where images may have several labels."""
    auroc: float | None = None
    """Area under the ROC curve, one class against the rest, mean over the classes that some but not all images belong
    to; None where there is none, and in results of earlier versions."""
    average_precision: float | None = None
    """Mean average precision, over the same classes; None likewise."""
    per_label_auroc: tuple[float | None, ...] = ()
    """This and the next: only where images may have several labels; None for a label that all images have, or none."""
    per_label_precision: tuple[float | None, ...] = ()
    """Average precision."""

    def of(self, metric: Metric) -> float | None:
        """Higher is better; None where the metric is not defined for these images and labels."""
        if metric == "kappa":
            return self.quadratic_kappa
        return getattr(self, metric)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Scores":
        """Inverse of `dataclasses.asdict`, also after a trip through JSON."""
        confusion = tuple(tuple(row) for row in data["confusion"])
        by_label = {name: tuple(data.get(name, ())) for name in ("per_label_auroc", "per_label_precision")}
        recalls = tuple(data["per_class_recall"])
        return cls(**{**data, **by_label, "per_class_recall": recalls, "confusion": confusion})


@dataclass(frozen=True)
class Predictions:
    """What a trained classifier says about one split, in the order of the split's images."""

    probabilities: "np.ndarray"
    """(N, C) float32, rows sum to 1; where images may have several labels, each value is 0..1 by itself."""
    labels: "np.ndarray"
    """(N,) int64, the true classes; or uint8 (N, C) of 0 and 1."""
    scores: Scores


FailureKind = Literal["out_of_memory", "non_finite_loss", "timeout", "worker_died", "shared_memory", "error"]


@dataclass(frozen=True)
class Fit:
    """How the trained classifier does on training images as they are, without augmentation or mixing."""

    loss: float
    """Mean cross-entropy in nats, without label smoothing."""
    accuracy: float
    """0..1. Where an image may have several labels, it is their AUROC: the share of labels that are right is high for
    rare ones whatever was learnt."""

    @classmethod
    def of(cls, scores: Scores) -> "Fit":
        """From the scores on these images."""
        if scores.per_label_auroc and scores.auroc is not None:
            return cls(scores.loss, scores.auroc)
        return cls(scores.loss, scores.accuracy)


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended. `scores` is None exactly where it failed."""

    key: str
    seed: int
    status: Literal["finished", "failed"]
    scores: Scores | None = None
    epochs: tuple[EpochReport, ...] = ()
    seconds: float = 0.0
    """Training time without waiting, over all sessions if the trial was resumed."""
    failure: FailureKind | None = None
    reason: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    """torch and torchvision versions, device, threads: with the key, all that bit-identical results depend on."""
    fit: Fit | None = None
    """On a fixed sample of real training images, by the weights that are kept; None in results of earlier versions."""

    def as_json(self) -> dict[str, Any]:
        """A JSON-able dict; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "TrialResult":
        """Inverse of `as_json`."""
        scores = data.get("scores")
        if scores is not None:
            scores = Scores.from_json(scores)
        epochs = tuple(EpochReport(**epoch) for epoch in data.get("epochs", ()))
        fit = None if data.get("fit") is None else Fit(**data["fit"])
        return cls(**{**data, "scores": scores, "epochs": epochs, "fit": fit})


@dataclass(frozen=True)
class TrialEvent:
    """Something the terminal shows while trials run."""

    key: str
    kind: Literal["started", "step", "epoch", "note", "ended"]
    device: str = ""
    epoch: EpochReport | None = None
    result: TrialResult | None = None
    text: str = ""
    """Of a note: what happened to the trial that is worth a warning, such as a worker that died and is replaced."""
    done: float = 0.0
    """Of a step: epochs that are trained, such as 2.4."""
    epochs: int = 0
    """Of a step: that the trial takes."""


@dataclass(frozen=True)
class Timing:
    """Of one trial, beside as many others as there are workers."""

    training: float
    """Images that are trained on in a second, their augmentation included."""
    evaluation: float
    """Images that are predicted in a second."""
    start: float
    """Seconds until the first batch: the images are opened and the model is built."""
    weights: int = 0
    """Bytes of the model's weights."""

    def trial_seconds(self, images: int, validated: int, epochs: int) -> float:
        """How long a whole trial takes: after each epoch it is validated, at the end judged on its training images.

        Args:
            images: of an epoch.
            validated: images of the validation split.
            epochs: of the trial.
        """
        each = images / self.training + validated / self.evaluation
        return self.start + epochs * each + images / self.evaluation

    def at_size(self, updates: dict[int, float], size: int, now: int) -> "Timing | None":
        """The same for images of `size` px instead of `now`; None unless the updates of both were timed.

        Args:
            updates: size → seconds an image that an update takes. What is no update (reading, augmentation) is taken
                to go with the number of pixels.
            size: in pixels.
            now: the size that this is of.
        """
        before, after = updates.get(now), updates.get(size)
        if before is None or after is None:
            return None
        rest = max(0.0, 1 / self.training - before) * (size / now) ** 2
        return Timing(1 / (after + rest), self.evaluation * before / after, self.start, self.weights)

    def as_json(self) -> dict[str, Any]:
        """For the process that asked for it."""
        return asdict(self)

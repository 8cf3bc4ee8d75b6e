"""What a trial has reached so far, and what it leaves when it ends. The same for every kind of trainer."""

import logging
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn

from tools.datasets.cache.read import SplitView
from tools.training.config import TrialSpec
from tools.training.epoch_log import seconds_spent
from tools.training.evaluation import Classifier, fit_of, save_trained
from tools.training.failures import NonFiniteLoss
from tools.training.hardware import Precision, environment
from tools.training.trial_store import WEIGHTS, write_predictions, write_result
from tools.training.types import EpochReport, Fit, Predictions, Scores, TrialResult

_log = logging.getLogger(__name__)


class Progress:
    """The finished epochs of one trial, and the predictions and weights that count for it."""

    def __init__(self, spec: TrialSpec) -> None:
        self._spec = spec
        self.reports: list[EpochReport] = []
        self.predictions: Predictions | None = None
        """On the validation images: of the last epoch, or of the best one, as the recipe has it."""
        self.best_weights: dict[str, torch.Tensor] | None = None
        """On CPU; only where the recipe selects the best epoch."""

    def add(
        self,
        epoch: int,
        train_loss: float,
        rate: float,
        predictions: Predictions,
        model: nn.Module,
        seconds: float,
    ) -> EpochReport:
        """Count a finished epoch, and remember its predictions (and the weights of `model`) if they count."""
        self._keep(predictions, model)
        report = EpochReport(
            epoch=epoch,
            epochs=self._spec.recipe.epochs,
            train_loss=train_loss,
            validation_loss=predictions.scores.loss,
            validation_accuracy=predictions.scores.accuracy,
            validation_macro_f1=predictions.scores.macro_f1,
            learning_rate=rate,
            seconds=seconds,
            validation_balanced_accuracy=predictions.scores.balanced_accuracy,
            validation_auroc=predictions.scores.auroc,
            validation_kappa=predictions.scores.quadratic_kappa,
            validation_average_precision=predictions.scores.average_precision,
        )
        self.reports.append(report)
        return report

    def _keep(self, predictions: Predictions, model: nn.Module) -> None:
        if self._spec.recipe.selection == "last":
            self.predictions = predictions
            return
        best = None if self.predictions is None else self.predictions.scores
        if best is None or self._place(predictions.scores) > self._place(best):
            self.predictions = predictions
            self.best_weights = {
                name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()
            }

    def _place(self, scores: Scores) -> tuple[float, float]:
        """The higher, the better the epoch; one for which the metric is not defined comes last."""
        value = scores.of(self._spec.recipe.selection_metric)
        return -math.inf if value is None else value, -scores.loss

    def state(self, model: nn.Module, optimizer: dict[str, Any], scaler: dict[str, Any]) -> dict[str, Any]:
        """What a checkpoint holds; `optimizer` and `scaler` are their state dicts."""
        return {
            "model": model.state_dict(),
            "optimizer": optimizer,
            "scaler": scaler,
            "reports": [asdict(report) for report in self.reports],
            "scores": asdict(self.predictions.scores) if self.predictions is not None else None,
            "probabilities": torch.from_numpy(self.predictions.probabilities)
            if self.predictions is not None
            else None,
            "best_weights": self.best_weights,
        }

    def restore(self, state: dict[str, Any], labels: np.ndarray) -> bool:
        """Take over what `state` put into a checkpoint, but for model, optimizer and scaler.

        Args:
            state: of the checkpoint.
            labels: int64 (N,), of the validation images.

        Returns:
            Whether training can resume from this checkpoint.
        """
        if "probabilities" not in state:
            _log.warning("the checkpoint is of an earlier version: this trial starts from its first epoch")
            return False
        self.reports = [EpochReport(**report) for report in state["reports"]]
        self.predictions = Predictions(
            state["probabilities"].cpu().numpy(), np.array(labels), Scores.from_json(state["scores"])
        )
        self.best_weights = state["best_weights"]
        return True

    def finish(
        self, classifier: Classifier, training: SplitView, precision: Precision, fit: Fit | None = None
    ) -> TrialResult:
        """Write weights, predictions and the result; `classifier` holds the trained model.

        Args:
            classifier: its model is given the best weights, where those count.
            training: real training images, for the fit where `fit` is None.
            precision: of the predictions.
            fit: if it has been measured.
        """
        spec, model = self._spec, classifier.model
        if self.best_weights is not None:
            model.load_state_dict(self.best_weights)
        digest = save_trained(spec.directory / WEIGHTS, model.state_dict(), classifier.normalisation, spec)
        assert self.predictions is not None
        write_predictions(spec.directory, "validation", self.predictions)
        result = TrialResult(
            key=spec.key,
            seed=spec.seed,
            status="finished",
            scores=self.predictions.scores,
            fit=fit or fit_of(classifier, training, spec, precision),
            epochs=tuple(self.reports),
            seconds=seconds_spent(spec.directory),
            environment=environment(classifier.device) | {"precision": precision.name},
        )
        write_result(spec.directory, result, digest)
        return result


def refuse_non_finite(losses: torch.Tensor, epoch: int) -> None:
    """Raise if a step of `epoch` has diverged.

    Args:
        losses: (steps,) training losses; 0 for the steps that have not been trained yet.
        epoch: counted from 1.

    Raises:
        NonFiniteLoss: names the first bad step.
    """
    bad = torch.nonzero(~torch.isfinite(losses))
    if len(bad):
        step = int(bad[0])
        raise NonFiniteLoss(
            f"the training loss became {float(losses[step])} in epoch {epoch}, step {step + 1} of {len(losses)}"
        )


def mean_loss(losses: torch.Tensor, sizes: torch.Tensor) -> float:
    """Mean over images of the steps' mean losses; both (steps,), `sizes` float64 on CPU."""
    return float((losses.cpu().double() * sizes).sum() / sizes.sum())

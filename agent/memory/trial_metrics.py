"""A trial's epochs and its result as metrics of MLflow."""

from mlflow.entities import Metric

from tools.training.types import EpochReport, Scores, TrialResult


def epoch_metrics(report: EpochReport, now: int) -> list[Metric]:
    """Losses and scores of one epoch, at step = epoch; `now` in milliseconds."""
    values = {
        "train_loss": report.train_loss,
        "validation_loss": report.validation_loss,
        "validation_accuracy": report.validation_accuracy,
        "validation_macro_f1": report.validation_macro_f1,
        "validation_balanced_accuracy": report.validation_balanced_accuracy,
        "validation_auroc": report.validation_auroc,
        "validation_kappa": report.validation_kappa,
        "learning_rate": report.learning_rate,
    }
    return [Metric(key, value, now, report.epoch) for key, value in values.items() if value is not None]


def result_metrics(result: TrialResult, now: int) -> list[Metric]:
    """What a trial took and came to: scores of the selected epoch, and the fit to its training images."""
    values: dict[str, float | None] = {"training_seconds": result.seconds}
    if (scores := result.scores) is not None:
        values |= {
            "selected_validation_accuracy": scores.accuracy,
            "selected_validation_macro_f1": scores.macro_f1,
            "selected_validation_balanced_accuracy": scores.balanced_accuracy,
            "selected_validation_quadratic_kappa": scores.quadratic_kappa,
            "selected_validation_auroc": scores.auroc,
            "selected_validation_loss": scores.loss,
            "selected_validation_average_precision": scores.average_precision,
            **{f"recall_class_{i}": recall for i, recall in enumerate(scores.per_class_recall)},
            **{f"auroc_label_{i}": area for i, area in enumerate(scores.per_label_auroc)},
            **{f"average_precision_label_{i}": p for i, p in enumerate(scores.per_label_precision)},
        }
        if result.fit is not None:
            values |= {"clean_training_loss": result.fit.loss, "clean_training_accuracy": result.fit.accuracy}
    return [Metric(name, value, now, 0) for name, value in values.items() if value is not None]


def by_label(scores: Scores, labels: tuple[str, ...]) -> dict[str, dict[str, float | None]]:
    """What a classifier scores on each label of images that may have several."""
    rows = zip(
        labels, scores.per_label_auroc, scores.per_label_precision, scores.per_class_recall, strict=True
    )
    return {
        name: {"auroc": area, "average_precision": precision, "recall": recall}
        for name, area, precision, recall in rows
    }

"""The metrics that a study can be decided by. Light: imports nothing heavy."""

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from tools.training.types import Scores

Metric = Literal["accuracy", "macro_f1", "balanced_accuracy", "auroc", "kappa", "average_precision"]

METRICS: tuple[Metric, ...] = get_args(Metric)

_TITLES: dict[Metric, str] = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
    "kappa": "quadratic kappa",
    "average_precision": "mean average precision",
}


def metric_title(metric: Metric) -> str:
    """How the metric is called in a sentence or a table's head, such as 'macro F1'."""
    return _TITLES[metric]


def value_of(scores: "Scores", metric: Metric) -> float | None:
    """The score (0..1; kappa -1..1; higher is better), or None where it is not defined for these images and labels."""
    if metric == "kappa":
        return scores.quadratic_kappa
    return getattr(scores, metric)

"""The metrics that a study can be decided by. Light: imports nothing heavy."""

from typing import Literal, get_args

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

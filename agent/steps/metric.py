"""The metric that decides: whether it is defined for these images, and for results of earlier versions."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tools.datasets.types import Dataset, Split
from tools.errors import ConfigurationError
from tools.files import DamagedFile
from tools.training.metrics import METRICS, Metric, metric_title, value_of
from tools.training.types import TrialResult

if TYPE_CHECKING:
    from agent.context import Context

_JUDGED: tuple[Split, ...] = ("validation", "test")
FEWEST_CLASSES = 2
"""Of which a split must have images, so that one can be told from the rest."""


def check_metric(metric: Metric, dataset: Dataset) -> None:
    """Refuse a metric that would not be defined, before anything is decoded or trained.

    Raises:
        ConfigurationError: kappa without an order of the classes; AUROC where a split has images of one class alone.
    """
    card, title = dataset.card, metric_title(metric)
    others = " or ".join(f"--search.metric {name}" for name in METRICS[:3])
    if metric == "kappa" and not card.ordinal:
        raise ConfigurationError(
            f"search.metric is kappa, but the classes of {card.name} ({', '.join(card.classes[:6])}) have no order: "
            f"{title} counts how far a prediction is from the truth. If they have one, say so in dataset.yaml "
            f"(ordinal: true, with the classes in their order; agent datasets init --ordinal), or take {others}."
        )
    if metric in ("auroc", "kappa"):
        for split in _JUDGED:
            present = {record.label for record in dataset.records if record.split == split}
            if 0 < len(present) < FEWEST_CLASSES:
                raise ConfigurationError(
                    f"search.metric is {metric}, but all {split} images of {card.name} are of one class "
                    f"({card.classes[present.pop()]}), where {title} is not defined: use another split "
                    f"(--data.splits), or {others}."
                )


def with_metric(context: "Context", result: TrialResult) -> TrialResult | None:
    """The result with the study's metric; None where it lacks it and its predictions, so that it must be trained again.

    Results of earlier versions have no AUROC; it follows from the predictions, where these were kept.
    """
    metric = context.config.search.metric
    if result.scores is None or value_of(result.scores, metric) is not None:
        return result
    try:
        kept = context.store.predictions(result.key, "validation")
    except DamagedFile:
        kept = None
    name = f"trial {result.key[:12]} (seed {result.seed})"
    if kept is None:
        context.terminal.warn(
            f"{name} was trained by an earlier version, which kept neither its {metric_title(metric)} nor its "
            "predictions: it is trained again"
        )
        return None
    from tools.training.evaluation import score  # imports torch

    labels = np.asarray(kept.labels)
    scores = score(kept.probabilities, labels, context.data.card.ordinal, result.scores.loss)
    if value_of(scores, metric) is None:
        raise ConfigurationError(
            f"search.metric is {metric}, which is not defined for the predictions of {name}: use another metric, such "
            "as --search.metric accuracy"
        )
    context.terminal.note(f"{name} was scored by an earlier version: its {metric_title(metric)} is added")
    return replace(result, scores=scores)

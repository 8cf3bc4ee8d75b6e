"""The metric that decides: whether it is defined for these images, and for results of earlier versions."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tools.datasets.types import Card, Dataset, Split
from tools.errors import ConfigurationError
from tools.files import DamagedFile
from tools.training.metrics import METRICS, Metric, metric_title
from tools.training.types import TrialResult

if TYPE_CHECKING:
    from agent.context import Context
    from agent.screen.terminal import Terminal
    from agent.settings.config import StudyConfig

_JUDGED: tuple[Split, ...] = ("validation", "test")
FEWEST_CLASSES = 2
"""Of which a split must have images, so that one can be told from the rest."""


def check_metric(metric: Metric, dataset: Dataset) -> None:
    """Refuse a metric that would not be defined, before anything is decoded or trained.

    Raises:
        ConfigurationError: kappa without an order of the classes; AUROC where a split has images of one class alone.
    """
    card, title = dataset.card, metric_title(metric)
    if card.several_labels:
        _check_labels(metric, dataset)
        return
    others = " or ".join(f"--search.metric {name}" for name in METRICS[:3])
    if metric == "kappa" and not card.ordinal:
        raise ConfigurationError(
            f"search.metric is kappa, but the classes of {card.name} ({', '.join(card.classes[:6])}) have no order: "
            f"{title} counts how far a prediction is from the truth. If they have one, say so in dataset.yaml "
            f"(ordinal: true, with the classes in their order; agent datasets init --ordinal), or take {others}."
        )
    if metric in ("auroc", "average_precision", "kappa"):
        for split in _JUDGED:
            present = {record.label for record in dataset.records if record.split == split}
            if 0 < len(present) < FEWEST_CLASSES:
                raise ConfigurationError(
                    f"search.metric is {metric}, but all {split} images of {card.name} are of one class "
                    f"({card.classes[present.pop()]}), where {title} is not defined: use another split "
                    f"(--data.splits), or {others}."
                )


def _check_labels(metric: Metric, dataset: Dataset) -> None:
    """The same where an image may have several labels."""
    card = dataset.card
    if metric == "kappa":
        raise ConfigurationError(
            f"search.metric is kappa, but an image of {card.name} may have several labels, which have no order: take "
            "--search.metric auroc or average_precision."
        )
    if metric not in ("auroc", "average_precision"):
        return
    for split in _JUDGED:
        sets = [record.label for record in dataset.records if record.split == split]
        there = [sum(number >> label & 1 for number in sets) for label in range(len(card.classes))]
        if sets and not any(0 < count < len(sets) for count in there):
            raise ConfigurationError(
                f"search.metric is {metric}, but in {split} every label of {card.name} is on all images or on none, "
                f"where {metric_title(metric)} is not defined: use another split (--data.splits)."
            )


def check_labels(config: "StudyConfig", card: Card) -> None:
    """Refuse settings that mean nothing where an image may have several labels.

    Raises:
        ConfigurationError: balanced sampling, or new backgrounds.
    """
    if not card.several_labels:
        return
    if config.training.imbalance == "balanced_sampling":
        raise ConfigurationError(
            f"training.imbalance is balanced_sampling, but an image of {card.name} may have several labels, so that "
            "there are no classes to draw as many images of: take weighted_loss or logit_adjustment."
        )
    if config.search.backgrounds not in ("auto", "off"):
        raise ConfigurationError(
            f"search.backgrounds is {config.search.backgrounds}, but an image of {card.name} may have several labels, "
            "which do not belong to one subject that could be put on another background: use --search.backgrounds off."
        )


def settle_metric(config: "StudyConfig", dataset: Dataset, terminal: "Terminal") -> "StudyConfig":
    """The settings with the metric that suits the data, where none was asked for; told where it is not the usual one.

    Raises:
        ConfigurationError: as in `check_metric`.
    """
    if not dataset.card.several_labels or "metric" in config.search.model_fields_set:
        return config
    terminal.note(
        "An image may have several labels: the metric is the AUROC, its mean over the labels (search.metric; "
        "average_precision is the other one that does not depend on a threshold)."
    )
    config = config.model_copy(update={"search": config.search.model_copy(update={"metric": "auroc"})})
    check_metric("auroc", dataset)
    return config


def with_metric(context: "Context", result: TrialResult) -> TrialResult | None:
    """The result with the study's metric; None where it lacks it and its predictions, so that it must be trained again.

    Results of earlier versions have no AUROC; it follows from the predictions, where these were kept.
    """
    metric = context.config.search.metric
    if result.scores is None or result.scores.of(metric) is not None:
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
    if scores.of(metric) is None:
        raise ConfigurationError(
            f"search.metric is {metric}, which is not defined for the predictions of {name}: use another metric, such "
            "as --search.metric accuracy"
        )
    context.terminal.note(f"{name} was scored by an earlier version: its {metric_title(metric)} is added")
    return replace(result, scores=scores)

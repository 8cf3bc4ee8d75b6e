"""The winner against a frozen pretrained backbone with logistic regression on the same split."""

from typing import Any

import numpy as np

from agent.explanation.work import Work
from evaluators.explanation import Frozen, Measured
from evaluators.frozen import NEITHER, fit_frozen
from evaluators.influence import image_values
from evaluators.statistics import (
    differences_of_metric,
    image_interval,
    mean_interval,
    scores_of_metric,
)
from evaluators.wording import signed
from tools.text import counted
from tools.training.metrics import metric_title

_FITTING = 10.0
"""Seconds for the logistic regressions, about."""


def compare_with_frozen(work: Work) -> dict[str, Any]:
    """Fit and compare, in the metric of the study."""
    backbone = work.backbone
    if backbone is None:
        work.notes.append(f"There is {NEITHER}.")
        return {}
    data, metric = work.context.data, work.context.config.search.metric
    train, validation = data.split("train"), data.split("validation")
    fitted = fit_frozen(
        backbone,
        (train.images, np.asarray(train.labels)),
        (validation.images, np.asarray(validation.labels)),
        work.test.images,
        len(work.classes),
        work.device,
        lambda done, total: work.context.terminal.progress("frozen backbone", done, total),
    )
    labels = np.asarray(work.test.labels)
    own = image_values(fitted.probabilities, labels, metric)
    winner = work.predictions[work.pair.winner.name].values()
    theirs = np.mean([image_values(each.probabilities, labels, metric) for each in winner], axis=0)
    if not (np.isfinite(own).all() and np.isfinite(theirs).all()):
        work.notes.append(
            f"The frozen backbone is not compared: {metric_title(metric)} is not defined on these images."
        )
        return {}
    groups = work.groups(np.arange(len(labels)))
    gain = Measured.of(image_interval(theirs, own, groups, limits=differences_of_metric(metric)))
    alone = (
        image_interval(own, np.zeros_like(own), groups, limits=scores_of_metric(metric))
        if len(own) > 1
        else mean_interval([float(own.mean())], scores_of_metric(metric))
    )
    score = Measured(mean=float(own.mean()), low=alone.low, high=alone.high)
    name = work.pair.winner.name
    trained = "from scratch" if work.context.config.model.weights is None else "from pretrained weights"
    return {
        "frozen": Frozen(
            backbone=fitted.backbone,
            metric=metric_title(metric),
            score=score,
            winner=name,
            winner_score=float(theirs.mean()),
            gain=gain,
            seconds=fitted.seconds,
            sentence=sentence_about(
                name,
                trained,
                fitted.backbone,
                metric_title(metric),
                score.mean,
                float(theirs.mean()),
                gain,
                fitted.seconds,
            ),
        )
    }


def sentence_about(
    name: str,
    trained: str,
    backbone: str,
    metric: str,
    score: float,
    own: float,
    gain: Measured,
    seconds: float,
) -> str:
    """What a report says: whether the winner, whose score is `own`, differs from the frozen backbone's `score`."""
    if gain.low is not None and gain.low > 0:
        how = "is above"
    elif gain.high is not None and gain.high < 0:
        how = "is below"
    else:
        how = "is not shown to differ from"
    within = ""
    if gain.low is not None and gain.high is not None:
        within = f", 95% interval {signed(gain.low)} to {signed(gain.high)}"
    took = counted(max(1, round(seconds)), "second")
    return (
        f"{name[:1].upper()}{name[1:]}, trained {trained}, {how} a frozen {backbone} with logistic regression, which "
        f"needs no search and took {took}: test {metric} {100 * own:.1f}% against {100 * score:.1f}% "
        f"({signed(gain.mean)} points over test images{within})."
    )


def frozen_seconds(work: Work) -> float:
    """About how long it takes: measured on a few images."""
    each = work.seconds_per_feature
    data = work.context.data
    return (_FITTING if each else 0.0) + each * sum(
        data.size(split) for split in ("train", "validation", "test")
    )

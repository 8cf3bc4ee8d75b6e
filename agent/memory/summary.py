"""A study in one line, from its run in the store."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities import Experiment, Run

from tools.training.metrics import METRICS, Metric


@dataclass(frozen=True)
class StudySummary:
    """One line of `agent list`."""

    name: str
    experiment: str
    arm: str
    status: str
    """MLflow's, or DELETED."""
    started: float
    """Seconds since the epoch."""
    iterations: int
    best: float | None
    """Best mean score on validation of an iteration, in the study's metric."""
    metric: Metric = "accuracy"
    recommended: str = ""
    """The candidate to use, once the study has ended."""
    trainings: int | None = None
    """Finished trials of what `agent train` trained; None for a study, and where it was interrupted before it knew."""


def metric_of(tags: Mapping[str, str]) -> Metric:
    """The metric that the tags of a study's run name."""
    known: dict[str, Metric] = {metric: metric for metric in METRICS}
    return known.get(tags.get("metric", ""), "accuracy")


def summary_of(run: Run, experiment: Experiment) -> StudySummary:
    """From the run of the study itself."""
    metrics, tags = run.data.metrics, run.data.tags
    metric = metric_of(tags)
    deleted = "deleted" in (run.info.lifecycle_stage, experiment.lifecycle_stage)
    return StudySummary(
        name=tags["study"],
        experiment=experiment.name,
        arm=tags.get("arm", ""),
        status="DELETED" if deleted else run.info.status,
        started=run.info.start_time / 1000,
        iterations=int(metrics.get("iterations_done", 0)),
        best=metrics.get(f"incumbent_validation_{metric}"),
        metric=metric,
        recommended=tags.get("recommended", tags.get("chosen", "")),
        trainings=int(metrics["trainings"]) if "trainings" in metrics else None,
    )

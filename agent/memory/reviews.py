"""What people write on a study in MLflow while it runs: its tag `note`, and assessments of its iterations' traces.

An assessment counts where its source is a human; what judges of a model wrote is left to whoever runs them.
"""

from typing import Any

from agent.memory.reading import Reader
from tools.text import one_line

NOTE_TAG = "note"
"""Of the study's run."""
_LONGEST = 1_000
"""Characters of one note."""
_MOST = 20
"""Assessments that are told, the latest."""
_TRACES = 200


def reviewer_notes(tracking: Reader) -> tuple[str, ...]:
    """The notes of people, oldest first, each on one line.

    Raises:
        StoreError: the store does not answer.
    """
    tag = one_line(tracking.study_tags().get(NOTE_TAG, ""), _LONGEST)
    where = f"tags.study = '{tracking.study}'"
    traces = tracking.client.search_traces(
        [tracking.experiment_id], where, max_results=_TRACES, include_spans=False
    )
    found = [
        (assessment.create_time_ms or 0, _in_words(assessment, trace.info.tags.get("mlflow.traceName", "")))
        for trace in traces
        for assessment in trace.info.assessments
        if str(assessment.source.source_type) == "HUMAN" and assessment.valid is not False
    ]
    told = [text for _, text in sorted(found, key=lambda each: each[0])[-_MOST:] if text]
    return tuple(filter(None, (tag, *told)))


def _in_words(assessment: Any, trace: str) -> str:
    """An assessment as its writer meant it: of what, what, and why."""
    value = getattr(assessment, "value", None)
    parts = [assessment.name] if value is not None else []
    said = ": ".join([*parts, *([str(value)] if value is not None else [])])
    text = ". ".join(filter(None, (said, assessment.rationale or "")))
    return one_line(f"on {trace}: {text}" if trace and text else text, _LONGEST)

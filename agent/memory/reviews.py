"""What people write on a study in MLflow while it runs: its tag `note`, and assessments of its iterations' traces.

An assessment counts where its source is a human; what judges of a model wrote is left to whoever runs them.
"""

import re
from typing import Any

from agent.memory.reading import Reader
from tools.errors import AugurError
from tools.text import one_line

NOTE_TAG = "note"
"""Of the study's run."""
_LONGEST = 1_000
"""Characters of one note."""
_MOST = 20
"""Assessments that are told, the latest."""
_TRACES = 200
_TAG_LIMIT = 5_000
"""Characters that every version of MLflow keeps of a tag."""


def reviewer_notes(tracking: Reader) -> tuple[str, ...]:
    """The notes of people, each on one line: those of the tag, then assessments by their age.

    Raises:
        StoreError: the store does not answer.
    """
    notes = [one_line(note, _LONGEST) for note in _written(tracking)][-_MOST:]
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
    return (*notes, *told)


def add_note(tracking: Reader, text: str) -> None:
    """Add a note to those of the study's tag; one that is there already is not added again.

    Args:
        tracking: attached to the study.
        text: becomes one line.

    Raises:
        AugurError: the tag is full.
        StoreError: the store does not answer.
    """
    line = one_line(text, _LONGEST)
    notes = _written(tracking)
    if line in notes:
        return
    whole = "\n\n".join([*notes, line])
    if len(whole) > _TAG_LIMIT:
        raise AugurError(
            f"the notes on study {tracking.study} would have {len(whole):,} characters, and MLflow keeps "
            f"{_TAG_LIMIT:,}: shorten the tag {NOTE_TAG!r} of its run in MLflow's page."
        )
    tracking.client.set_tag(tracking.study_run, NOTE_TAG, whole)


def _written(tracking: Reader) -> list[str]:
    """The notes of the tag, which blank lines separate."""
    notes = re.split(r"\n\s*\n", tracking.study_tags().get(NOTE_TAG, ""))
    return [note.strip() for note in notes if note.strip()]


def _in_words(assessment: Any, trace: str) -> str:
    """An assessment as its writer meant it: of what, what, and why."""
    value = getattr(assessment, "value", None)
    parts = [assessment.name] if value is not None else []
    said = ": ".join([*parts, *([str(value)] if value is not None else [])])
    text = ". ".join(filter(None, (said, assessment.rationale or "")))
    return one_line(f"on {trace}: {text}" if trace and text else text, _LONGEST)

"""What goes in and out of the service's API. Light: pydantic alone."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.service.config import LONGEST_NOTE

State = Literal["queued", "running", "pausing", "paused", "cancelling", "cancelled", "finished", "failed"]
ACTIVE: tuple[State, ...] = ("running", "pausing", "cancelling")
"""A process works on it, or will again."""
ENDED: tuple[State, ...] = ("finished", "failed", "cancelled")
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"
NAME_IN_WORDS = "up to 80 letters, digits, dots, dashes and underscores, a letter or digit first"
_STRICT = ConfigDict(extra="forbid")


class Submission(BaseModel):
    """A study to be queued: its settings, as YAML or as JSON."""

    model_config = _STRICT

    name: str | None = Field(
        default=None, pattern=NAME, description="name of the study; made from data and model if unset"
    )
    yaml: str | None = Field(default=None, description="the text of a file as for `agent run --config`")
    settings: dict[str, Any] | None = Field(
        default=None,
        description="the same as JSON: sections, or dotted keys such as search.iterations",
    )


class Note(BaseModel):
    """What a person writes on a study; a language model reads it before its next proposal."""

    model_config = _STRICT

    text: str = Field(min_length=1, max_length=LONGEST_NOTE)


class WrittenNote(Note):
    """A note that was taken."""

    written: float = Field(description="seconds since 1970")
    delivered: bool = Field(description="whether it is with the study in MLflow already")


class Curve(BaseModel):
    """A trial that trains now."""

    label: str
    epochs: int = Field(description="that it takes")
    scores: list[float] = Field(description="on validation after each epoch so far; 0..1, kappa -1..1")


class CandidateScore(BaseModel):
    """Something that was trained by every seed of the search."""

    name: str
    policy: str
    mean: float | None
    std: float | None


class Progress(BaseModel):
    """How far a study is; all of it is empty before it begins."""

    metric: str = "accuracy"
    phase: str = ""
    trials: int = 0
    trials_of_phase: int = 0
    running: list[Curve] = Field(default_factory=list)
    candidates: list[CandidateScore] = Field(default_factory=list)
    sentence: str = Field(default="", description="the result, once there is one")
    latest: str = Field(default="", description="the last thing that it said")


class Summary(BaseModel):
    """A study in the queue."""

    name: str
    state: State
    position: int | None = Field(description="in the queue, from 1; null where it does not wait")
    message: str = Field(description="why it failed, or is tried again")
    submitted: float = Field(description="seconds since 1970, as all times here")
    started: float | None
    ended: float | None
    sessions: int = Field(description="processes that have worked on it")
    not_before: float | None = Field(description="when it is tried again, after a fault that may pass")
    progress: Progress
    links: dict[str, str] = Field(description="what there is to see: report, result, artifacts, log, mlflow")


class Detail(Summary):
    """One study, with its settings and notes."""

    settings: dict[str, Any] = Field(description="all of them; secrets are hidden")
    notes: list[WrittenNote]


class Artifact(BaseModel):
    """A file of a study."""

    path: str
    size: int = Field(description="bytes")


class Health(BaseModel):
    """That the service answers."""

    status: Literal["ok"] = "ok"
    version: str
    queued: int
    running: int


class Fault(BaseModel):
    """What went wrong: the value, the place and the remedy."""

    error: str

"""What LangGraph checkpoints: ids, counters and canonical JSON. Results live in MLflow, spending in the ledger."""

from typing import TypedDict


class Refusal(TypedDict):
    """An answer that vet refused, and why."""

    answer: str
    reasons: list[str]


class State(TypedDict):
    """Where a study stands."""

    iteration: int
    """The iteration in hand, from 1."""
    answer: str
    """The proposal in hand as JSON; the raw text where it is not even a proposal."""
    malformed: str
    """Why `answer` is no proposal; empty where it is one."""
    accepted: bool
    """Whether vet let the proposal in hand through."""
    unrealised: str
    """Why the synthetic images of the proposal in hand could not be made; empty where they were, or it wants none."""
    warnings: list[str]
    """What the label-safety lint said of an accepted proposal."""
    rejections: list[Refusal]
    """Refused answers of the iteration in hand."""
    stop: str
    """Why the search ended; empty while it goes on."""
    chosen: str
    """The candidate that was chosen on validation; empty where no proposal finished."""

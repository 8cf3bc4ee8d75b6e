"""What LangGraph checkpoints: ids, counters and canonical JSON. Results live in MLflow, spending in the ledger."""

from typing import Any, NotRequired

from typing_extensions import TypedDict  # of which pydantic can make a schema in Python 3.11


class Refusal(TypedDict):
    """An answer that vet refused, and why."""

    answer: str
    reasons: list[str]


class State(TypedDict):
    """Where a study stands."""

    notebook: NotRequired[dict[str, Any]]
    """What the arm wrote down and looked up in the current iteration (`agent.memory.look_ups.Notebook`); checkpoints of
    earlier versions have none."""

    iteration: int
    """The current iteration, from 1."""
    answer: str
    """The current proposal, or proposals, as JSON; the raw text where it is not even a proposal."""
    malformed: str
    """Why `answer` is not a proposal; empty where it is one."""
    accepted: bool
    """Whether vet accepted the current proposal."""
    unrealised: str
    """Why synthetic images of the current proposals could not be made; empty where nothing failed."""
    unmade: NotRequired[list[str]]
    """Names of the candidates whose images could not be made; checkpoints of earlier versions have none."""
    warnings: list[str]
    """Warnings of the label-safety lint about an accepted proposal, or about several, which they name."""
    rejections: list[Refusal]
    """Refused answers of the current iteration."""
    stop: str
    """Why the search ended; empty while it continues."""
    chosen: str
    """The candidate that is recommended; empty where nothing finished."""

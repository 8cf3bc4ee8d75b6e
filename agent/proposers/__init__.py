"""The arms: ways of proposing. Each is stateless and works from the history, so that resuming costs nothing."""

from typing import Protocol

from agent.llm.records import shortened
from agent.memory.history import History
from agent.memory.proposal import Proposal
from tools.text import clean

LONGEST_ANSWER = 20_000
LONGEST_REASON = 2_000
"""Characters."""


class Proposer(Protocol):
    """One arm."""

    name: str

    def ask(self, history: History) -> "Proposal | Malformed":
        """The next proposal, given all results so far and the rejections of this iteration.

        Raises:
            agent.llm.TransportError: the LLM cannot be reached; the study stops and can be resumed.
        """
        ...


class Malformed:
    """An answer that is not a proposal (invalid JSON, a refusal, nothing): vet rejects it with `reason`.

    Both texts are cut where they are long, since they are shown, stored, and told to the model again; the text says so.
    """

    def __init__(self, answer: str, reason: str, form: str = "") -> None:
        """`form`: what is wrong with the form of the answer, in one word; empty where another form would not help."""
        self.answer = clean(shortened(answer, LONGEST_ANSWER))
        self.reason = clean(shortened(reason, LONGEST_REASON))
        self.form = form

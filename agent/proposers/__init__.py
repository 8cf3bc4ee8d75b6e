"""The arms: ways of proposing. Each is stateless and works from the history, so that resuming costs nothing."""

from typing import Protocol

from agent.memory.history import History
from agent.memory.proposal import Proposal


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
    """An answer that is not a proposal (invalid JSON, a refusal, nothing): vet rejects it with `reason`."""

    def __init__(self, answer: str, reason: str) -> None:
        self.answer = answer
        self.reason = reason

"""The arms: ways of proposing. Each is stateless and works from the history, so that resuming costs nothing."""

from dataclasses import replace
from typing import Protocol

from agent.llm.records import shortened
from agent.memory.history import History
from agent.memory.proposal import Proposal, Proposals
from tools.text import clean

LONGEST_ANSWER = 20_000
LONGEST_REASON = 2_000
"""Characters."""


class Proposer(Protocol):
    """One arm."""

    name: str
    at_once: bool
    """Whether it writes all proposals of an iteration in one answer; else it is asked for one after another."""

    def ask(self, history: History) -> "Proposal | Proposals | Malformed":
        """The next proposal, given all results so far and the rejections of this iteration.

        Several (`Proposals`) only where it writes them at once and `history.candidates` are asked for.

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


def ask_for(proposer: Proposer, history: History) -> "Proposal | Proposals | Malformed":
    """As many proposals as `history` asks for: a single one as it is, several together."""
    if history.candidates == 1 or proposer.at_once:
        return proposer.ask(history)
    drawn: tuple[Proposal, ...] = ()
    for _ in range(history.candidates):
        answer = proposer.ask(replace(history, pending=drawn, candidates=1))
        if isinstance(answer, Malformed):
            return answer
        assert isinstance(answer, Proposal)
        drawn = (*drawn, answer)
    return Proposals(proposals=list(drawn))

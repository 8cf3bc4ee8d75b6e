"""Search near what is known to work: the usual policies for such images first, then the best so far, a little changed.

A random policy is mostly worse than the one that practitioners use, and a study has time for a few dozen. How it does
on tables of trained policies is in docs/race.md.
"""

import numpy as np

from agent.memory.history import History, IterationRecord
from agent.memory.proposal import Proposal
from agent.proposers.drawn_prompts import draw_prompts
from agent.proposers.space import DRAWS, Space, drawn_operation, none_found, seeds_of, space_of
from agent.proposers.tpe import objective
from tools.policy.policy import Operation
from tools.policy.starts import starts_for


class NearbyProposer:
    """Arm `nearby`: stateless, and seeded like `random`, so that a resumed study proposes the same."""

    name = "nearby"
    at_once = False

    def ask(self, history: History) -> Proposal:
        """A policy that vet will accept.

        Raises:
            ConfigurationError: none was found.
        """
        space, draw = space_of(history), np.random.default_rng(seeds_of(history))
        turn = history.iteration + len(history.pending) + len(history.rejections)
        for start in starts_for(history.card.modality)[turn:]:
            proposal = Proposal(
                hypothesis=f"A usual policy for such images: {start.name}.",
                expected_gain=0.0,
                policy=start.policy.operations,
                backgrounds=draw_prompts(history, draw),
            )
            if space.allows(proposal):
                return proposal
        name, best = _best_of(history, space)
        for _ in range(DRAWS):
            proposal = Proposal(
                hypothesis=f"{name}, with one other operation.",
                expected_gain=0.0,
                policy=_varied(best, space, draw),
                backgrounds=draw_prompts(history, draw),
            )
            if space.allows(proposal):
                return proposal
        raise none_found(history, self.name)


def _best_of(history: History, space: Space) -> tuple[str, list[Operation]]:
    """What is changed: the best so far, of what has this arm's operations alone, and how it is called.

    It is the usual policy for the kind of images where nothing else is known.
    """
    values = objective(history)
    records: list[IterationRecord] = [
        record
        for record in (*history.baselines, *history.past)
        if record.name in values
        and record.proposal.policy
        and {each.name for each in record.proposal.policy} <= set(space.names)
    ]
    if not records:
        start = starts_for(history.card.modality)[0]
        return f"A usual policy ({start.name})", start.policy.operations
    best = max(records, key=lambda record: values[record.name])
    return f"The best so far ({best.name})", best.proposal.policy


def _varied(best: list[Operation], space: Space, draw: np.random.Generator) -> list[Operation]:
    """With one operation more, drawn around its usual strength, or one exchanged for it; as many as are allowed."""
    kept = list(best)
    exchanged = len(kept) >= space.minimum and draw.random() < 0.5
    for _ in range(max(int(exchanged), len(kept) - space.maximum + 1)):
        kept.pop(int(draw.integers(len(kept))))
    while True:
        others = [name for name in space.names if name not in {operation.name for operation in kept}]
        kept.append(drawn_operation(str(draw.choice(others)), draw))
        if len(kept) >= space.minimum:
            return kept

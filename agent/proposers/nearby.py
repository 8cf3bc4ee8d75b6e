"""Search near what is known to work: the usual policies for such images first, then one of the best, a little changed.

A random policy is mostly worse than the one that practitioners use, and a study has time for a few dozen. How it does
on tables of trained policies and in races is in docs/race.md.
"""

import numpy as np

from agent.memory.history import History, IterationRecord
from agent.memory.proposal import Proposal
from agent.proposers.drawn_prompts import draw_prompts
from agent.proposers.space import DRAWS, Space, drawn_operation, none_found, seeds_of, space_of
from agent.proposers.tpe import objective
from tools.aga.config import PromptSet
from tools.policy.catalogue import operation_names
from tools.policy.policy import Operation
from tools.policy.starts import starts_for

PARENTS = 3
"""One of so many, of the better half, is changed: what was measured is too noisy to say which of them is the best."""
NEW_BACKGROUNDS = 1 / 3
"""How often the backgrounds are changed, and the policy left as it is."""


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
        turn = history.own_iteration + len(history.pending) + len(history.rejections)
        for start in starts_for(history.card.modality)[turn:]:
            proposal = Proposal(
                hypothesis=f"A usual policy for such images: {start.name}.",
                expected_gain=0.0,
                policy=start.policy.operations,
                backgrounds=draw_prompts(history, draw),
            )
            if space.allows(proposal):
                return proposal
        for _ in range(DRAWS):
            name, best = _one_of_the_best(history, draw)
            change, policy, backgrounds = _changed(best, space, draw)
            proposal = Proposal(
                hypothesis=f"{name}, {change}.", expected_gain=0.0, policy=policy, backgrounds=backgrounds
            )
            if space.allows(proposal):
                return proposal
        raise none_found(history, self.name)


def _one_of_the_best(history: History, draw: np.random.Generator) -> tuple[str, Proposal]:
    """What is changed, and how it is called: the usual policy for the kind of images where nothing else is known.

    No augmentation counts as well: where it is among the best, the usual policies may be a bad place to start from.
    """
    values = objective(history)
    records: list[IterationRecord] = [
        record
        for record in (*history.baselines, *history.past)
        if record.name in values and _may_be_changed(record.proposal, history)
    ]
    if not records:
        start = starts_for(history.card.modality)[0]
        return f"A usual policy ({start.name})", Proposal.of(start.policy, "")
    records += [history.reference] if history.reference and history.reference.name in values else []
    better_half = sorted(records, key=lambda record: values[record.name], reverse=True)[
        : (len(records) + 1) // 2
    ]
    taken = better_half[int(draw.integers(min(PARENTS, len(better_half))))]
    return f"One of the best so far ({taken.name})", taken.proposal


def _may_be_changed(proposal: Proposal, history: History) -> bool:
    """Whether it is one policy, of operations that a proposal may have, so not of the user's own code."""
    allowed = operation_names(history.whole_policies, history.grey)
    return not proposal.changes and all(operation.name in allowed for operation in proposal.policy)


def _changed(
    best: Proposal, space: Space, draw: np.random.Generator
) -> tuple[str, list[Operation], list[PromptSet]]:
    """How it is changed, and what comes of it: its policy, or its backgrounds where the study makes any."""
    wanted = space.history.backgrounds
    if wanted != "off" and draw.random() < NEW_BACKGROUNDS:
        made = draw_prompts(space.history, draw)
        words = (
            "without backgrounds"
            if not made
            else "with other backgrounds"
            if best.backgrounds
            else "with backgrounds"
        )
        return words, best.policy, made
    change, policy = _varied(best.policy, space, draw)
    needed = wanted == "always" and not best.backgrounds
    return change, policy, draw_prompts(space.history, draw) if needed else best.backgrounds


def _varied(best: list[Operation], space: Space, draw: np.random.Generator) -> tuple[str, list[Operation]]:
    """How it is changed, and what comes of it: in half of the cases other numbers for one operation.

    In the others it gets one operation more, or one is exchanged, as their number allows. New numbers are drawn around
    the usual ones.
    """
    kept = list(best)
    if space.minimum <= len(kept) <= space.maximum and draw.random() < 0.5:
        place = int(draw.integers(len(kept)))
        kept[place] = drawn_operation(kept[place].name, draw)
        return f"with other numbers for {kept[place].name}", kept
    exchanged = len(kept) >= space.minimum and draw.random() < 0.5
    for _ in range(max(int(exchanged), len(kept) - space.maximum + 1)):
        kept.pop(int(draw.integers(len(kept))))
    added: list[str] = []
    while len(kept) < space.minimum or not added:
        taken = {operation.name for operation in kept}
        added.append(str(draw.choice([name for name in space.names if name not in taken])))
        kept.append(drawn_operation(added[-1], draw))
    return f"with {' and '.join(added)}", kept

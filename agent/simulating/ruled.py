"""The arm `hybrid` where no language model is asked: a fixed rule chooses the operations, TPE tunes their numbers.

Whose turn it is, and how TPE tunes, is the code of the arm itself. The rule does what a careful user would: it tries
the usual policies for the kind of images, then the operations of the best policy so far with one more, or with one
exchanged, at usual strengths.
"""

import numpy as np

from agent.memory.history import History, IterationRecord
from agent.memory.proposal import Proposal, Proposals
from agent.proposers.hybrid import choice_to_tune, tuned
from agent.proposers.space import DRAWS, Space, none_found, rounded_operation, seeds_of, space_of
from agent.proposers.tpe import objective
from tools.policy.catalogue import CATALOGUE
from tools.policy.policy import Operation
from tools.policy.priors import PROBABILITY
from tools.policy.starts import starts_for

_USUAL = "A usual policy."


class RuledHybrid:
    """Arm `hybrid` of a simulation; stateless like every arm."""

    name = "hybrid"
    at_once = True

    def ask(self, history: History) -> Proposal | Proposals:
        """As many proposals as `history` has candidates, or fewer.

        Raises:
            ConfigurationError: no new policy was found.
        """
        choice = choice_to_tune(history)
        if choice is not None and (found := tuned(history, choice)):
            return Proposals(proposals=found)
        return Proposals(proposals=_chosen(history))


def _chosen(history: History) -> list[Proposal]:
    """What the rule proposes."""
    space = space_of(history)
    draw = np.random.default_rng(seeds_of(history))
    found: list[Proposal] = []
    # By their number, since an entry with other operations may have stood in for one.
    proposed = sum(record.proposal.hypothesis == _USUAL for record in history.past)
    for start in starts_for(history.card.modality)[1 + proposed :]:
        _add(found, start.policy.operations, _USUAL, space)
    best = _best(history)
    for _ in range(DRAWS):
        if len(found) >= history.candidates:
            return found[: history.candidates]
        _add(found, _varied(best, space, draw), "The best so far, with one other operation.", space)
    if not found:
        raise none_found(history, "hybrid")
    return found


def _add(found: list[Proposal], operations: list[Operation], why: str, space: Space) -> None:
    proposal = Proposal(hypothesis=why, expected_gain=0.0, policy=operations)
    if space.allows(proposal) and proposal.identity not in {each.identity for each in found}:
        found.append(proposal)


def _best(history: History) -> list[Operation]:
    """Of everything that was tried; of a usual policy where nothing was."""
    values = objective(history)
    records: list[IterationRecord] = [
        record
        for record in (*history.baselines, *history.past)
        if record.name in values and record.proposal.policy
    ]
    if not records:
        return list(starts_for(history.card.modality)[0].policy.operations)
    return max(records, key=lambda record: values[record.name]).proposal.policy


def _varied(operations: list[Operation], space: Space, draw: np.random.Generator) -> list[Operation]:
    """With one operation more, where there is room, or one exchanged."""
    kept = [operation for operation in operations if operation.name in space.names]
    names = {operation.name for operation in kept}
    new = _usual_strength(str(draw.choice([name for name in space.names if name not in names])))
    if len(kept) >= space.maximum or (len(kept) > space.minimum and draw.random() < 0.5):
        kept.pop(int(draw.integers(len(kept))))
    return [*kept, new][-space.maximum :]


def _usual_strength(name: str) -> Operation:
    values = {spec.name: spec.default for spec in CATALOGUE[name].parameters}
    return rounded_operation(name, PROBABILITY.default, values)

"""Random search: the control that every other arm must beat (Bergstra and Bengio 2012)."""

import math

import numpy as np

from agent.memory.history import History
from agent.memory.proposal import Proposal
from agent.proposers.drawn_prompts import Range, prompts_from, table_of
from agent.proposers.space import DRAWS, none_found, rounded_operation, seeds_of, space_of
from tools.policy.catalogue import CATALOGUE
from tools.policy.policy import Operation
from tools.policy.priors import PROBABILITY, value_at


class RandomProposer:
    """Arm `random`: draws the number of operations, the operations and their order uniformly, their numbers around
    the usual strengths (`tools/policy/priors.py`).

    The draw is seeded by the study's seed, the iteration and the number of rejections, so that a resumed study draws
    the same.
    """

    name = "random"
    at_once = False

    def ask(self, history: History) -> Proposal:
        """A policy that vet will accept.

        Raises:
            ConfigurationError: none was found.
        """
        space = space_of(history)
        draw = np.random.default_rng(seeds_of(history))
        for _ in range(DRAWS):
            count = int(draw.integers(space.minimum, space.maximum, endpoint=True))
            names = [space.names[index] for index in draw.permutation(len(space.names))[:count]]
            operations = [_draw_operation(name, draw) for name in names]
            values = {
                key: _draw_number(kind, draw) if isinstance(kind, Range) else str(draw.choice(kind))
                for key, kind in table_of(history).items()
            }
            proposal = Proposal(
                hypothesis="Drawn at random, around mild strengths; no result is used.",
                expected_gain=0.0,
                policy=operations,
                backgrounds=prompts_from(history, values),
            )
            if space.allows(proposal):
                return proposal
        raise none_found(history, self.name)


def _draw_operation(name: str, draw: np.random.Generator) -> Operation:
    values = {item.name: value_at(draw.uniform(), item) for item in CATALOGUE[name].parameters}
    return rounded_operation(name, value_at(draw.uniform(), PROBABILITY), values)


def _draw_number(of: Range, draw: np.random.Generator) -> float:
    if of.log:
        return math.exp(draw.uniform(math.log(of.low), math.log(of.high)))
    return float(draw.uniform(of.low, of.high))

"""Random search: the control that every other arm must beat (Bergstra and Bengio 2012)."""

import math

import numpy as np

from agent.memory.history import History
from agent.memory.proposal import Proposal
from agent.proposers.drawn_prompts import Range, prompts_from, table_of
from agent.proposers.space import DRAWS, PROBABILITY, none_found, operation, space_of
from tools.policy.catalogue import CATALOGUE, ParameterSpec
from tools.policy.policy import Operation


class RandomProposer:
    """Arm `random`: the number of operations, the operations, their order and their numbers drawn uniformly.

    The draw is seeded from the study's seed, the iteration and the number of rejections, so that a resumed study
    draws the same. A parameter on a logarithmic scale is drawn uniformly on that scale.
    """

    name = "random"

    def ask(self, history: History) -> Proposal:
        """A policy that vet will take.

        Raises:
            ConfigurationError: none was found.
        """
        space = space_of(history)
        draw = np.random.default_rng([history.seed, history.iteration, len(history.rejections)])
        for _ in range(DRAWS):
            count = int(draw.integers(space.minimum, space.maximum, endpoint=True))
            names = [space.names[index] for index in draw.permutation(len(space.names))[:count]]
            operations = [_draw(name, draw) for name in names]
            values = {key: _background_value(kind, draw) for key, kind in table_of(history).items()}
            proposal = Proposal(
                hypothesis="Random draw, uninformed by any result.",
                expected_gain=0.0,
                policy=operations,
                backgrounds=prompts_from(history, values),
            )
            if space.allows(proposal):
                return proposal
        raise none_found(history, self.name)


def _draw(name: str, draw: np.random.Generator) -> Operation:
    values = {item.name: _value(item, draw) for item in CATALOGUE[name].parameters}
    return operation(name, float(draw.uniform(*PROBABILITY)), values)


def _background_value(kind: Range | tuple[str, ...], draw: np.random.Generator) -> float | str:
    if not isinstance(kind, Range):
        return str(draw.choice(kind))
    if kind.log:
        return math.exp(draw.uniform(math.log(kind.low), math.log(kind.high)))
    return float(draw.uniform(kind.low, kind.high))


def _value(spec: ParameterSpec, draw: np.random.Generator) -> float:
    if spec.integer:
        return float(draw.integers(int(spec.low), int(spec.high), endpoint=True))
    if spec.log:
        return math.exp(draw.uniform(math.log(spec.low), math.log(spec.high)))
    return float(draw.uniform(spec.low, spec.high))

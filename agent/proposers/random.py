"""Random search: the control that every other arm must beat (Bergstra and Bengio 2012)."""

import numpy as np

from agent.memory.history import History
from agent.memory.proposal import Proposal
from agent.proposers.drawn_prompts import draw_prompts
from agent.proposers.space import DRAWS, drawn_operation, none_found, seeds_of, space_of


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
            operations = [drawn_operation(name, draw) for name in names]
            proposal = Proposal(
                hypothesis="Drawn at random, around mild strengths; no result is used.",
                expected_gain=0.0,
                policy=operations,
                backgrounds=draw_prompts(history, draw),
            )
            if space.allows(proposal):
                return proposal
        raise none_found(history, self.name)

"""What the arms `random`, `nearby` and `tpe` may draw: single operations of the catalogue that are safe for the images.

Whole policies are not drawn: at their defaults they are the baselines (`nearby` may change one that is among the best).
What the lint rejects, or what was tried before, is never proposed.
"""

from dataclasses import dataclass

import numpy as np

from agent.memory.history import History
from agent.memory.proposal import Proposal
from agent.proposers.drawn_prompts import is_allowed, is_safe, make_operation
from tools.errors import ConfigurationError
from tools.policy.canonical import canonical_policy
from tools.policy.catalogue import CATALOGUE, ParameterSpec, operation_names
from tools.policy.policy import Operation, Policy
from tools.policy.priors import PROBABILITY, value_at
from tools.policy.validate import check_policy

DRAWS = 500
"""Tries to find an allowed policy before giving up with an explanation."""


@dataclass(frozen=True)
class Space:
    """The operations to draw from, and what must not be drawn."""

    names: tuple[str, ...]
    """In the catalogue's order."""
    minimum: int
    maximum: int
    history: History
    tried: frozenset[str]

    def allows(self, proposal: Proposal) -> bool:
        """Whether vet would accept `proposal`."""
        policy = proposal.as_policy()
        return (
            not check_policy(policy, self.minimum, self.maximum)
            and is_safe(policy, self.history)
            and all(is_allowed(self.history, prompts) for prompts in proposal.backgrounds)
            and proposal.identity not in self.tried
        )


def space_of(history: History) -> Space:
    """The space for the images and the number of operations of `history`.

    Raises:
        ConfigurationError: fewer operations are safe for these images than a policy must have.
    """
    names = tuple(
        name
        for name in operation_names(whole_policies=False, grey=history.grey)
        if _has_a_safe_form(name, history)
    )
    if len(names) < history.minimum_operations:
        raise ConfigurationError(
            f"search.augmentations asks for {history.minimum_operations} operations, but only {len(names)} in the "
            f"catalogue are safe for {history.card.modality} images: ask for fewer"
        )
    tried = {record.proposal.identity for record in (*history.baselines, *history.past)}
    tried |= {proposal.identity for proposal in history.pending}
    return Space(
        names,
        history.minimum_operations,
        min(history.maximum_operations, len(names)),
        history,
        frozenset(tried),
    )


def seeds_of(history: History) -> list[int]:
    """What a draw is seeded by: a resumed study draws the same, and each of several draws of an iteration another."""
    later = [len(history.pending)] if history.pending else []
    return [history.seed, history.iteration, len(history.rejections), *later]


def _has_a_safe_form(name: str, history: History) -> bool:
    """Whether the lint accepts the operation at its defaults, or at least at its mildest."""
    parameters = CATALOGUE[name].parameters
    forms = (
        {item.name: item.default for item in parameters},
        {item.name: _mildest(item) for item in parameters},
    )
    return any(is_safe(Policy(operations=[make_operation(name, **values)]), history) for values in forms)


def _mildest(spec: ParameterSpec) -> float:
    """The end of the range nearer to the default (on its own scale)."""
    return spec.low if spec.default - spec.low <= spec.high - spec.default else spec.high


def drawn_operation(name: str, draw: np.random.Generator) -> Operation:
    """The operation with numbers drawn around the usual strengths (`tools/policy/priors.py`)."""
    values = {item.name: value_at(draw.uniform(), item) for item in CATALOGUE[name].parameters}
    return rounded_operation(name, value_at(draw.uniform(), PROBABILITY), values)


def rounded_operation(name: str, probability: float, values: dict[str, float]) -> Operation:
    """The operation with its numbers rounded as they will be stored."""
    return canonical_policy(Policy(operations=[make_operation(name, probability, **values)])).operations[0]


def none_found(history: History, arm: str) -> ConfigurationError:
    """The error after `DRAWS` draws without success."""
    return ConfigurationError(
        f"in {DRAWS} draws the arm {arm} found no new policy that is safe for {history.card.modality} images: "
        "allow more operations with search.augmentations, or stop here with fewer search.iterations"
    )

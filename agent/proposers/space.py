"""What the arms `random` and `tpe` may draw: single operations of the catalogue that are safe for the images.

The whole policies are left out: at their defaults they are the baselines. The lint has the last word: whatever it
would refuse, and whatever was tried or refused before, is never proposed.
"""

from dataclasses import dataclass

from agent.memory.history import History
from agent.memory.proposal import Proposal
from agent.proposers.drawn_prompts import is_allowed
from tools.errors import ConfigurationError
from tools.policy.canonical import canonical_policy
from tools.policy.catalogue import CATALOGUE, ParameterSpec
from tools.policy.policy import Operation, Parameter, Policy
from tools.policy.safety import lint
from tools.policy.validate import check_policy

PROBABILITY = (0.1, 1.0)
"""Below, an operation is as good as left out."""
DRAWS = 500
"""Tries to find a policy that is allowed, before giving up with an explanation."""


def mildest(spec: ParameterSpec) -> float:
    """The end of the range nearer to the default (on its own scale)."""
    return spec.low if spec.default - spec.low <= spec.high - spec.default else spec.high


@dataclass(frozen=True)
class Space:
    """The operations to draw from, and what is not to be drawn."""

    names: tuple[str, ...]
    """In the catalogue's order."""
    minimum: int
    maximum: int
    history: History
    tried: frozenset[str]

    def allows(self, proposal: Proposal) -> bool:
        """Whether vet would take `proposal`."""
        policy = proposal.as_policy()
        return (
            not check_policy(policy, self.minimum, self.maximum)
            and not any(finding.severity == "reject" for finding in lint(policy, self.history.card))
            and all(is_allowed(self.history, prompts) for prompts in proposal.backgrounds)
            and proposal.identity not in self.tried
        )


def space_of(history: History) -> Space:
    """The space for the images and the number of operations of `history`.

    Raises:
        ConfigurationError: fewer operations are safe for these images than a policy must have.
    """
    names = tuple(
        name for name, spec in CATALOGUE.items() if not spec.whole_policy and _has_a_safe_form(name, history)
    )
    if len(names) < history.minimum_operations:
        raise ConfigurationError(
            f"search.augmentations asks for {history.minimum_operations} operations, but only {len(names)} of the "
            f"catalogue are safe for {history.card.modality} images: ask for fewer"
        )
    tried = {record.proposal.identity for record in (*history.baselines, *history.past)}
    return Space(
        names,
        history.minimum_operations,
        min(history.maximum_operations, len(names)),
        history,
        frozenset(tried),
    )


def _has_a_safe_form(name: str, history: History) -> bool:
    """Whether the lint lets the operation pass at its defaults, or at least at its mildest."""
    spec = CATALOGUE[name]
    forms = (
        [Parameter(name=item.name, value=item.default) for item in spec.parameters],
        [Parameter(name=item.name, value=mildest(item)) for item in spec.parameters],
    )
    return any(
        not any(
            finding.severity == "reject"
            for finding in lint(
                Policy(operations=[Operation(name=name, probability=1.0, parameters=parameters)]),
                history.card,
            )
        )
        for parameters in forms
    )


def operation(name: str, probability: float, values: dict[str, float]) -> Operation:
    """The operation with its numbers rounded as they will be stored."""
    raw = Operation(
        name=name,
        probability=probability,
        parameters=[Parameter(name=key, value=value) for key, value in values.items()],
    )
    return canonical_policy(Policy(operations=[raw])).operations[0]


def none_found(history: History, arm: str) -> ConfigurationError:
    """After `DRAWS` tries in vain."""
    return ConfigurationError(
        f"the {arm} arm found no policy in {DRAWS} draws that is new and safe for {history.card.modality} images: "
        "allow more operations with search.augmentations, or end the search here with fewer search.iterations"
    )

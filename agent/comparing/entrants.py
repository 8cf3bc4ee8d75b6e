"""What is trained under the fresh seeds: each policy once, however many arms chose it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.comparing.cells import Found
from agent.memory.candidate import REFERENCE, Candidate
from tools.policy.named import DEFAULT


@dataclass(frozen=True)
class Entrants:
    """The final of a race."""

    candidates: Sequence[Candidate]
    """No augmentation first, the default policy second; each with a name of its own."""
    of_arm: Mapping[str, tuple[str, ...]]
    """Arm → the name of its candidate; of a search, one for each repeat."""
    found: Sequence[Found]
    """The searches, by arm and repeat."""


def entrants_of(given: Mapping[str, Candidate], found: Sequence[Found]) -> Entrants:
    """The candidates of the final.

    Args:
        given: arm → its policy, no augmentation and the default first.
        found: what the searches chose; the policy of a given arm is not trained twice.
    """
    by_identity: dict[tuple[str, int | None], Candidate] = {}
    of_arm: dict[str, tuple[str, ...]] = {}
    number = 0

    def enter(candidate: Candidate, name: str) -> str:
        nonlocal number
        key = (candidate.proposal.identity, candidate.epochs)
        if key not in by_identity:
            special = name in (REFERENCE, DEFAULT)
            number += not special
            by_identity[key] = replace(candidate, name=name, number=0 if special else number)
        return by_identity[key].name

    for arm, candidate in given.items():
        of_arm[arm] = (enter(candidate, candidate.name),)
    repeated = any(each.repeat for each in found)
    for each in found:
        name = f"{each.arm} ({each.repeat + 1})" if repeated else each.arm
        of_arm[each.arm] = (*of_arm.get(each.arm, ()), enter(each.winner, name))
    return Entrants(tuple(by_identity.values()), of_arm, found)

"""The two candidates that are explained: no augmentation, and the winner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.memory.candidate import REFERENCE, Candidate
from tools.errors import AugurError
from tools.training.config import TrialSpec


@dataclass(frozen=True)
class Arm:
    """A candidate with the trials that were tested."""

    candidate: Candidate
    specs: Mapping[int, TrialSpec]
    """Seed → trial."""

    @property
    def name(self) -> str:
        """Of the candidate."""
        return self.candidate.name


@dataclass(frozen=True)
class Pair:
    """What is compared."""

    reference: Arm
    winner: Arm
    recommended: bool
    """Whether the winner is what the study recommends."""

    @property
    def seeds(self) -> list[int]:
        """Those under which both finished."""
        return sorted(self.reference.specs.keys() & self.winner.specs.keys())

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """The reference first."""
        return self.reference, self.winner


def choose_pair(arms: Sequence[Arm], recommended: str, others: Sequence[str] = ()) -> Pair:
    """No augmentation against what is recommended; where that is the same, against the first of the others.

    Args:
        arms: all that was tested.
        recommended: name of what the study recommends; empty where it recommends nothing.
        others: names in the order in which they are compared instead, before all that is left.

    Raises:
        AugurError: no augmentation was not tested, nothing else was, or they have no seed in common.
    """
    known = {arm.name: arm for arm in arms if arm.specs}
    if REFERENCE not in known:
        raise AugurError(
            f"{REFERENCE} has no finished trial, so that there is nothing to compare with: train it as well "
            "(it is the first candidate of every study; for agent train, give --policy none)"
        )
    names = [recommended, *others, *known]
    winner = next((name for name in names if name in known and name != REFERENCE), None)
    if winner is None:
        raise AugurError(f"Nothing but {REFERENCE} has a finished trial: there is nothing to compare with it")
    pair = Pair(known[REFERENCE], known[winner], winner == recommended)
    if not pair.seeds:
        raise AugurError(f"{winner} and {REFERENCE} have no seed in common, so that they cannot be compared")
    return pair

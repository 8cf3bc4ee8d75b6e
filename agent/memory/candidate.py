"""What is trained and judged: the reference, the baselines, and the proposals of the iterations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.memory.proposal import Proposal
from agent.settings.config import SearchConfig
from tools.policy.canonical import canonical_json
from tools.policy.catalogue import default_operation

if TYPE_CHECKING:
    from agent.memory.history import IterationRecord

Phase = Literal["length", "reference", "search", "choice", "final"]
"""How long to train; reference and baselines; iterations; finalists under more seeds; the test, under fresh seeds."""

REFERENCE = "no augmentation"


@dataclass(frozen=True)
class Candidate:
    """Something that is trained and judged: the reference, a baseline, or an iteration's proposal."""

    name: str
    """'no augmentation', the baseline's operation, or 'iteration 3': unique within a phase of a study."""
    number: int
    """The iteration, from 1; 0 for the reference and the baselines."""
    arm: str
    proposal: Proposal
    epochs: int | None = None
    """Of its trials in the phase `length`; None: as `agent.steps.trials.recipe_of` says."""

    @classmethod
    def of(cls, record: "IterationRecord") -> "Candidate":
        """The candidate that a record in MLflow is about."""
        return cls(record.name, record.number, record.arm, record.proposal)

    @property
    def policy_json(self) -> str:
        """Canonical JSON of its policy."""
        return canonical_json(self.proposal.as_policy())


def reference() -> Candidate:
    """No augmentation."""
    proposal = Proposal(hypothesis="The reference.", expected_gain=0.0, policy=[])
    return Candidate(REFERENCE, 0, "reference", proposal)


def baselines(search: SearchConfig) -> list[Candidate]:
    """Published whole policies with default parameters; none for the arm `fixed`, which proposes them itself."""
    if search.proposer == "fixed":
        return []
    why = "A baseline of the literature."
    return [
        Candidate(
            name,
            0,
            "baseline",
            Proposal(hypothesis=why, expected_gain=0.0, policy=[default_operation(name)]),
        )
        for name in search.baselines
    ]


def iteration(number: int, arm: str, proposal: Proposal) -> Candidate:
    """The proposal of iteration `number` (from 1)."""
    return Candidate(f"iteration {number}", number, arm, proposal)

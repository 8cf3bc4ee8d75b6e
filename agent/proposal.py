"""What an arm proposes in one iteration, in the shape in which an LLM writes it."""

from pydantic import BaseModel, ConfigDict, Field

from tools.policy.policy import Operation, Policy

SCHEMA_VERSION = 1
"""Part of every trial's key: raised when the meaning of a proposal changes."""


class Proposal(BaseModel):
    """Flat on purpose: no union, no free-form dict, no recursion, every field required (OpenAI strict, Gemini)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hypothesis: str = Field(
        description="why this policy should help this classifier on these images, in a sentence or two"
    )
    expected_gain: float = Field(
        description="expected change of the metric over no augmentation, in accuracy points"
    )
    policy: list[Operation] = Field(description="operations in the order in which they are applied")

    def as_policy(self) -> Policy:
        """The policy alone."""
        return Policy(operations=self.policy)

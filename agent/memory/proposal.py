"""What an arm proposes in one iteration, in the shape in which an LLM writes it."""

import json
from functools import lru_cache
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from tools.aga.config import PromptSet
from tools.policy.canonical import canonical_json, one_line
from tools.policy.policy import Change, Operation, Policy

LENGTHS = (1, 2, 4)
"""What `Proposal.length` may be."""

SCHEMA_VERSION = 1
"""Part of every trial's key: raised when the meaning of a proposal changes."""


class Proposal(BaseModel):
    """Flat on purpose: no union, no free-form dict, no recursion, every field required (OpenAI strict, Gemini).

    `backgrounds`, `length` and `notes` may be omitted here, since most proposals have none; the schema that an LLM is
    given requires them where the study asks for them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hypothesis: str = Field(
        description="why this proposal should help this classifier on these images, in a sentence or two"
    )
    expected_gain: float = Field(
        description="expected gain over no augmentation, in points: 1.0 means from 80.0 to 81.0"
    )
    policy: list[Operation] = Field(description="operations in the order in which they are applied")
    backgrounds: list[PromptSet] = Field(
        default_factory=list,
        description="what synthetic training images are made from: one set of background prompts, or none",
    )
    length: int = Field(
        default=1,
        description="how long to train, as a multiple of the study's length: 1, 2 or 4. A longer training takes its "
        "share of the budget; ask for it only where a policy was not finished",
    )
    notes: str = Field(
        default="",
        description="your notebook for later iterations, in place of what it says now; empty leaves it as it is",
    )
    changes: list[Change] = Field(default_factory=list)
    """Of a policy by epoch: what takes the place of `policy` later in the training. No LLM writes it: of the arm
    `online`, it is what the model answered during the training."""

    @classmethod
    def of(cls, policy: Policy, hypothesis: str) -> Self:
        """A policy that nobody expects a gain of."""
        return cls(hypothesis=hypothesis, expected_gain=0.0, policy=policy.operations, changes=policy.changes)

    def as_policy(self) -> Policy:
        """The policy alone."""
        return Policy(operations=self.policy, changes=self.changes)

    @property
    def prompts(self) -> PromptSet | None:
        """The background prompts, if any. Vet refuses a proposal that has two sets."""
        return self.backgrounds[0] if self.backgrounds else None

    @property
    def identity(self) -> str:
        """Equal for proposals that train alike, whatever their hypotheses."""
        longer = f"×{self.length}" if self.length != 1 else ""
        backgrounds = "".join(item.model_dump_json() for item in self.backgrounds)
        return canonical_json(self.as_policy()) + backgrounds + longer

    def in_one_line(self) -> str:
        """The policy in its one-line form, and a summary of the backgrounds."""
        policy = one_line(self.as_policy()) if self.policy or self.changes or not self.backgrounds else ""
        parts = [policy] if policy else []
        for item in self.backgrounds:
            sets = f"{len(item.instructions)}×{len(item.settings)}×{len(item.times)} prompts"
            turn = f", ±{item.max_rotation:g}°" if item.max_rotation else ""
            zoom = f", zoom {item.min_scale:g} to {item.max_scale:g}"
            parts.append(f"backgrounds({item.scale:g}×, {item.subject}, {sets}{turn}{zoom})")
        return " + ".join(parts) + (f" for {self.length} times the length" if self.length != 1 else "")


class Proposals(BaseModel):
    """Several proposals of one iteration, as an LLM writes them in one answer (`search.candidates`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    proposals: list[Proposal]
    notes: str = Proposal.model_fields["notes"].default


def parse_proposals(text: str) -> tuple[Proposal, ...]:
    """The proposals that the state of the loop holds as JSON: one `Proposal`, or `Proposals`."""
    data = json.loads(text)
    if "proposals" not in data:
        return (parse_proposal(text),)
    return tuple(Proposal.model_validate(each) for each in data["proposals"])


@lru_cache(maxsize=8)
def parse_proposal(text: str) -> Proposal:
    """The proposal that the state of the loop holds as JSON; parsed once, however many nodes ask for it.

    Not pydantic's own JSON parser: that reads no NaN, which vet has to see and name.
    """
    return Proposal.model_validate(json.loads(text))

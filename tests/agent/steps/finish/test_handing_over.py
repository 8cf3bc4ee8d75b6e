"""What the files that a user takes away say of how the policy was trained."""

from types import SimpleNamespace
from typing import Any

import pytest

from agent.memory.candidate import Candidate, reference
from agent.memory.proposal import Proposal
from agent.settings.config import TrainingConfig
from agent.steps.finish.handing_over import length_of
from tools.policy.named import named_policy
from tools.training.recipes import resolve_recipe

DEFAULT = Candidate("default", 0, "baseline", Proposal.of(named_policy("rotate", "natural").policy, ""))


@pytest.mark.parametrize(
    ("candidate", "told"),
    [
        (DEFAULT, "48 epochs, the length of the study"),
        (reference(), "12 epochs, where the study trains 48"),
    ],
)
def test_no_other_candidate_is_said_to_have_been_trained_as_long(candidate: Candidate, told: str) -> None:
    """No augmentation may have a best length of its own."""
    context: Any = SimpleNamespace(
        recipe=resolve_recipe(TrainingConfig(epochs=48)), lengths=SimpleNamespace(reference=12)
    )
    assert length_of(context, candidate) == told

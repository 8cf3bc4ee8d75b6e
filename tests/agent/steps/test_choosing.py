"""The one choice on validation, and the parts of what was chosen."""

from agent.memory import Candidate
from agent.memory.proposal import Proposal, parse_proposal
from agent.steps.choosing import BACKGROUNDS_ONLY, POLICY_ONLY, ablations, choose
from tools.aga.config import PromptSet
from tools.policy.catalogue import default_operation

PROMPTS = PromptSet(
    subject="bird",
    scale=1.0,
    instructions=["A photograph of"],
    settings=["a meadow"],
    times=["at noon"],
    avoid=[],
    flip_probability=0.0,
    max_rotation=0.0,
    min_scale=1.0,
    max_scale=1.0,
)


def candidate(number: int, backgrounds: tuple[PromptSet, ...] = ()) -> Candidate:
    policy = [default_operation("rotate")]
    proposal = Proposal(hypothesis="h", expected_gain=1.0, policy=policy, backgrounds=list(backgrounds))
    return Candidate(f"iteration {number}", number, "tpe", proposal)


A, B = candidate(1), candidate(2)


def test_the_best_mean_over_common_seeds_is_chosen():
    """B's third seed, which A did not finish, must not help it."""
    assert choose([A, B], {A.name: {0: 0.8, 1: 0.8}, B.name: {0: 0.7, 1: 0.7, 2: 1.0}}) is A


def test_the_earlier_one_wins_a_tie():
    assert choose([A, B], {A.name: {0: 0.8}, B.name: {0: 0.8}}) is A


def test_one_that_finished_no_seed_is_not_considered():
    assert choose([A, B], {A.name: {}, B.name: {0: 0.1}}) is B
    assert choose([A, B], {A.name: {}, B.name: {}}) is None


def test_policy_and_backgrounds_are_ablated_where_there_are_both():
    both = candidate(3, (PROMPTS,))
    parts = {part.name: part.proposal for part in ablations(both)}
    assert parts[POLICY_ONLY].policy == both.proposal.policy
    assert parts[POLICY_ONLY].backgrounds == []
    assert parts[BACKGROUNDS_ONLY].policy == []
    assert parts[BACKGROUNDS_ONLY].backgrounds == [PROMPTS]
    assert ablations(A) == ablations(None) == []


def test_a_proposal_is_parsed_once():
    text = A.proposal.model_dump_json()
    assert parse_proposal(text) == A.proposal
    assert parse_proposal(text) is parse_proposal(text)

"""What is recommended, what it is compared with, what is tested, and the parts of a proposal."""

import pytest

from agent.memory import Candidate
from agent.memory.candidate import baselines, reference
from agent.memory.proposal import Proposal, parse_proposal
from agent.settings.config import SearchConfig
from agent.steps.finish.choosing import BACKGROUNDS_ONLY, POLICY_ONLY, Choice, ablations
from agent.steps.finish.comparing import named
from agent.steps.finish.contenders import kind_of
from agent.steps.finish.second_lengths import with_length
from evaluators.recommendation import Recommendation
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
NONE, DEFAULT, OTHER = reference(), *baselines(SearchConfig(baselines=["default", "rand_augment"]), "digits")


def recommending(name: str, order: list[str]) -> Choice:
    found = Recommendation(name, "metric", {}, "because")
    return Choice([NONE, DEFAULT, OTHER, A, B], found, order, {})


ORDER = [B.name, OTHER.name, A.name, DEFAULT.name, NONE.name]


@pytest.mark.parametrize(
    ("recommended", "rival", "proposal"),
    [(NONE, OTHER, B), (DEFAULT, OTHER, B), (OTHER, DEFAULT, B), (A, OTHER, A), (B, OTHER, B)],
)
def test_the_recommended_is_compared_with_the_best_other_baseline(recommended, rival, proposal):
    choice = recommending(recommended.name, ORDER)
    assert (choice.recommended, choice.rival, choice.proposal) == (recommended, rival, proposal)


def test_what_the_first_sentence_rests_on_is_tested_first_and_nothing_twice():
    assert recommending(B.name, ORDER).tested == [NONE, B, OTHER, DEFAULT]
    assert recommending(DEFAULT.name, ORDER).tested == [NONE, DEFAULT, OTHER, B]
    assert recommending(NONE.name, ORDER).tested == [NONE, OTHER, B, DEFAULT]


def test_without_any_proposal_the_baselines_compete():
    choice = Choice([NONE, DEFAULT], Recommendation(DEFAULT.name, "metric", {}, ""), [DEFAULT.name], {})
    assert (choice.recommended, choice.rival, choice.proposal) == (DEFAULT, None, None)
    assert choice.tested == [NONE, DEFAULT]


def test_what_a_user_has_to_take_over():
    kinds = [kind_of(each) for each in (NONE, DEFAULT, OTHER, A, candidate(3, (PROMPTS,)))]
    assert kinds == ["none", "default", "baseline", "policy", "backgrounds"]


def test_policy_and_backgrounds_are_ablated_where_there_are_both():
    both = candidate(3, (PROMPTS,))
    parts = {part.name: part.proposal for part in ablations(both)}
    assert parts[POLICY_ONLY].policy == both.proposal.policy
    assert parts[POLICY_ONLY].backgrounds == []
    assert parts[BACKGROUNDS_ONLY].policy == []
    assert parts[BACKGROUNDS_ONLY].backgrounds == [PROMPTS]
    assert ablations(A) == ablations(None) == []


def test_a_contender_at_another_length_has_a_name_of_its_own_and_competes_with_itself():
    longer, shorter = with_length(A, 60, 2), with_length(DEFAULT, 15, 0)
    assert (longer.name, longer.epochs, longer.proposal.length) == ("iteration 1, 60 epochs", 60, 2)
    assert (shorter.name, shorter.epochs, shorter.proposal) == ("default, 15 epochs", 15, DEFAULT.proposal)
    assert [kind_of(each) for each in (longer, shorter)] == ["policy", "baseline"]
    found = Recommendation(longer.name, "metric", {}, "because")
    order = [longer.name, A.name, shorter.name, DEFAULT.name, NONE.name]
    choice = Choice([NONE, DEFAULT, A, longer, shorter], found, order, {})
    assert (choice.recommended, choice.proposal, choice.rival) == (longer, longer, shorter)
    assert choice.tested == [NONE, longer, shorter, DEFAULT]


def test_a_baseline_at_another_length_is_tested_only_where_it_matters():
    shorter = with_length(DEFAULT, 15, 0)
    found = Recommendation(A.name, "metric", {}, "because")
    choice = Choice([NONE, DEFAULT, A, shorter], found, [A.name, DEFAULT.name, shorter.name, NONE.name], {})
    assert shorter not in choice.tested


def test_a_sentence_names_the_length_and_not_the_factor():
    about = named(with_length(A, 60, 2))
    assert about.title == "the policy of iteration 1 trained for 60 epochs"
    assert "times the length" not in about.titled
    assert named(with_length(DEFAULT, 15, 0)).title == "the default policy trained for 15 epochs"


def test_parts_of_a_proposal_are_trained_as_long_as_the_whole():
    assert {part.epochs for part in ablations(with_length(candidate(3, (PROMPTS,)), 60, 2))} == {60}


def test_a_proposal_is_parsed_once():
    text = A.proposal.model_dump_json()
    assert parse_proposal(text) == A.proposal
    assert parse_proposal(text) is parse_proposal(text)

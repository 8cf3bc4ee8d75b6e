"""What may be trained, and why not."""

from agent.memory.history import IterationRecord
from agent.memory.proposal import Proposal
from agent.settings.config import SearchConfig
from agent.steps.search.vetting import refuse, refuse_all
from tools.datasets.types import Card
from tools.policy.catalogue import CATALOGUE, default_operation
from tools.policy.policy import Operation, Parameter

DIGITS = Card("demo", "Digits", "digits", "Handwritten digits.", ("0", "1"))
NATURAL = Card("photos", "Photographs", "natural", "Photographs.", ("a", "b"))
SEARCH = SearchConfig(augmentations="2-3")


def proposal(*operations: Operation, **changes) -> Proposal:
    fields = {"hypothesis": "It helps.", "expected_gain": 1.0, "policy": list(operations)}
    return Proposal.model_validate({**fields, **changes})


SAFE = (default_operation("brightness"), default_operation("gaussian_blur"))


def test_a_valid_new_safe_proposal_passes():
    assert refuse(proposal(*SAFE), SEARCH, DIGITS, []) == ([], [])


def test_the_number_of_operations_is_enforced():
    for count in (1, 4):
        names = ("brightness", "gaussian_blur", "contrast", "sharpness")[:count]
        reasons, _ = refuse(proposal(*map(default_operation, names)), SEARCH, DIGITS, [])
        assert "2 to 3" in reasons[0]


def test_nothing_is_clamped_into_range():
    wild = Operation(name="rotate", probability=0.5, parameters=[Parameter(name="degrees", value=4000)])
    reasons, _ = refuse(proposal(SAFE[0], wild), SEARCH, DIGITS, [])
    assert any("4000" in reason and "degrees" in reason for reason in reasons)


def test_not_a_number_is_named():
    wild = Operation(
        name="rotate", probability=float("nan"), parameters=[Parameter(name="degrees", value=float("inf"))]
    )
    reasons, _ = refuse(proposal(SAFE[0], wild, expected_gain=float("nan")), SEARCH, DIGITS, [])
    text = " ".join(reasons)
    assert "expected_gain: nan" in text
    assert "probability nan" in text
    assert "inf" in text


def test_what_was_tried_before_is_refused_with_its_result():
    past = IterationRecord(
        1, "llm", "iteration 1", proposal(*SAFE, hypothesis="Other words."), (), 0.9, None, None, None, None
    )
    reasons, _ = refuse(proposal(*SAFE), SEARCH, DIGITS, [past])
    assert "tried before, as iteration 1 (validation accuracy 0.9000)" in reasons[0]


def test_what_would_change_the_label_is_refused_with_the_reason():
    reasons, _ = refuse(proposal(SAFE[0], default_operation("horizontal_flip")), SEARCH, DIGITS, [])
    assert reasons
    assert reasons[0].startswith("horizontal_flip")


def test_a_baseline_is_trusted_to_be_a_single_whole_policy():
    baseline = proposal(default_operation("trivial_augment_wide"))
    assert refuse(baseline, SEARCH, DIGITS, [])[0]
    assert refuse(baseline, SEARCH, DIGITS, [], trusted=True)[0] == []


def test_an_essay_for_a_hypothesis_is_refused():
    reasons, _ = refuse(proposal(*SAFE, hypothesis="x" * 4000), SEARCH, DIGITS, [])
    assert "4000 characters" in reasons[0]


def test_whole_policies_are_refused_where_the_study_leaves_them_to_the_baselines():
    without = SearchConfig(augmentations="1-3", whole_policies="off")
    whole = [name for name, spec in CATALOGUE.items() if spec.whole_policy]
    for name in whole:
        made = proposal(default_operation(name), SAFE[0])
        assert refuse(made, SearchConfig(augmentations="1-3"), NATURAL, [])[0] == []
        (reason,) = refuse(made, without, NATURAL, [])[0]
        assert f"operation 1 ('{name}') is a whole policy" in reason
        assert "use single operations" in reason
    assert refuse(proposal(*SAFE), without, NATURAL, []) == ([], [])
    assert refuse(proposal(default_operation(whole[0])), without, NATURAL, [], trusted=True)[0] == []


def test_operations_on_colour_are_refused_for_grey_images():
    made = proposal(default_operation("saturation"), SAFE[0])
    search = SearchConfig(augmentations="1-3")
    assert refuse(made, search, NATURAL, [])[0] == []
    (reason,) = refuse(made, search, NATURAL, [], grey=True)[0]
    assert "operation 1 ('saturation') changes colours only" in reason
    assert "grey" in reason
    assert refuse(proposal(*SAFE), search, NATURAL, [], grey=True) == ([], [])
    baseline = proposal(default_operation("saturation"))
    assert refuse(baseline, search, NATURAL, [], trusted=True, grey=True)[0] == []


def test_a_misspelt_operation_is_never_corrected_to_a_whole_policy_that_is_left_out():
    made = proposal(Operation(name="rand_augmentt", probability=0.5, parameters=[]), SAFE[0])
    (told,) = refuse(made, SearchConfig(augmentations="1-3"), NATURAL, [])[0]
    assert "rand_augment" in told.partition("catalogue")[2]
    (told,) = refuse(made, SearchConfig(augmentations="1-3", whole_policies="off"), NATURAL, [])[0]
    assert "rand_augment" not in told.partition("catalogue")[2]


def test_without_advice_the_rules_of_label_safety_still_refuse():
    plain = SearchConfig(advice="off")
    assert refuse(proposal(SAFE[0], default_operation("horizontal_flip")), plain, DIGITS, [])[0]


def test_a_longer_training_is_refused_where_the_budget_does_not_count_it():
    reasons, _ = refuse(proposal(*SAFE, length=2), SEARCH, DIGITS, [])
    assert reasons == ["length: 2; give 1: this study trains every proposal for the same length."]
    assert refuse(proposal(*SAFE, length=2), SEARCH, DIGITS, [], longer=True) == ([], [])
    reasons, _ = refuse(proposal(*SAFE, length=3), SEARCH, DIGITS, [], longer=True)
    assert reasons == ["length: 3; give 1, 2 or 4."]


def test_the_same_policy_trained_for_longer_is_another_proposal():
    once, twice = proposal(*SAFE), proposal(*SAFE, length=2)
    assert once.identity != twice.identity
    assert twice.in_one_line() == f"{once.in_one_line()} for 2 times the length"


def test_of_several_each_is_checked_and_named():
    wild = Operation(name="rotate", probability=0.5, parameters=[Parameter(name="degrees", value=4000)])
    both = [proposal(*SAFE), proposal(SAFE[0], wild)]
    reasons, _ = refuse_all(both, [], search=SEARCH, card=DIGITS)
    assert reasons
    assert all(reason.startswith("proposal 2: ") for reason in reasons)


def test_two_equal_ones_are_refused_and_a_single_one_is_not_numbered():
    reasons, _ = refuse_all(
        [proposal(*SAFE), proposal(*SAFE, hypothesis="Again.")], [], search=SEARCH, card=DIGITS
    )
    assert reasons == ["proposal 2: this is the same policy as proposal 1: propose one that differs."]
    alone, _ = refuse_all([proposal(SAFE[0])], [], search=SEARCH, card=DIGITS)
    assert alone == refuse(proposal(SAFE[0]), SEARCH, DIGITS, [])[0]

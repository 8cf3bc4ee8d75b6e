"""Every problem of a policy is named, with its place and the remedy."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.tools.policy.strategies import policies
from tools.policy.catalogue import CATALOGUE, default_operation
from tools.policy.policy import Operation, Parameter, Policy
from tools.policy.validate import check_policy


def _problems(*operations: Operation, minimum: int = 0, maximum: int = 9) -> list[str]:
    return check_policy(Policy(operations=list(operations)), minimum, maximum)


def _rotate(degrees: float = 15, probability: float = 0.5) -> Operation:
    return Operation(
        name="rotate", probability=probability, parameters=[Parameter(name="degrees", value=degrees)]
    )


@settings(max_examples=50)
@given(policies())
def test_a_policy_within_all_ranges_has_no_problems(policy):
    assert check_policy(policy, 0, 4) == []


@given(st.sampled_from([(s.name, p) for s in CATALOGUE.values() for p in s.parameters]), st.floats())
def test_exactly_the_values_within_a_range_pass(row, value):
    name, spec = row
    operation = default_operation(name)
    parameters = [
        Parameter(name=p.name, value=value if p.name == spec.name else p.value) for p in operation.parameters
    ]
    assume(any(parameter.value != 0 for parameter in parameters))

    problems = _problems(operation.model_copy(update={"parameters": parameters}))

    within = spec.low <= value <= spec.high and (not spec.integer or value.is_integer())
    assert (problems == []) is within
    assert all(
        spec.name in problem and f"from {spec.low:g} to {spec.high:g}" in problem for problem in problems
    )


@settings(max_examples=50)
@given(st.floats())
def test_exactly_the_probabilities_above_zero_up_to_one_pass(probability):
    assert (_problems(_rotate(probability=probability)) == []) is (0 < probability <= 1)


def test_no_augmentation_passes_where_no_operation_is_demanded():
    assert _problems(minimum=0) == []


def test_too_few_or_too_many_operations():
    three = [default_operation(name) for name in ("rotate", "invert", "hue")]

    (few,) = _problems(three[0], minimum=2, maximum=3)
    (many,) = _problems(*three, minimum=2, maximum=2)

    assert few.endswith("2 to 3: add 1")
    assert many.endswith("exactly 2: remove 1")


def test_an_unknown_operation_is_answered_with_the_nearest_names():
    (problem,) = _problems(Operation(name="rotation", probability=1, parameters=[]))

    assert problem.startswith("operation 1 ('rotation') is not in the catalogue: did you mean 'rotate'")


def test_an_operation_like_none_is_answered_with_all_names():
    (problem,) = _problems(Operation(name="zzz", probability=1, parameters=[]))

    assert "choose from: horizontal_flip, vertical_flip" in problem


def test_missing_and_unknown_parameters_are_both_named():
    operation = Operation(name="rotate", probability=1, parameters=[Parameter(name="angle", value=15)])

    assert _problems(operation) == [
        "operation 1 ('rotate'): parameter 'degrees' is missing: give it a value from 1 to 180",
        "operation 1 ('rotate'): parameter 'angle' is unknown: remove it; the operation's are 'degrees'",
    ]


def test_a_parameter_given_twice():
    twice = [Parameter(name="degrees", value=15), Parameter(name="degrees", value=20)]

    assert _problems(Operation(name="rotate", probability=1, parameters=twice)) == [
        "operation 1 ('rotate'): parameter 'degrees' is given 2 times: give it once"
    ]


def test_a_value_that_is_impossible():
    for value in (400, float("nan"), float("inf")):
        (problem,) = _problems(_rotate(degrees=value))
        assert problem.startswith(f"operation 1 ('rotate'): degrees={value:g}")
        assert problem.endswith("from 1 to 180")


def test_a_fraction_where_a_whole_number_is_wanted():
    operation = Operation(name="posterize", probability=1, parameters=[Parameter(name="bits", value=3.5)])

    (problem,) = _problems(operation)

    assert problem.endswith("bits=3.5 is not a whole number: choose a value from 1 to 7, a whole number")


def test_an_operation_that_changes_nothing():
    names = [spec.name for spec in CATALOGUE["affine"].parameters]
    still = Operation(
        name="affine", probability=1, parameters=[Parameter(name=name, value=0) for name in names]
    )

    (problem,) = _problems(still)

    assert problem.startswith("operation 1 ('affine'): with every parameter 0")


def test_the_same_operation_twice():
    (problem,) = _problems(_rotate(10), _rotate(20))

    assert problem.startswith("'rotate' appears 2 times: give it once")


def test_two_operations_on_the_batch():
    (problem,) = _problems(default_operation("mixup"), default_operation("cutmix"))

    assert problem == "mixup and cutmix both mix the batch and its labels: keep one of them"


def test_two_whole_policies():
    (problem,) = _problems(default_operation("rand_augment"), default_operation("aug_mix"))

    assert problem == "rand_augment and aug_mix are whole policies: keep one of them"


def test_a_whole_policy_may_be_combined_with_others():
    assert (
        _problems(*(default_operation(name) for name in ("resized_crop", "trivial_augment_wide", "cutmix")))
        == []
    )


def test_all_problems_are_reported_at_once():
    problems = _problems(_rotate(400, probability=0), Operation(name="blurr", probability=1, parameters=[]))

    assert [problem.split(":")[0] for problem in problems] == [
        "operation 1 ('rotate')",
        "operation 1 ('rotate')",
        "operation 2 ('blurr') is not in the catalogue",
    ]

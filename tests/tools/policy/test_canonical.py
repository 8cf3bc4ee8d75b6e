"""The one written form of a policy."""

import json

import pytest
from hypothesis import given, settings

from tests.tools.policy.strategies import policies
from tools.errors import ConfigurationError
from tools.policy.canonical import canonical_json, canonical_policy, from_canonical, one_line, parse_one_line
from tools.policy.policy import Operation, Parameter, Policy
from tools.policy.validate import check_policy


def _operation(name: str, probability: float = 1.0, **numbers: float) -> Operation:
    parameters = [Parameter(name=key, value=value) for key, value in numbers.items()]
    return Operation(name=name, probability=probability, parameters=parameters)


@settings(max_examples=50)
@given(policies())
def test_every_policy_survives_being_written_and_read_and_stays_valid(policy):
    text = canonical_json(policy)

    assert canonical_json(from_canonical(text)) == text
    assert canonical_json(parse_one_line(one_line(policy))) == text
    assert check_policy(canonical_policy(policy), 0, 4) == []  # rounding leaves no range


def test_the_canonical_form_is_fixed_for_all_time():
    policy = Policy(
        operations=[_operation("affine", 0.5, translate=0.1, degrees=15, shear=-0.0, scale=1 / 3)]
    )

    assert canonical_json(policy) == (
        '{"operations":[{"name":"affine","parameters":[{"name":"degrees","value":15.0},{"name":"scale","value":0.3333},'
        '{"name":"shear","value":0.0},{"name":"translate","value":0.1}],"probability":0.5}]}'
    )


def test_the_order_of_parameters_does_not_matter():
    one = Policy(operations=[_operation("elastic", displacement=0.02, cells=3)])
    other = Policy(operations=[_operation("elastic", cells=3, displacement=0.02)])

    assert canonical_json(one) == canonical_json(other)


def test_the_order_of_operations_matters():
    flip, invert = _operation("horizontal_flip"), _operation("invert")

    assert canonical_json(Policy(operations=[flip, invert])) != canonical_json(
        Policy(operations=[invert, flip])
    )


def test_an_operation_on_the_batch_comes_last():
    policy = Policy(operations=[_operation("mixup", alpha=0.2), _operation("horizontal_flip", 0.5)])

    assert one_line(policy) == "horizontal_flip(p=0.5) > mixup(p=1, alpha=0.2)"


def test_differences_beyond_four_digits_name_the_same_policy():
    one, other, third = (Policy(operations=[_operation("rotate", degrees=d)]) for d in (15.0, 15.001, 15.01))

    assert canonical_json(one) == canonical_json(other) != canonical_json(third)


def test_no_operations_read_as_no_augmentation():
    assert one_line(Policy(operations=[])) == "no augmentation"
    assert parse_one_line("no augmentation") == Policy(operations=[])


def test_a_number_that_is_not_finite_has_no_canonical_form():
    for value in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(ConfigurationError, match="rotate: degrees"):
            canonical_json(Policy(operations=[_operation("rotate", degrees=value)]))


def test_a_line_that_is_not_a_policy_is_refused_with_an_example():
    for text in (
        "rotate(degrees=15)",
        "rotate(p=0.5, degrees=15) < invert(p=1)",
        "rotate(0.5)",
        "rotate(p=0.5, degrees=open('x'))",
        "rotate(p=0.5",
        "rotate",
    ):
        with pytest.raises(ConfigurationError) as refusal:
            parse_one_line(text)
        assert repr(text) in str(refusal.value)
        assert "rotate(p=0.5, degrees=15) > horizontal_flip(p=0.5)" in str(refusal.value)


def test_json_that_is_not_a_policy_is_refused():
    with pytest.raises(ConfigurationError, match="rotate"):
        from_canonical(json.dumps({"operations": [{"name": "rotate"}]}))

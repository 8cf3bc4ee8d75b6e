"""Policies as people write them on the command line."""

import pytest

from tools.errors import ConfigurationError
from tools.policy.canonical import canonical_json, one_line, parse_one_line
from tools.policy.catalogue import CATALOGUE, default_operation
from tools.policy.config import split_policies
from tools.policy.named import named_policy, parse_with_defaults
from tools.policy.policy import Operation, Parameter, Policy
from tools.policy.starts import default_policy
from tools.policy.validate import check_policy


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_operation_alone_has_its_defaults(name: str) -> None:
    expected = Policy(operations=[default_operation(name)])
    for text in (name, f"{name}()", f" {name}(p=1) "):
        assert canonical_json(named_policy(text, "natural").policy) == canonical_json(expected)


def test_default_is_the_usual_policy_for_the_images() -> None:
    for modality in ("xray", "digits"):
        assert named_policy("default", modality).policy == default_policy(modality).policy


def test_what_is_given_replaces_the_defaults() -> None:
    found = named_policy("rand_augment(num_ops=3)", "natural")
    assert found.name == "rand_augment(num_ops=3)"
    assert one_line(found.policy) == "rand_augment(p=1, magnitude=9, num_ops=3)"


def test_a_line_that_a_study_prints_is_read_as_it_is() -> None:
    line = "translate(p=0.8, fraction=0.08) > rotate(p=0.8, degrees=12) > horizontal_flip(p=0.5)"
    assert canonical_json(parse_with_defaults(line)) == canonical_json(parse_one_line(line))
    assert one_line(parse_with_defaults("no augmentation")) == "no augmentation"


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_line_of_every_operation_is_read_as_it_was_written(name: str) -> None:
    """Also at the ends of its ranges."""
    spec = CATALOGUE[name]
    for value_of in (lambda each: each.low, lambda each: each.high, lambda each: each.default):
        parameters = [Parameter(name=each.name, value=value_of(each)) for each in spec.parameters]
        policy = Policy(operations=[Operation(name=name, probability=0.35, parameters=parameters)])
        if check_policy(policy, 1, 1):  # all of whose parameters are 0
            continue
        assert canonical_json(named_policy(one_line(policy), "natural").policy) == canonical_json(policy)


def test_a_list_is_split_between_policies_only() -> None:
    text = "default, rand_augment(num_ops=3, magnitude=5) , horizontal_flip > rotate(degrees=9),"
    assert split_policies(text) == [
        "default",
        "rand_augment(num_ops=3, magnitude=5)",
        "horizontal_flip > rotate(degrees=9)",
    ]
    assert split_policies("") == []


def test_the_name_of_what_a_study_tried_at_another_length_is_not_split():
    names = [
        "study:a:default, 15 epochs",
        "rotate",
        "study:b:iteration 2, 1,200 epochs",
        "study:c:x, 1 epoch",
    ]
    assert split_policies(", ".join(names)) == names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rand_augmnt", ["rand_augmnt", "rand_augment"]),
        ("rotate(degree=9)", ["degree", "degrees"]),
        ("rotate(degrees=900)", ["900", "180"]),
        ("rotate(15)", ["rotate(15)"]),
        ("rotate(degrees=9", ["rotate(degrees=9"]),
        ("__import__('os').system('true')", ["is not a policy"]),
        ("mixup > cutmix", ["mixup", "cutmix"]),
        ("rotate(degrees=9) > rotat(degrees=3)", ["operation 2", "'rotat'", "'rotate'"]),
        ("horizontal_flip > rotate(degrees=9", ["operation 2", "never closed"]),
        ("horizontal_flip > rotate(degrees=900)", ["operation 2 ('rotate')", "from 1 to 180"]),
        ("rotate > > solarize", ["operation 2", "leave out"]),
        ("rotate > default", ["operation 2", "write it alone"]),
    ],
)
def test_what_is_no_policy_is_named(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        named_policy(text, "natural")
    for word in words:
        assert word in str(caught.value)

"""Policies by name, as a person writes them: `default`, `rand_augment`, `rand_augment(num_ops=3)`, or a whole line."""

from dataclasses import dataclass

from tools.errors import ConfigurationError, did_you_mean
from tools.policy.canonical import NO_AUGMENTATION, parse_one_line
from tools.policy.catalogue import CATALOGUE, default_operation
from tools.policy.policy import Operation, Parameter, Policy
from tools.policy.starts import default_policy
from tools.policy.validate import check_policy

DEFAULT = "default"
"""The usual policy for the kind of images (`starts.py`)."""


@dataclass(frozen=True)
class NamedPolicy:
    """A policy that somebody chose beforehand."""

    name: str
    """As it was written, with single spaces."""
    policy: Policy
    why: str


def named_policy(text: str, modality: str) -> NamedPolicy:
    """The policy that `text` means.

    Args:
        text: 'default', an operation, a call such as `rand_augment(num_ops=3)`, or a line of several, joined by '>'.
            A probability that is not given is 1, a parameter that is not given has its default.
        modality: kind of images, which decides what 'default' means.

    Raises:
        ConfigurationError: it is not a policy, or not a valid one; says what is wrong.
    """
    name = " ".join(text.split())
    if name == DEFAULT:
        start = default_policy(modality)
        return NamedPolicy(name, start.policy, f"The usual policy for {modality} images: {start.source}.")
    if name in CATALOGUE:
        return NamedPolicy(
            name, Policy(operations=[default_operation(name)]), "A baseline of the literature."
        )
    policy = parse_with_defaults(name)
    return NamedPolicy(name, policy, "A policy that was given.")


def parse_with_defaults(text: str) -> Policy:
    """A policy in the one-line form, where what is not given has its default (a probability: 1).

    Raises:
        ConfigurationError: see `named_policy`.
    """
    policy = parse_one_line(_with_calls(text), default_probability=1.0)
    unknown = [item.name for item in policy.operations if item.name not in CATALOGUE]
    if unknown:
        hint = did_you_mean(unknown[0], [*CATALOGUE, DEFAULT]) or f"known are {', '.join(CATALOGUE)}"
        raise ConfigurationError(f"{text!r}: there is no operation {unknown[0]!r}: {hint}")
    filled = Policy(operations=[_filled(item) for item in policy.operations])
    if problems := check_policy(filled, 0, len(filled.operations)):
        raise ConfigurationError(f"{text!r}: {'; '.join(problems)}")
    return filled


def _with_calls(text: str) -> str:
    """`horizontal_flip > rotate(degrees=9)` with parentheses after every operation."""
    if text == NO_AUGMENTATION:
        return text
    return " > ".join(f"{part.strip()}()" if "(" not in part else part.strip() for part in text.split(">"))


def _filled(operation: Operation) -> Operation:
    given = {item.name for item in operation.parameters}
    missing = [
        Parameter(name=spec.name, value=spec.default)
        for spec in CATALOGUE[operation.name].parameters
        if spec.name not in given
    ]
    return operation.model_copy(update={"parameters": [*operation.parameters, *missing]})

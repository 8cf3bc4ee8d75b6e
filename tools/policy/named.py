"""Policies by name, as a person writes them: `default`, `rand_augment`, `rand_augment(num_ops=3)`, or a whole line."""

from dataclasses import dataclass

from tools.errors import ConfigurationError, did_you_mean
from tools.policy.canonical import NO_AUGMENTATION, parse_one_line, split_phases
from tools.policy.catalogue import CATALOGUE, default_operation
from tools.policy.own import may_be_own, own_policy, short_name
from tools.policy.policy import Change, Operation, Parameter, Policy
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
        text: 'default', an operation, a call such as `rand_augment(num_ops=3)`, a line of several, joined by '>', or a
            transform of the user's own, such as `path/to/file.py:augment`. A probability that is not given is 1, a
            parameter that is not given has its default. Several with `| from epoch N:` between them are a policy by
            epoch.
        modality: kind of images, which decides what 'default' means.

    Raises:
        ConfigurationError: it is not a policy, or not a valid one; says what is wrong.
    """
    name = " ".join(text.split())
    if may_be_own(name):
        policy = own_policy(name)
        return NamedPolicy(short_name(policy.operations[0].name), policy, "A transform of the user's own.")
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
        ConfigurationError: see `named_policy`; says which operation of the line is wrong.
    """
    first, later = split_phases(text)
    if later:
        changes = [
            Change(epoch=epoch, operations=parse_with_defaults(part).operations) for epoch, part in later
        ]
        policy = Policy(operations=parse_with_defaults(first).operations, changes=changes)
        return _checked(policy, text)
    if text.strip() in ("", NO_AUGMENTATION):
        return Policy(operations=[])
    parts = [part.strip() for part in text.split(">")]
    operations = []
    for number, part in enumerate(parts, start=1):
        place = f"operation {number} of {text!r}: " if len(parts) > 1 else ""
        operations.append(_operation(part, place))
    return _checked(Policy(operations=operations), text)


def _checked(policy: Policy, text: str) -> Policy:
    if problems := check_policy(policy, 0, len(policy.every_operation)):
        raise ConfigurationError(f"{text!r}: {'; '.join(problems)}")
    return policy


def _operation(text: str, place: str) -> Operation:
    """One operation, such as `rotate(degrees=9)` or `rotate`; `place` begins what is said of a wrong one.

    Raises:
        ConfigurationError: it is none. Values are not checked.
    """
    if not text:
        raise ConfigurationError(f"{place}there is none: write one, or leave out a '>'")
    if text == DEFAULT:
        raise ConfigurationError(
            f"{place}{DEFAULT!r} stands for a whole policy: write it alone, or its operations"
        )
    try:
        policy = parse_one_line(text if "(" in text else f"{text}()", default_probability=1.0)
    except ConfigurationError as error:
        raise ConfigurationError(place + str(error).replace(" (<unknown>, line 1)", "")) from None
    operation = policy.operations[0]
    if operation.name not in CATALOGUE:
        hint = did_you_mean(operation.name, [*CATALOGUE, DEFAULT]) or f"known are {', '.join(CATALOGUE)}"
        raise ConfigurationError(
            f"{place or repr(text) + ': '}there is no operation {operation.name!r}: {hint}"
        )
    return _filled(operation)


def _filled(operation: Operation) -> Operation:
    given = {item.name for item in operation.parameters}
    missing = [
        Parameter(name=spec.name, value=spec.default)
        for spec in CATALOGUE[operation.name].parameters
        if spec.name not in given
    ]
    return operation.model_copy(update={"parameters": [*operation.parameters, *missing]})

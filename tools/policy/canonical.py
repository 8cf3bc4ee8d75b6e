"""The canonical form of a policy, which names trials and finds repeats, and the policy as one line of text.

A policy by epoch is written with its first epochs: `rotate(p=0.5, degrees=15) | from epoch 6: no augmentation`.

Numbers are rounded to `SIGNIFICANT_DIGITS`: two policies that differ only beyond them are the same policy, and
trials use the rounded numbers.
"""

import ast
import json
import math
import re

from tools.errors import ConfigurationError
from tools.policy.catalogue import CATALOGUE
from tools.policy.own import is_own, short_name
from tools.policy.policy import Change, Operation, Parameter, Policy

SIGNIFICANT_DIGITS = 4
NO_AUGMENTATION = "no augmentation"

_CHANGE = re.compile(r"\s*\|\s*from epoch (\d+):\s*")


def canonical_policy(policy: Policy) -> Policy:
    """The policy with parameters sorted by name, numbers rounded, and operations on the batch last.

    The other operations keep their order: rotating and then erasing differs from erasing and then rotating. A change
    that changes nothing is left out.

    Raises:
        ConfigurationError: a number is not finite.
    """
    (_, first), *later = [(epoch, _canonical_operations(each.operations)) for epoch, each in policy.phases]
    changes, current = [], first
    for epoch, operations in later:
        if operations != current:
            changes.append(Change(epoch=epoch, operations=operations))
            current = operations
    return Policy(operations=first, changes=changes)


def canonical_json(policy: Policy) -> str:
    """The canonical form as JSON without spaces, the same on every platform; also valid JSON of a `Policy`.

    Raises:
        ConfigurationError: a number is not finite.
    """
    data = canonical_policy(policy).model_dump()
    if not data["changes"]:  # keys of trials of earlier versions stay as they were
        del data["changes"]
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def from_canonical(text: str) -> Policy:
    """Inverse of `canonical_json`.

    Raises:
        ConfigurationError: `text` is not JSON of a policy.
    """
    try:
        return Policy.model_validate_json(text)
    except ValueError as error:
        raise ConfigurationError(f"{text[:200]!r} is not JSON of a policy: {error}") from error


def one_line(policy: Policy) -> str:
    """The canonical form for people to read and write: `rotate(p=0.5, degrees=15) > brightness(p=0.3, strength=0.2)`.

    Raises:
        ConfigurationError: a number is not finite.
    """
    (_, first), *later = canonical_policy(policy).phases
    return "".join(
        [_one_phase(first), *(f" | from epoch {epoch}: {_one_phase(each)}" for epoch, each in later)]
    )


def _one_phase(policy: Policy) -> str:
    return " > ".join(_one_operation(operation) for operation in policy.operations) or NO_AUGMENTATION


def split_phases(line: str) -> tuple[str, list[tuple[int, str]]]:
    """A line in the parts of a policy by epoch: that of the first epochs, and (first epoch, line) of each change."""
    first, *rest = _CHANGE.split(line.strip())
    return first, [(int(epoch), text) for epoch, text in zip(rest[::2], rest[1::2], strict=True)]


def parse_one_line(text: str, default_probability: float | None = None) -> Policy:
    """Inverse of `one_line`. The line is a Python expression of calls and `>`; it is parsed, never run.

    Args:
        text: the line.
        default_probability: of an operation that gives none; where it is None, every operation must give one.

    Raises:
        ConfigurationError: `text` is not such a line. Names and ranges are checked by `check_policy`.
    """
    first, later = split_phases(text)
    if later:
        changes = [
            Change(epoch=epoch, operations=parse_one_line(part, default_probability).operations)
            for epoch, part in later
        ]
        return Policy(operations=parse_one_line(first, default_probability).operations, changes=changes)
    if text.strip() in ("", NO_AUGMENTATION):
        return Policy(operations=[])
    try:
        body = ast.parse(text.strip(), mode="eval").body
        calls = [body.left, *body.comparators] if isinstance(body, ast.Compare) else [body]
        if isinstance(body, ast.Compare) and not all(isinstance(operator, ast.Gt) for operator in body.ops):
            raise ValueError("operations are joined by '>'")
        return Policy(operations=[_parse_call(call, default_probability) for call in calls])
    except (SyntaxError, ValueError) as error:
        raise ConfigurationError(
            f"{text!r} is not a policy ({error}): write it as rotate(p=0.5, degrees=15) > horizontal_flip(p=0.5)"
        ) from error


def _is_on_batch(operation: Operation) -> bool:
    spec = CATALOGUE.get(operation.name)
    return spec is not None and spec.stage == "batch"


def _canonical_operations(operations: list[Operation]) -> list[Operation]:
    return [_canonical_operation(operation) for operation in sorted(operations, key=_is_on_batch)]


def _canonical_operation(operation: Operation) -> Operation:
    parameters = sorted(operation.parameters, key=lambda parameter: parameter.name)
    return Operation(
        name=operation.name,
        probability=_round(operation.probability, operation.name, "probability"),
        parameters=[
            Parameter(name=item.name, value=_round(item.value, operation.name, item.name))
            for item in parameters
        ],
    )


def _round(value: float, operation: str, parameter: str) -> float:
    if not math.isfinite(value):
        raise ConfigurationError(
            f"{operation}: {parameter} is {value}, but the numbers of a policy must be finite"
        )
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0  # adding zero turns -0.0 into 0.0


def _one_operation(operation: Operation) -> str:
    if is_own(operation.name):
        return short_name(operation.name)
    numbers = [("p", operation.probability), *((item.name, item.value) for item in operation.parameters)]
    arguments = ", ".join(f"{name}={value:.{SIGNIFICANT_DIGITS}g}" for name, value in numbers)
    return f"{operation.name}({arguments})"


def _parse_call(node: ast.expr, default_probability: float | None) -> Operation:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args):
        raise ValueError(f"{ast.unparse(node)} is not name(p=…, parameter=…)")
    numbers = [(keyword.arg or "**", float(ast.literal_eval(keyword.value))) for keyword in node.keywords]
    probabilities = [value for name, value in numbers if name == "p"]
    if not probabilities and default_probability is not None:
        probabilities = [default_probability]
    if len(probabilities) != 1:
        raise ValueError(f"{node.func.id} needs its probability once, as p=0.5")
    return Operation(
        name=node.func.id,
        probability=probabilities[0],
        parameters=[Parameter(name=name, value=value) for name, value in numbers if name != "p"],
    )

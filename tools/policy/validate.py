"""Whether a policy is valid: known operations, every parameter once and in range. Nothing is repaired."""

import math
from collections import Counter
from itertools import pairwise

from tools.errors import did_you_mean
from tools.policy.catalogue import CATALOGUE, OperationSpec, ParameterSpec, operation_names
from tools.policy.own import check_own, is_own
from tools.policy.policy import Operation, Parameter, Policy


def check_policy(
    policy: Policy,
    minimum: int,
    maximum: int,
    whole_policies: bool = True,
    grey: bool = False,
    own: bool = False,
) -> list[str]:
    """Every problem, as a sentence that names the value, the place and the remedy; empty if none.

    Args:
        policy: what was proposed.
        minimum: fewest operations allowed; 0 lets the reference, no augmentation, pass.
        maximum: most operations allowed.
        whole_policies: whether RandAugment and other whole policies are allowed.
        grey: whether the images are grey, so that operations on colour do nothing.
        own: whether transforms of the user's own are allowed: they are code, which no model may name.

    At most one operation works on the batch: mixup of a cutmix batch would mix labels twice (torchvision's
    reference recipe draws one of the two for each batch). At most one is a whole policy; it may be combined
    with others, as reference recipes combine TrivialAugment with crops, flips, erasing and mixup.

    Of a policy by epoch, each phase is checked so; a later one may also be no augmentation at all.
    """
    problems = _check_epochs(policy)
    for first, phase in policy.phases:
        least = minimum if first == 1 or phase.operations else 0
        found = _check_phase(phase, least, maximum, whole_policies, grey, own)
        problems += found if first == 1 else [f"from epoch {first}: {problem}" for problem in found]
    return problems


def _check_epochs(policy: Policy) -> list[str]:
    epochs = [change.epoch for change in policy.changes]
    if all(earlier < later for earlier, later in pairwise([1, *epochs])):
        return []
    return [
        f"the policy changes at epochs {', '.join(map(str, epochs))}: give each change a later epoch than the last, "
        "and the first one at least 2"
    ]


def _check_phase(
    policy: Policy, minimum: int, maximum: int, whole_policies: bool, grey: bool, own: bool
) -> list[str]:
    problems = _check_number(len(policy.operations), minimum, maximum)
    for position, operation in enumerate(policy.operations, start=1):
        place = f"operation {position} ({operation.name!r})"
        if own and is_own(operation.name):
            problems += check_own(operation, place)
        else:
            problems += _check_operation(operation, place, whole_policies, grey)
    return problems + _check_combination(policy)


def _check_number(number: int, minimum: int, maximum: int) -> list[str]:
    if minimum <= number <= maximum:
        return []
    allowed = f"exactly {minimum}" if minimum == maximum else f"{minimum} to {maximum}"
    change = f"add {minimum - number}" if number < minimum else f"remove {number - maximum}"
    return [f"the policy has {number} operation{'s' * (number != 1)}, but must have {allowed}: {change}"]


def _check_operation(operation: Operation, place: str, whole_policies: bool, grey: bool) -> list[str]:
    problems = []
    if not 0 < operation.probability <= 1:  # also true of NaN
        problems.append(
            f"{place}: probability {operation.probability:g} must be above 0 and at most 1; "
            "remove the operation if it should never be applied"
        )
    spec = CATALOGUE.get(operation.name)
    if spec is None:
        known = operation_names(whole_policies, grey)
        remedy = did_you_mean(operation.name.lower(), known, most=3) or f"choose from: {', '.join(known)}"
        return [*problems, f"{place} is not in the catalogue: {remedy}"]
    if spec.whole_policy and not whole_policies:
        return [
            *problems,
            f"{place} is a whole policy, which this study leaves to its baselines (search.whole_policies is off): "
            "use single operations",
        ]
    if spec.needs_colour and grey:
        return [
            *problems,
            f"{place} changes colours only, and the images of this study are grey (red, green and blue are equal): "
            "it would do nothing; use another operation",
        ]
    return problems + _check_parameters(operation, spec, place)


def _check_parameters(operation: Operation, spec: OperationSpec, place: str) -> list[str]:
    problems = []
    counts = Counter(parameter.name for parameter in operation.parameters)
    for wanted in spec.parameters:
        if wanted.name not in counts:
            problems.append(
                f"{place}: parameter {wanted.name!r} is missing: give it a value {_range(wanted)}"
            )
    for name, count in counts.items():
        if spec.parameter(name) is None:
            names = ", ".join(repr(wanted.name) for wanted in spec.parameters) or "none"
            problems.append(f"{place}: parameter {name!r} is unknown: remove it; the operation's are {names}")
        elif count > 1:
            problems.append(f"{place}: parameter {name!r} is given {count} times: give it once")
    for parameter in operation.parameters:
        wanted = spec.parameter(parameter.name)
        if wanted is not None:
            problems += _check_value(parameter, wanted, place)
    if operation.parameters and all(parameter.value == 0 for parameter in operation.parameters):
        problems.append(
            f"{place}: with every parameter 0 it changes nothing: raise one, or remove the operation"
        )
    return problems


def _check_value(parameter: Parameter, spec: ParameterSpec, place: str) -> list[str]:
    value = parameter.value
    if not math.isfinite(value):
        fault = "is not a finite number"
    elif not spec.low <= value <= spec.high:
        fault = "is out of range"
    elif spec.integer and not value.is_integer():
        fault = "is not a whole number"
    else:
        return []
    return [f"{place}: {spec.name}={value:.6g} {fault}: choose a value {_range(spec)}"]


def _range(spec: ParameterSpec) -> str:
    return f"from {spec.low:g} to {spec.high:g}" + (", a whole number" if spec.integer else "")


def _check_combination(policy: Policy) -> list[str]:
    names = [operation.name for operation in policy.operations]
    problems = [
        f"{name!r} appears {count} times: give it once, with the strength and probability that you want"
        for name, count in Counter(names).items()
        if count > 1
    ]
    known = [CATALOGUE[name] for name in dict.fromkeys(names) if name in CATALOGUE]
    on_batch = [spec.name for spec in known if spec.stage == "batch"]
    if len(on_batch) > 1:
        problems.append(f"{' and '.join(on_batch)} both mix the batch and its labels: keep one of them")
    whole = [spec.name for spec in known if spec.whole_policy]
    if len(whole) > 1:
        problems.append(f"{' and '.join(whole)} are whole policies: keep one of them")
    return problems

"""Background prompts as `random`, `nearby` and `tpe` draw them: parts of the modality set that suits the images.

One table says what is drawn; all of them read it. It holds no move of the subject that, by the label-safety lint, would
change a label.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent.memory.history import History
from prompts.modality_sets import modality_set_for
from tools.aga.captions.forbidden_words import allowed
from tools.aga.captions.prompt_sets import MOST_ENTRIES, vet_prompts
from tools.aga.config import PromptSet
from tools.policy.policy import Operation, Parameter, Policy
from tools.policy.safety import lint

_SUBJECTS = {"digits": "digit"}
"""Kind of images → what the detector looks for, else 'object'. `aga.subjects` is better: it goes class by class."""
PARTS = ("all", "first third", "second third", "last third")
"""Of instructions, settings and times."""
SETS = ("instructions", "settings", "times")
PRESENCE = "backgrounds"
WITH, WITHOUT = "with", "without"
_ROTATIONS = (45.0, 30.0, 20.0, 15.0, 10.0, 5.0)
_DIGITS = 4


@dataclass(frozen=True)
class Range:
    """The range that a number is drawn from."""

    low: float
    high: float
    log: bool = False


Table = dict[str, Range | tuple[str, ...]]
"""Name → the range of a number, or the words to choose from."""


def table_of(history: History) -> Table:
    """What is drawn for the backgrounds of a proposal, in this order; empty where a proposal has none."""
    if history.backgrounds == "off":
        return {}
    table: Table = {PRESENCE: (WITH, WITHOUT)} if history.backgrounds == "optional" else {}
    table["scale"] = Range(0.25, 3.0, log=True)
    if is_safe(Policy(operations=[make_operation("horizontal_flip")]), history):
        table["flip_probability"] = Range(0.0, 0.5)
    for angle in _ROTATIONS:
        if is_safe(Policy(operations=[make_operation("rotate", degrees=angle)]), history):
            table["max_rotation"] = Range(0.0, angle)
            break
    table |= {"min_scale": Range(0.6, 1.0), "max_scale": Range(1.0, 1.4)}
    return {**table, **dict.fromkeys(SETS, PARTS)}


def draw_prompts(history: History, draw: np.random.Generator) -> list[PromptSet]:
    """One set of prompts, everything drawn at random; or none, where a proposal may be without."""
    values = {
        key: _draw_number(kind, draw) if isinstance(kind, Range) else str(draw.choice(kind))
        for key, kind in table_of(history).items()
    }
    return prompts_from(history, values)


def _draw_number(of: Range, draw: np.random.Generator) -> float:
    if of.log:
        return math.exp(draw.uniform(math.log(of.low), math.log(of.high)))
    return float(draw.uniform(of.low, of.high))


def prompts_from(history: History, values: Mapping[str, float | str]) -> list[PromptSet]:
    """A list of the one prompt set that the drawn `values` mean; an empty list for 'without'."""
    if not values or values.get(PRESENCE) == WITHOUT:
        return []
    numbers = {
        name: float(f"{value:.{_DIGITS}g}") for name, value in values.items() if isinstance(value, float)
    }
    parts = {name: _part_of(history, name, str(values[name])) for name in SETS}
    still = {"flip_probability": 0.0, "max_rotation": 0.0}
    fields = {"subject": _subject(history), "avoid": [], **still, **numbers, **parts}
    return [PromptSet.model_validate(fields)]


def values_of(history: History, prompts: PromptSet | None) -> dict[str, float | str] | None:
    """The inverse of `prompts_from`; None for a set that these arms cannot draw."""
    table = table_of(history)
    if prompts is None:
        return {PRESENCE: WITHOUT} if PRESENCE in table else ({} if not table else None)
    values: dict[str, float | str] = {}
    for name, kind in table.items():
        if name == PRESENCE:
            values[name] = WITH
        elif isinstance(kind, Range):
            number = getattr(prompts, name)
            if not kind.low <= number <= kind.high:
                return None
            values[name] = number
        else:
            part = next((p for p in PARTS if _part_of(history, name, p) == getattr(prompts, name)), None)
            if part is None:
                return None
            values[name] = part
    return values


def _part_of(history: History, name: str, part: str) -> list[str]:
    """The entries of one set that belong to `part`, without those that name a class or the subject."""
    entries = list(getattr(modality_set_for(history.card.modality), name))
    entries = allowed(entries, [*history.card.classes, _subject(history)])
    if part != PARTS[0] and len(entries) >= len(PARTS) - 1:
        entries = entries[PARTS.index(part) - 1 :: len(PARTS) - 1]
    return entries[:MOST_ENTRIES]


def subject_moves(prompts: PromptSet) -> Policy:
    """What a prompt set does to the subject, as a policy: for the label-safety lint, which reads policies."""
    operations = []
    if prompts.flip_probability > 0:
        operations.append(make_operation("horizontal_flip", prompts.flip_probability))
    if prompts.max_rotation >= 1:
        operations.append(make_operation("rotate", degrees=prompts.max_rotation))
    return Policy(operations=operations)


def is_allowed(history: History, prompts: PromptSet) -> bool:
    """Whether vet would accept the prompts."""
    return is_safe(subject_moves(prompts), history) and not vet_prompts(prompts, history.card.classes)


def is_safe(policy: Policy, history: History) -> bool:
    """Whether the label-safety lint rejects nothing in `policy` for the study's images."""
    return not any(finding.severity == "reject" for finding in lint(policy, history.card))


def make_operation(name: str, probability: float = 1.0, **values: float) -> Operation:
    """The operation with parameters given as keywords."""
    parameters = [Parameter(name=key, value=value) for key, value in values.items()]
    return Operation(name=name, probability=probability, parameters=parameters)


def _subject(history: History) -> str:
    return _SUBJECTS.get(history.card.modality, "object")

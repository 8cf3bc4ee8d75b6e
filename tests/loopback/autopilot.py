"""A model without weights: answers as a function of the conversation alone, so studies are repeatable."""

import hashlib
import json
import random
import re
from typing import cast, get_args

from tests.loopback.protocols import Ask
from tests.loopback.replies import Answer, ToolCall
from tools.datasets.types import Card, Modality
from tools.policy.catalogue import CATALOGUE
from tools.policy.policy import Operation, Parameter, Policy
from tools.policy.safety import lint

_ATTEMPTS = 100


def autopilot(ask: Ask) -> Answer:
    """One look at the data where tools are offered, then a valid proposal drawn by a hash."""
    if "describe_dataset" in ask.tools and ask.forced_tool is None and ask.tool_results == 0:
        return Answer(tool_calls=(ToolCall("describe_dataset", {}),))
    proposal = draw_all(ask)
    if "submit_proposal" in ask.tools:
        return Answer(tool_calls=(ToolCall("submit_proposal", proposal),))
    return Answer(text=json.dumps(proposal))


def draw_all(ask: Ask) -> dict[str, object]:
    """One proposal, or as many as the prompt asks for at once."""
    found = re.search(r"you submit (\d+) policies at once", ask.system + ask.conversation)
    if not found:
        return draw_proposal(ask)
    return {"proposals": [draw_proposal(ask, place) for place in range(int(found[1]))], "notes": ""}


def draw_proposal(ask: Ask, place: int = 0) -> dict[str, object]:
    """Operations that are safe for the images that the prompt names, as many as it asks for."""
    # What was spent so far is told in seconds, which differ between two runs of the same study.
    timeless = re.sub(r"Left of the budget: .*?\.\\n", "", ask.conversation)
    draw = random.Random(hashlib.sha256(f"{timeless}{place or ''}".encode()).digest())
    low, high = _wanted(ask)
    card = Card(name="", title="", modality=_modality(ask), description="", classes=("a", "b"))
    combinable = sorted(name for name, spec in CATALOGUE.items() if not spec.whole_policy)
    for _ in range(_ATTEMPTS):
        names = draw.sample(combinable, draw.randint(low, high))
        policy = Policy(operations=[_operation(name, draw) for name in names])
        if not any(finding.severity == "reject" for finding in lint(policy, card)):
            break
    else:
        raise RuntimeError("the autopilot found no safe policy")
    proposal = {
        "hypothesis": f"{' with '.join(names)} should help: the images vary in this way.",
        "expected_gain": round(draw.uniform(0.1, 2.0), 2),
        "policy": [operation.model_dump() for operation in policy.operations],
    }
    if "Backgrounds: one set of prompts" in ask.conversation:
        proposal["backgrounds"] = [_prompts(draw)]
    return proposal


def _prompts(draw: random.Random) -> dict[str, object]:
    """Background prompts that no modality forbids: the subject is neither mirrored nor turned."""
    return {
        "subject": "thing",
        "scale": round(draw.uniform(0.3, 1.0), 2),
        "instructions": ["a photograph of", "a painting of"],
        "settings": draw.sample(["a meadow", "a beach", "wet sand", "a brick wall", "woven cloth"], 3),
        "times": ["at noon", "at dusk"],
        "avoid": [],
        "flip_probability": 0.0,
        "max_rotation": 0.0,
        "min_scale": 0.9,
        "max_scale": 1.1,
    }


def _modality(ask: Ask) -> Modality:
    found = re.search(r"Kind of images: (\w+)", ask.conversation)
    return cast(Modality, found[1]) if found and found[1] in get_args(Modality) else "unknown"


def _wanted(ask: Ask) -> tuple[int, int]:
    """The number of operations as the prompt words it ('exactly 2 operations', '2 to 3 operations')."""
    text = ask.system + ask.conversation
    if found := re.search(r"(\d+) to (\d+) operations", text):
        return int(found[1]), int(found[2])
    found = re.search(r"exactly (\d+) operations?", text)
    count = int(found[1]) if found else 2
    return count, count


def _operation(name: str, draw: random.Random) -> Operation:
    parameters = []
    for parameter in CATALOGUE[name].parameters:
        # towards the mild end: half-way between the default and a random point of the range
        value = (parameter.default + draw.uniform(parameter.low, parameter.high)) / 2
        value = round(value) if parameter.integer else round(value, 4)
        parameters.append(
            Parameter(name=parameter.name, value=float(min(max(value, parameter.low), parameter.high)))
        )
    return Operation(name=name, probability=round(draw.uniform(0.2, 0.9), 2), parameters=parameters)

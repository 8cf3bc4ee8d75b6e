"""How the runs of a study are called in MLflow's tables, and what of a proposal its columns can show. Light.

Names and parameters are for people: runs are looked up by their tags alone.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evaluators.wording import signed
from tools.text import one_line

if TYPE_CHECKING:
    from agent.memory.candidate import Candidate, Phase

_APART = ("length", "choice", "final", "probe")
_NAME, _OPERATIONS = 120, 36
"""Characters, at most."""

EPOCHS = "epochs"
"""Tag of a candidate that is trained for a length of its own; and the parameter that says how long each is trained."""
_OWN_LENGTH = re.compile(r", ([\d,]+) epochs?$")


def operations_of(candidate: "Candidate") -> str:
    """'rotate + clahe + backgrounds'; empty for no augmentation."""
    proposal = candidate.proposal
    names = [operation.name for operation in proposal.policy]
    return " + ".join([*names, *(["backgrounds"] if proposal.backgrounds else [])])


def run_name(candidate: "Candidate", phase: "Phase", gain: float | None = None) -> str:
    """'it 3 · rotate + clahe · +1.2'; the gain (-1..1) in points, once there is one."""
    short = short_name(candidate)
    tried = operations_of(candidate)
    parts = [short]
    if tried and tried != short:
        parts.append(one_line(tried, _OPERATIONS))
    if gain is not None:
        parts.append(signed(gain))
    prefix = f"{phase}: " if phase in _APART else ""
    return (prefix + " · ".join(parts))[:_NAME]


def trial_name(candidate: "Candidate", seed: int) -> str:
    """'it 3 · seed 0'."""
    return f"{short_name(candidate)} · seed {seed}"


def short_name(candidate: "Candidate") -> str:
    """'it 3' for an iteration; the name of the reference and of a baseline."""
    name = candidate.name
    return name.replace("iteration ", "it ", 1) if name.startswith("iteration ") else one_line(name, 40)


def operation_params(candidate: "Candidate") -> dict[str, str]:
    """Parameters that say what is tried: op1, op1.p, op1.degrees … in the order of the operations."""
    proposal = candidate.proposal
    found: dict[str, Any] = {"operations": operations_of(candidate) or "none"}
    for number, operation in enumerate(proposal.policy, start=1):
        found[f"op{number}"] = operation.name
        found[f"op{number}.p"] = f"{operation.probability:.6g}"
        for parameter in operation.parameters:
            found[f"op{number}.{parameter.name}"] = f"{parameter.value:.6g}"
    if (prompts := proposal.prompts) is not None:
        found |= {"backgrounds.scale": f"{prompts.scale:g}", "backgrounds.subject": prompts.subject}
    if proposal.length != 1:
        found["length"] = str(proposal.length)
    if candidate.epochs is not None:
        found[EPOCHS] = str(candidate.epochs)
    return {key: str(value)[:500] for key, value in found.items()}


def epochs_of(tags: Mapping[str, str]) -> int | None:
    """Epochs of a candidate that is trained for a length of its own; None where it has the study's.

    Earlier versions wrote them into its name only.
    """
    named = _OWN_LENGTH.search(tags["candidate"])
    written = tags.get(EPOCHS) or (named[1].replace(",", "") if named else "")
    return int(written) if written else None


def shared_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Of the study's parameters, those that its candidates and trials carry as well: what they were trained with."""
    wanted = {
        "model": "model.name",
        "image_size": "data.image_size",
        EPOCHS: "recipe.epochs",
        "recipe": "recipe.name",
        "batch_size": "recipe.batch_size",
        "learning_rate": "recipe.learning_rate",
    }
    return {name: str(params[key]) for name, key in wanted.items() if params.get(key) is not None}

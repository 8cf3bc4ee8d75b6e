"""The policies that a person gives to `agent train`: lines, names, files, and what a study found."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from agent.memory.candidate import REFERENCE, Candidate, reference
from agent.memory.proposal import LENGTHS, Proposal
from tools.aga.captions.prompt_sets import vet_prompts
from tools.aga.config import PromptSet
from tools.datasets.types import Card
from tools.errors import ConfigurationError
from tools.policy.canonical import NO_AUGMENTATION, from_canonical, one_line
from tools.policy.named import DEFAULT, named_policy
from tools.policy.own import is_own, may_be_own
from tools.policy.policy import Policy
from tools.policy.safety import lint

NONE = "none"
STUDY = "study:"
_LONGER = re.compile(rf"^(.+) for ([{''.join(map(str, LENGTHS))}]) times the length$")
_UNSET_PROMPTS = {
    "subject": "object",
    "avoid": [],
    "flip_probability": 0.5,
    "max_rotation": 15.0,
    "min_scale": 0.8,
    "max_scale": 1.2,
}
"""Fields of a prompt set that a file may omit, as `agent generate` fills them."""


@dataclass(frozen=True)
class Given:
    """What the flags say is to be trained."""

    policies: Sequence[str]
    prompts: Path | None = None
    """A YAML file with a set of background prompts."""
    scales: Sequence[float] = ()
    """Synthetic images for each real one; empty: as the file says, or 1."""
    reference: bool = True
    """Whether no augmentation is trained as well."""


FromStudy = Callable[[str, str], Candidate]
"""(study, one of its candidates or '') → that candidate, or what the study recommends."""


def candidates_of(given: Given, card: Card, from_study: FromStudy) -> list[Candidate]:
    """Everything to train, no augmentation first and the default policy next; what is the same is trained once.

    Args:
        given: what the flags say.
        card: of the data set: its kind of images decides what 'default' means.
        from_study: looks up what a study found.

    Raises:
        ConfigurationError: something of it is no policy, no set of prompts, or is not found; says what.
    """
    plain = [_one(text, card, from_study) for text in given.policies or [NONE]]
    sets = _prompt_sets(given, card)
    mixed = [_with_backgrounds(candidate, each) for candidate in plain for each in sets]
    first = [reference()] if given.reference else []
    alone = [] if sets and not given.policies else plain
    found: dict[tuple[str, int | None], Candidate] = {}
    for candidate in (*first, *alone, *mixed):
        found.setdefault((candidate.proposal.identity, candidate.epochs), candidate)
    ordered = sorted(found.values(), key=lambda each: (each.name != REFERENCE, each.name != DEFAULT))
    return list(_numbered(ordered))


def _numbered(found: Sequence[Candidate]) -> Iterator[Candidate]:
    """With names of their own."""
    used: set[str] = set()
    number = 0
    for candidate in found:
        if candidate.proposal.identity == reference().proposal.identity:
            yield reference()
            continue
        own, double = candidate.name, 1
        while own in used:
            double += 1
            own = f"{candidate.name} ({double})"
        used.add(own)
        number += own != DEFAULT
        yield replace(candidate, name=own, number=0 if own == DEFAULT else number)


def safety_warnings(candidate: Candidate, card: Card) -> list[str]:
    """What endangers the labels; whoever gives a policy decides, so that nothing is refused."""
    return [f"{each.operation}: {each.reason}" for each in lint(candidate.proposal.as_policy(), card)]


def _one(text: str, card: Card, from_study: FromStudy) -> Candidate:
    """What one `--policy` means."""
    line = " ".join(text.split())
    if line in (NONE, NO_AUGMENTATION):
        return reference()
    if line.startswith(STUDY):
        study, _, wanted = line.removeprefix(STUDY).partition(":")
        found = from_study(study.strip(), wanted.strip())
        if found.name == REFERENCE:
            return reference()
        return _given(f"{found.name} of {study.strip()}", found.proposal, found.epochs)
    if may_be_own(line):
        return _given(*_from_line(line, card))
    file = Path(text)
    if _is_file(file):
        return _given(_name_of(file), _from_file(file, card))
    if "(" not in line and (line.endswith((".json", ".txt", ".py")) or "/" in line):
        raise ConfigurationError(f"--policy {text}: there is no such file in {Path.cwd()}")
    return _given(*_from_line(line, card))


def _given(name: str, proposal: Proposal, epochs: int | None = None) -> Candidate:
    return Candidate(name, 0, "baseline" if name == DEFAULT else "given", proposal, epochs)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a line can be too long for a name
        return False


def _name_of(file: Path) -> str:
    """`policy.json` is what every study calls its own: such a name says nothing without its folder's."""
    name = f"{file.resolve().parent.name}/{file.name}" if file.stem == "policy" else file.name
    return re.sub(r"[^A-Za-z0-9._/ -]+", "-", name)


def _from_line(line: str, card: Card) -> tuple[str, Proposal]:
    longer = _LONGER.match(line)
    text, length = (longer[1], int(longer[2])) if longer else (line, 1)
    if "backgrounds(" in text:
        raise ConfigurationError(
            f"--policy {line!r}: the line counts the background prompts, but does not hold them. Name the study that "
            f"has them (--policy 'study:NAME:iteration 3'), or give them in a file (--prompts FILE)."
        )
    try:
        found = named_policy(text, card.modality)
    except ConfigurationError as error:
        raise ConfigurationError(f"--policy {error}") from None
    name = found.name if "'" not in found.name and '"' not in found.name else one_line(found.policy)
    proposal = Proposal.of(found.policy, found.why).model_copy(update={"length": length})
    return (f"{name}, {length} times the length" if longer else name), proposal


def _from_file(file: Path, card: Card) -> Proposal:
    """The policy in a file: JSON as a study writes it (policy.json, proposal.json), or a line of text.

    Raises:
        ConfigurationError: it is neither.
    """
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--policy {file}: cannot be read ({error})") from error
    try:
        if not text.startswith("{"):
            lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
            return _from_line(" ".join(" ".join(lines).split()), card)[1]
        content: dict[str, Any] = json.loads(text)
        if "policy" in content:
            proposal = Proposal.model_validate({"hypothesis": "", "expected_gain": 0.0, **content})
        else:
            held = {"operations": content["operations"], "changes": content.get("changes", [])}
            proposal = Proposal.of(from_canonical(json.dumps(held)), "")
        policy = _checked(proposal.as_policy(), card)
        update = {"policy": policy.operations, "changes": policy.changes}
        return proposal.model_copy(update={**update, "hypothesis": f"The policy of {file.name}."})
    except (ValueError, KeyError, TypeError, ConfigurationError) as error:
        raise ConfigurationError(
            f"{file}: {str(error).removeprefix('--policy ')}. It must hold a policy as a study writes it "
            "(policy.json) or a line such as rotate(p=0.5, degrees=15) > horizontal_flip(p=0.5)"
        ) from error


def _checked(policy: Policy, card: Card) -> Policy:
    """The same, read as a line, so that names and ranges are checked alike."""
    own = [operation.name for operation in policy.operations if is_own(operation.name)]
    text = own[0] if own and len(policy.every_operation) == 1 else one_line(policy)
    return named_policy(text, card.modality).policy


def _prompt_sets(given: Given, card: Card) -> list[PromptSet]:
    """The prompts at each scale.

    Raises:
        ConfigurationError: the file is wrong, or scales are given without prompts.
    """
    file = given.prompts
    if file is None:
        if given.scales:
            raise ConfigurationError(
                "--scale is for new backgrounds: give their prompts as well (--prompts FILE)"
            )
        return []
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        scales = given.scales or [content.get("scale", 1.0)]
        sets = [PromptSet.model_validate({**_UNSET_PROMPTS, **content, "scale": each}) for each in scales]
    except OSError as error:
        raise ConfigurationError(f"--prompts {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"--prompts {file} is not a YAML mapping: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ConfigurationError(
            f"--prompts {file}: {faults}. Fields: {', '.join(PromptSet.model_fields)}"
        ) from error
    if reasons := [reason for each in sets for reason in vet_prompts(each, card.classes)]:
        listed = "\n".join(f"- {reason}" for reason in dict.fromkeys(reasons))
        raise ConfigurationError(f"--prompts {file}: the background prompts are refused:\n{listed}")
    return sets


def _with_backgrounds(candidate: Candidate, prompts: PromptSet) -> Candidate:
    name = candidate.name
    if candidate.proposal.backgrounds:
        raise ConfigurationError(
            f"--prompts: {name} has background prompts of its own; train it without --prompts, or give its policy alone"
        )
    what = f"backgrounds ×{prompts.scale:g}"
    update = {"backgrounds": [prompts], "hypothesis": "New backgrounds that were given."}
    proposal = candidate.proposal.model_copy(update=update)
    return _given(what if name == REFERENCE else f"{name} + {what}", proposal, candidate.epochs)

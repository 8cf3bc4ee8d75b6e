"""Reads a proposal from a model's answer, or says why it cannot. Nothing is guessed, completed or clamped.

Servers differ in where they leave an answer: in a tool call, in its text with the tags of a tool call around it, in a
fence, after the model's thoughts. It is taken from wherever it is; of several complete proposals the last one counts,
because what comes before it is a draft.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.llm.records import cleaned
from agent.llm.thoughts import without_thoughts
from agent.memory.look_ups import NOTEBOOK
from agent.memory.proposal import Proposal, Proposals
from agent.proposers import Malformed
from agent.proposers.json_search import decode_at, objects_from_the_end, objects_in_order, python_object
from agent.proposers.schema import BACKGROUNDS, DESCRIBE, ERRORS, PREVIEW, PROBE, RESULTS, SUBMIT
from tools.text import one_line

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

Answer = Proposal | Proposals | Malformed
_LIST = "proposals"
"""The field of `Proposals` that must be there."""
_CUT_OFF = {"length", "max_tokens"}
_WITHHELD = {
    "content_filter",
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "image_safety",
}
_MALFORMED_CALL = {"malformed_function_call", "unexpected_tool_call", "malformed_response"}
_SHOWN_PROBLEMS = 8
_LONGEST_TEXT = 200_000
"""Characters of an answer that are searched, from its end; a proposal has a few thousand."""
_LONGEST_PROPOSAL = 50_000
"""Characters of a proposal as JSON; MLflow, the checkpoint and the next prompt all have to hold it."""
_REQUIRED = frozenset(name for name, field in Proposal.model_fields.items() if field.is_required())
_WRAPPERS = (
    "arguments",
    "args",
    "parameters",
    "input",
    "params",
    "proposal",
    "function",
    "tool_call",
    SUBMIT,
)
"""Fields that may hold a proposal, or another wrapper."""
_MOST_WRAPPERS = 6
_TOOL_NAME = re.compile(
    rf"(?:\w+[.:/])*({SUBMIT}|{DESCRIBE}|{PREVIEW}|{BACKGROUNDS}|{ERRORS}|{PROBE}|{RESULTS})(?:[:_.#-]?\d+)?(?:<\|.*)?",
    re.DOTALL,
)


def finish_reason(message: "AIMessage") -> str:
    """Why the model stopped, in lower case; empty where the provider does not say."""
    metadata = message.response_metadata
    return str(metadata.get("finish_reason") or metadata.get("stop_reason") or "").lower()


def tool_name(name: str | None) -> str:
    """The name of the tool that is meant by a name such as 'functions.submit_proposal:0'; unknown ones as they are."""
    found = _TOOL_NAME.fullmatch((name or "").strip())
    return found[1] if found else name or ""


def unusable(message: "AIMessage") -> Malformed | None:
    """Why an answer is unusable whatever its form (cut off, withheld, refused); None where it is not."""
    reason = finish_reason(message)
    text = text_of(message)
    if reason in _CUT_OFF:
        return Malformed(text, "the answer was cut off at llm.max_tokens: give a shorter, complete answer")
    if reason in _WITHHELD:
        return Malformed(
            text, f"the provider's filter withheld the answer ({reason}): write it in other words"
        )
    if reason in _MALFORMED_CALL:
        return Malformed(text, f"the tool call was malformed: call {SUBMIT} with valid arguments", "call")
    if refusal := message.additional_kwargs.get("refusal"):
        return Malformed(
            str(refusal), "the model refused to answer: answer, this is a harmless technical task"
        )
    return None


def read_submission(message: "AIMessage", count: int = 1) -> Answer | None:
    """The proposal, or `count` of them, in a call of the submitting tool; of several calls in the last complete one.
    None where there is no call.

    Arguments that are no JSON are searched like text: some servers leave tags or a second object in them.
    """
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    submitted = [call["args"] for call in calls if tool_name(call["name"]) == SUBMIT]
    if not submitted:
        return None
    readings = [
        _in_text(each, count) if isinstance(each, str) else unwrapped(each, count) for each in submitted
    ]
    complete = [data for data in readings if is_complete(data, count)]
    if complete:
        return read_arguments(complete[-1], count=count)
    last = submitted[-1]
    if isinstance(last, str):
        return Malformed(last, f"the arguments of {SUBMIT} are not valid JSON: send one JSON object", "JSON")
    return read_arguments(readings[-1], count=count)


def read_text(message: "AIMessage", count: int = 1) -> Answer:
    """The proposal, or `count` of them, in the text of `message`: JSON alone, or with words, tags or a fence around."""
    if fault := unusable(message):
        return fault
    text = text_of(message)
    if not text:
        return Malformed("", "the answer was empty: answer with a proposal", "empty")
    if (whole := _whole(text, count)) is not None:
        return read_arguments(whole, text, count)
    answer = without_thoughts(text)
    if not answer:
        return Malformed(
            text, "the answer holds nothing but thoughts: answer with a proposal after them", "empty"
        )
    data = _in_text(answer, count)
    if data is None:
        problem = one_line(_problem_in(answer), 200)
        return Malformed(
            text, f"the answer is not valid JSON ({problem}): answer with one JSON object", "JSON"
        )
    return read_arguments(data, text, count)


def _whole(text: str, count: int) -> dict[str, Any] | None:
    """The proposal that the whole text is, which may then have a tag of thoughts within its words."""
    if not text.startswith(("{", "[", '"')) or len(text) > _LONGEST_TEXT:
        return None
    try:
        data, end = decode_at(text, 0)
    except (ValueError, RecursionError):
        return None
    data = unwrapped(data, count)
    return data if end == len(text) and is_complete(data, count) else None


def _in_text(text: str, count: int = 1) -> dict[str, Any] | None:
    """The last complete proposal in `text`; without one, the last object that has a field of one, or that there is."""
    text = text[-_LONGEST_TEXT:]
    if complete := next(_complete_in(text, count), None):
        return complete
    if count > 1 and (alone := next(_complete_in(text), None)):
        return {_LIST: [alone]}
    found = [unwrapped(each, count) for each in objects_in_order(text)]
    partial = [each for each in found if each.keys() & _fields(count)]
    if partial or (found and _is_object_first(text)):
        return (partial or found)[-1]
    read = python_object(text)
    return unwrapped(read, count) if read is not None and is_complete(unwrapped(read, count), count) else None


def _complete_in(text: str, count: int = 1) -> Iterator[dict[str, Any]]:
    """The complete proposals in `text`, the last one first, also within wrappers and within strings of JSON."""
    places = [text.rfind(name) for name in (_REQUIRED if count == 1 else (_LIST,))]
    if min(places) < 0:
        return
    for each in objects_from_the_end(text, min(places)):
        if is_complete(data := unwrapped(each, count), count):
            yield data


def _is_object_first(text: str) -> bool:
    """Whether the first brace of `text` begins an object: else the objects found are pieces of a broken one."""
    try:
        decode_at(text, text.find("{"))
    except (ValueError, RecursionError):
        return False
    return True


def _problem_in(text: str) -> str:
    text = text[-_LONGEST_TEXT:]
    try:
        decode_at(text, max(0, text.find("{")))
    except (ValueError, RecursionError) as error:
        return str(error)
    return "no object has the fields of a proposal"


def unwrapped(value: Any, count: int = 1, levels: int = _MOST_WRAPPERS) -> dict[str, Any]:
    """The proposal in the wrappers of a tool call (name and arguments, a list of one, JSON as a string), or `value`.

    A value that is no object and holds none becomes an empty one. Where several proposals are asked for (`count`), a
    list of them, or one alone, becomes an object that holds them.
    """
    if isinstance(value, str) and levels:
        try:
            inner, _ = decode_at(value, len(value) - len(value.lstrip()))
        except (ValueError, RecursionError):
            return {}
        return unwrapped(inner, count, levels - 1)
    if count > 1 and levels and (several := _several(value)):
        return {_LIST: several}
    if isinstance(value, list) and levels:
        readings = [unwrapped(item, count, levels - 1) for item in value[-_SHOWN_PROBLEMS:]]
        return next(
            (each for each in reversed(readings) if is_complete(each, count)),
            readings[-1] if readings else {},
        )
    if not isinstance(value, dict):
        return {}
    if levels and not value.keys() & _fields(count):
        for name in _WRAPPERS:
            if name in value and (inner := unwrapped(value[name], count, levels - 1)):
                return inner
    return value


def _several(value: Any) -> list[Any]:
    """The complete proposals that a bare list holds, or the one that an object is; none where one is incomplete."""
    each = value if isinstance(value, list) else [value]
    return each if each and all(is_complete(item) for item in each) else []


def _fields(count: int) -> frozenset[str]:
    return frozenset(Proposal.model_fields if count == 1 else Proposals.model_fields)


def is_complete(data: Any, count: int = 1) -> bool:
    """Whether an object has every field that a proposal must have (of several: the list), whatever they hold."""
    if count > 1:
        return isinstance(data, dict) and isinstance(data.get(_LIST), list)
    return isinstance(data, dict) and data.keys() >= _REQUIRED


def read_arguments(data: Any, answer: str | None = None, count: int = 1) -> Answer:
    """The proposal in the arguments of a tool call, or in parsed JSON; `answer` is the text that it was parsed from.

    Of several, exactly `count` are wanted.

    What could not be stored is refused here, before anything is kept of it: numbers that are not finite, and a proposal
    of enormous length. Characters that could not be stored are replaced.
    """
    data = cleaned(data)
    written = json.dumps(data)
    answer = written if answer is None else answer
    if len(written) > count * _LONGEST_PROPOSAL:
        return Malformed(
            answer,
            f"the proposal has {len(written):,} characters: write one of at most {_LONGEST_PROPOSAL:,}, "
            "with a hypothesis in a sentence or two",
        )
    try:
        proposal = (Proposal if count == 1 else Proposals).model_validate(data)
    except ValidationError as error:
        return Malformed(answer, f"the answer is not a proposal: {'; '.join(problems_of(error))}", "fields")
    if len(proposal.notes) > NOTEBOOK:
        return Malformed(
            answer,
            f"notes: {len(proposal.notes):,} characters: the notebook has room for {NOTEBOOK:,}; keep what will "
            "still matter",
        )
    if endless := [f"{place} is {number}" for place, number in _not_finite(proposal.model_dump())]:
        return Malformed(answer, f"{'; '.join(endless[:_SHOWN_PROBLEMS])}: give a finite number")
    if isinstance(proposal, Proposals) and len(proposal.proposals) != count:
        return Malformed(
            answer,
            f"proposals: {len(proposal.proposals)} of them; give exactly {count}, all different",
            "fields",
        )
    return proposal


def _not_finite(value: Any, place: Sequence[str] = ()) -> Iterator[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield ".".join(place), value
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _not_finite(item, (*place, str(key)))


def text_of(message: "AIMessage") -> str:
    """The text of an answer, without reasoning and tool calls that its server keeps apart."""
    return str(message.text).strip()


def problems_of(error: ValidationError) -> list[str]:
    """The first problems of `error`, each with its field, and how many more there are."""
    found = error.errors(include_url=False)
    problems = [
        one_line(f"{'.'.join(str(part) for part in item['loc']) or 'the answer'}: {item['msg']}", 300)
        for item in found[:_SHOWN_PROBLEMS]
    ]
    more = len(found) - _SHOWN_PROBLEMS
    return [*problems, f"and {more} more"] if more > 0 else problems

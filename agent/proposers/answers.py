"""Reads a proposal from a model's answer, or says why it cannot. Nothing is guessed, completed or clamped."""

import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.memory.proposal import Proposal
from agent.proposers import Malformed

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

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
_SHOWN_PROBLEMS = 8


def finish_reason(message: "AIMessage") -> str:
    """Why the model stopped, in lower case; empty where the provider does not say."""
    metadata = message.response_metadata
    return str(metadata.get("finish_reason") or metadata.get("stop_reason") or "").lower()


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
    if reason == "malformed_function_call":
        return Malformed(text, "the tool call was malformed: call submit_proposal with valid arguments")
    if refusal := message.additional_kwargs.get("refusal"):
        return Malformed(
            str(refusal), "the model refused to answer: answer, this is a harmless technical task"
        )
    return None


def read_text(message: "AIMessage") -> Proposal | Malformed:
    """The proposal in the text of `message`: JSON alone, or in a fenced block as many local models write it."""
    if fault := unusable(message):
        return fault
    text = text_of(message)
    if not text:
        return Malformed("", "the answer was empty: answer with a proposal")
    try:
        data = _object_in(text)
    except (ValueError, RecursionError) as error:
        return Malformed(text, f"the answer is not valid JSON ({error}): answer with one JSON object")
    return read_arguments(data, text)


def _object_in(text: str) -> Any:
    """The first JSON object in `text`, or the first later one that has every field of a proposal (reasoning before it
    may have braces). LangChain's parser is not used: it completes what was cut off.

    Raises:
        ValueError: there is none.
    """
    decoder = json.JSONDecoder()
    starts = [place for place, letter in enumerate(text) if letter == "{"]
    if not starts:
        return json.loads(text)
    try:
        return decoder.raw_decode(text, starts[0])[0]
    except ValueError:
        for start in starts[1:]:
            with suppress(ValueError):
                found, _ = decoder.raw_decode(text, start)
                if set(Proposal.model_fields) <= set(found):
                    return found
        raise


def read_arguments(data: Any, answer: str | None = None) -> Proposal | Malformed:
    """The proposal in the arguments of a tool call, or in parsed JSON; `answer` is the text that it was parsed from."""
    answer = json.dumps(data) if answer is None else answer
    try:
        proposal = Proposal.model_validate(data)
    except ValidationError as error:
        return Malformed(answer, f"the answer is not a proposal: {'; '.join(problems_of(error))}")
    if not math.isfinite(proposal.expected_gain):
        return Malformed(answer, f"expected_gain is {proposal.expected_gain}: give a finite number")
    return proposal


def text_of(message: "AIMessage") -> str:
    """The text of an answer, without reasoning and tool calls."""
    return str(message.text).strip()


def problems_of(error: ValidationError) -> list[str]:
    """The first problems of `error`, each with its field, and how many more there are."""
    found = error.errors(include_url=False)
    problems = [
        f"{'.'.join(str(part) for part in item['loc']) or 'the answer'}: {item['msg']}"
        for item in found[:_SHOWN_PROBLEMS]
    ]
    more = len(found) - _SHOWN_PROBLEMS
    return [*problems, f"and {more} more"] if more > 0 else problems

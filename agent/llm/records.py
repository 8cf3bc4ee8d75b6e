"""What is kept of a call: its tokens, dollars and seconds, and the messages exchanged, in a form that can be stored."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agent.settings.secrets import redact
from tools.text import clean

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.messages.ai import UsageMetadata

M = TypeVar("M", bound="BaseMessage")

LONGEST_TEXT = 100_000
"""Characters of one text of a message in a record; of a longer one the beginning is kept, and how long it was."""
_DEEPEST = 100
"""Levels of an answer's arguments; more than any proposal, and fewer than what makes a JSON writer stumble."""


@dataclass(frozen=True)
class StartedCall:
    """One attempt that is about to go out, with the most that it can cost."""

    id: str
    """As in the record that follows, unless the process is killed before it."""
    input_tokens: int
    """Estimated from the length of the text."""
    output_tokens: int
    """`llm.max_tokens`."""
    dollars: float | None
    """None where the price is unknown."""
    pictures: tuple[str, ...] = ()
    """Hex SHA-256 of each picture that goes out with it (of the PNG)."""


@dataclass(frozen=True)
class CallRecord:
    """One attempt to get an answer, successful or not. JSON-able with `dataclasses.asdict`."""

    id: str
    model: str
    """As configured, 'provider:model'."""
    kind: str
    """Its purpose: 'propose', 'caption', …"""
    input_tokens: int
    """Cached ones included. Estimated from the length of the text where the server reports no counts."""
    output_tokens: int
    """Hidden reasoning included, which is billed like the answer."""
    dollars: float | None
    """None where the price is unknown, or where a failed attempt may have been billed."""
    seconds: float
    request: list[dict[str, Any]]
    """The messages; a picture is replaced by its size and hash."""
    answer: dict[str, Any] | None
    error: str | None


def usage(input_tokens: int, output_tokens: int) -> "UsageMetadata":
    """Counts of tokens as LangChain writes them."""
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }


def estimated(messages: "Sequence[BaseMessage]") -> int:
    """Tokens of `messages`, from the length of their texts."""
    from langchain_core.messages.utils import count_tokens_approximately

    return count_tokens_approximately(messages)


def cleaned(value: Any, depth: int = 0) -> Any:
    """The texts in `value` without what cannot be sent or stored; too deep a nesting is replaced by its mark."""
    if isinstance(value, str):
        return clean(value)
    if depth > _DEEPEST:
        return f"(nested more than {_DEEPEST} levels deep)"
    if isinstance(value, dict):
        return {clean(str(key)): cleaned(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item, depth + 1) for item in value]
    return value


def cleaned_message(message: M) -> M:
    """The message without characters that cannot be sent or stored, such as half of an emoji."""
    changed: dict[str, Any] = {"content": cleaned(message.content)}
    for name in ("tool_calls", "invalid_tool_calls", "additional_kwargs"):
        if value := getattr(message, name, None):
            changed[name] = cleaned(value)
    return message.model_copy(update=changed)


def pictures_in(messages: "Sequence[BaseMessage]") -> tuple[str, ...]:
    """Hex SHA-256 of the pictures in `messages`, in their order."""
    parts = [
        part
        for message in messages
        if isinstance(message.content, list)
        for part in message.content
        if isinstance(part, dict) and part.get("type") == "image"
    ]
    return tuple(_digest(part["base64"]) for part in parts)


def _digest(encoded: str) -> str:
    return hashlib.sha256(base64.b64decode(encoded)).hexdigest()


def request_json(messages: "Sequence[BaseMessage]") -> list[dict[str, Any]]:
    """The messages as OpenAI writes them, storable: without pictures and secrets, long texts cut."""
    from langchain_core.messages import convert_to_openai_messages

    converted = convert_to_openai_messages(list(messages))
    return [storable(message) for message in converted]  # type: ignore[arg-type]


def answer_json(answer: "AIMessage") -> dict[str, Any]:
    """As `request_json`, for an answer, with why it ended."""
    converted = request_json([answer])[0]
    metadata = answer.response_metadata
    kept = {key: cleaned(metadata[key]) for key in ("finish_reason", "model_name") if key in metadata}
    return {**converted, **kept}


def storable(value: Any) -> Any:
    """Texts without secrets, and cut; a picture's base64 would fill a trace, so its hash stands for it."""
    if isinstance(value, dict):
        return {key: storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, str):
        if value.startswith("data:image/"):
            encoded = value.partition(",")[2]
            return f"[{value[5 : value.index(';')]}, {len(encoded)} characters of base64, sha256 {_digest(encoded)}]"
        return shortened(redact(value), LONGEST_TEXT)
    return value


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning with a remark on how much was cut."""
    return text if len(text) <= longest else f"{text[:longest]}… (cut: {len(text):,} characters in all)"

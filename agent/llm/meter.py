"""Calls a model and reports every attempt: tokens, dollars, seconds, and the messages exchanged.

It keeps no totals: the ledger, which gets the records, adds them up.
"""

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.llm.faults import ContentFault, Fault, TransportError, fault_of
from agent.llm.prices import cost
from agent.settings.config import LLMConfig
from agent.settings.secrets import redact

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.runnables import Runnable

_LOG = logging.getLogger(__name__)


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


class _Attempt(Exception):
    """A failed attempt; retried where its fault is transient."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault


class Meter:
    """Calls a model, with retries: exponential backoff with jitter, never earlier than Retry-After says."""

    def __init__(
        self, config: LLMConfig, on_call: Callable[[CallRecord], None], first_wait: float = 1.0
    ) -> None:
        """`on_call` gets a record right after each attempt; `first_wait` is the first backoff in seconds."""
        self._config = config
        self._model = config.model or "unnamed"
        self._on_call = on_call
        self._first_wait = first_wait

    def call(
        self, runnable: "Runnable[Any, Any]", messages: "Sequence[BaseMessage]", kind: str
    ) -> "AIMessage":
        """The model's answer. `runnable` is a chat model, or one with tools or a schema bound to it.

        Raises:
            TransportError: there is no answer after all retries, or retrying is useless.
            ContentFault: an answer that the client itself refuses (cut off, filtered).
        """
        from tenacity import Retrying, retry_if_exception, stop_after_attempt

        retrying = Retrying(
            stop=stop_after_attempt(self._config.retries + 1),
            retry=retry_if_exception(lambda error: isinstance(error, _Attempt) and error.fault.transient),
            wait=self._wait,
            before_sleep=lambda state: _LOG.info("trying %s again: %s", self._model, _line(state)),
            reraise=True,
        )
        try:
            return retrying(self._attempt, runnable, messages, kind)
        except _Attempt as failed:
            tries = int(retrying.statistics.get("attempt_number", 1))
            raise TransportError(
                failed.fault, self._model, tries, self._config.timeout, self._config.base_url
            ) from None

    def _wait(self, state: Any) -> float:
        from tenacity import wait_exponential_jitter

        backoff = wait_exponential_jitter(self._first_wait, max=60.0, jitter=self._first_wait)(state)
        asked = state.outcome.exception().fault.retry_after
        return backoff if asked is None else max(asked, min(backoff, self._first_wait))

    def _attempt(
        self, runnable: "Runnable[Any, Any]", messages: "Sequence[BaseMessage]", kind: str
    ) -> "AIMessage":
        started = time.monotonic()

        def record(
            usage: "UsageMetadata | None",
            answer: dict[str, Any] | None,
            error: str | None = None,
            dollars: float | None = None,
        ) -> None:
            seconds = time.monotonic() - started
            self._on_call(
                CallRecord(
                    id=uuid.uuid4().hex,
                    model=self._model,
                    kind=kind,
                    input_tokens=usage["input_tokens"] if usage else 0,
                    output_tokens=usage["output_tokens"] if usage else 0,
                    dollars=cost(self._config, usage) if usage else dollars,
                    seconds=seconds,
                    request=_request_json(messages),
                    answer=answer,
                    error=error,
                )
            )

        try:
            result = runnable.invoke(list(messages))
        except Exception as error:
            if content := _content_fault(error):
                usage = _usage(content.input_tokens, content.output_tokens)
                record(usage, {"content": redact(content.answer)}, content.reason)
                raise content from None
            if fault := fault_of(error):
                # A refused call is not billed; one that broke off on its way may be.
                record(None, None, fault.line, dollars=None if fault.status is None else 0.0)
                raise _Attempt(fault) from error
            raise
        # with_structured_output(include_raw=True) wraps the message; its own parsing is not used
        answer: AIMessage = result["raw"] if isinstance(result, dict) else result
        record(answer.usage_metadata or _estimated(answer, messages), _answer_json(answer))
        return answer


def _line(state: Any) -> str:
    return state.outcome.exception().fault.line


def _content_fault(error: Exception) -> ContentFault | None:
    """OpenAI's client raises where an answer under a schema was cut off or filtered; others return the answer."""
    name = type(error).__name__
    if name == "LengthFinishReasonError":
        completion: Any = getattr(error, "completion", None)
        usage = getattr(completion, "usage", None)
        text = completion.choices[0].message.content if completion is not None else ""
        return ContentFault(
            text or "",
            "the answer was cut off at llm.max_tokens: give a shorter, complete answer",
            getattr(usage, "prompt_tokens", 0) or 0,
            getattr(usage, "completion_tokens", 0) or 0,
        )
    if name == "ContentFilterFinishReasonError":
        return ContentFault("", "the provider's filter withheld the answer: write it in other words")
    return None


def _usage(input_tokens: int, output_tokens: int) -> "UsageMetadata":
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }


def _estimated(answer: "AIMessage", messages: "Sequence[BaseMessage]") -> "UsageMetadata":
    from langchain_core.messages.utils import count_tokens_approximately

    return _usage(count_tokens_approximately(messages), count_tokens_approximately([answer]))


def _request_json(messages: "Sequence[BaseMessage]") -> list[dict[str, Any]]:
    from langchain_core.messages import convert_to_openai_messages

    converted = convert_to_openai_messages(list(messages))
    return [_without_pictures(message) for message in converted]  # type: ignore[arg-type]


def _without_pictures(value: Any) -> Any:
    """Base64 would fill a trace with megabytes; the hash is enough to tell pictures apart."""
    if isinstance(value, dict):
        return {key: _without_pictures(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_pictures(item) for item in value]
    if isinstance(value, str):
        if value.startswith("data:image/"):
            digest = hashlib.sha256(value.encode()).hexdigest()[:16]
            return f"[{value[5 : value.index(';')]}, {len(value)} characters of base64, sha256 {digest}]"
        return redact(value)
    return value


def _answer_json(answer: "AIMessage") -> dict[str, Any]:
    converted = _request_json([answer])[0]
    metadata = answer.response_metadata
    kept = {key: metadata[key] for key in ("finish_reason", "model_name") if key in metadata}
    return {**converted, **kept}

"""Calls a model and reports every attempt: tokens, dollars, seconds, and the messages exchanged.

It keeps no totals: the ledger, which gets the records, adds them up.
"""

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from agent.llm.deadline import within
from agent.llm.faults import ContentFault, Fault, TransportError, fault_of
from agent.llm.prices import cost
from agent.llm.providers import with_server
from agent.llm.records import (
    CallRecord,
    StartedCall,
    answer_json,
    cleaned_message,
    estimated,
    pictures_in,
    request_json,
    storable,
    usage,
)
from agent.llm.refused import refused_by
from agent.settings.config import LLMConfig
from tools.text import clean

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.messages.ai import UsageMetadata
    from langchain_core.rate_limiters import InMemoryRateLimiter
    from langchain_core.runnables import Runnable

_LOG = logging.getLogger(__name__)


class _Attempt(Exception):
    """A failed attempt; retried where its fault is transient."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault


class Meter:
    """Calls a model, with retries: exponential backoff with jitter, never earlier than Retry-After says."""

    def __init__(
        self,
        config: LLMConfig,
        on_call: Callable[[CallRecord], None],
        first_wait: float = 1.0,
        on_start: Callable[[StartedCall], None] = lambda call: None,
    ) -> None:
        """`on_start` is told before each attempt goes out, and `on_call` gets its record right after it.

        `first_wait` is the first backoff in seconds.
        """
        self._config = with_server(config)
        self._model = config.model or "unnamed"
        self._on_call = on_call
        self._on_start = on_start
        self._first_wait = first_wait
        self._refused = refused_by(self._config)

    def call(
        self, runnable: "Runnable[Any, Any]", messages: "Sequence[BaseMessage]", kind: str
    ) -> "AIMessage":
        """The model's answer. `runnable` is a chat model, or one with tools or a schema bound to it.

        A parameter that the server refuses is left out, or sent under the name that the server gives, from then on.

        Raises:
            TransportError: there is no answer after all retries, or retrying is useless.
            ContentFault: an answer that the client itself refuses (cut off, filtered).
        """
        messages = [cleaned_message(message) for message in messages]
        tries = 0
        while True:
            try:
                return self._with_retries(runnable, messages, kind)
            except _Attempt as failed:
                tries += self._tries
                if learned := self._refused.learn(failed.fault):
                    _LOG.info("the server of %s does not take %s", self._model, learned)
                    continue
                raise TransportError(
                    failed.fault, self._model, tries, self._config.timeout, self._config.base_url
                ) from None

    def _with_retries(
        self, runnable: "Runnable[Any, Any]", messages: "Sequence[BaseMessage]", kind: str
    ) -> "AIMessage":
        from tenacity import Retrying, retry_if_exception, stop_after_attempt

        retrying = Retrying(
            stop=stop_after_attempt(self._config.retries + 1),
            retry=retry_if_exception(lambda error: isinstance(error, _Attempt) and error.fault.transient),
            wait=self._wait,
            before_sleep=self._tell_retry,
            reraise=True,
        )
        try:
            return retrying(self._attempt, runnable, messages, kind)
        finally:
            self._tries = int(retrying.statistics.get("attempt_number", 1))

    def _tell_retry(self, state: Any) -> None:
        fault, left = state.outcome.exception().fault, f"{state.attempt_number} of {self._config.retries}"
        _LOG.info("%s: %s. Trying again in %.0f s (%s).", self._model, fault.line, state.upcoming_sleep, left)

    def _wait(self, state: Any) -> float:
        from tenacity import wait_exponential_jitter

        backoff = wait_exponential_jitter(self._first_wait, max=60.0, jitter=self._first_wait)(state)
        asked = state.outcome.exception().fault.retry_after
        return backoff if asked is None else max(asked, min(backoff, self._first_wait))

    def _attempt(
        self, runnable: "Runnable[Any, Any]", messages: "Sequence[BaseMessage]", kind: str
    ) -> "AIMessage":
        if self._config.requests_per_minute:
            _limiter(self._model, self._config.base_url, self._config.requests_per_minute).acquire()
        call = self._begin(messages)
        started = time.monotonic()

        def record(
            used: "UsageMetadata | None",
            answer: dict[str, Any] | None,
            error: str | None = None,
            dollars: float | None = None,
        ) -> None:
            self._on_call(
                CallRecord(
                    id=call.id,
                    model=self._model,
                    kind=kind,
                    input_tokens=used["input_tokens"] if used else 0,
                    output_tokens=used["output_tokens"] if used else 0,
                    dollars=cost(self._config, used) if used else dollars,
                    seconds=time.monotonic() - started,
                    request=request_json(messages),
                    answer=answer,
                    error=error,
                )
            )

        try:
            result = within(self._config.timeout, lambda: runnable.invoke(list(messages)))
            # with_structured_output(include_raw=True) wraps the message; its own parsing is not used
            answer: AIMessage = cleaned_message(result["raw"] if isinstance(result, dict) else result)
            used = answer.usage_metadata or usage(call.input_tokens, estimated([answer]))
            as_json = answer_json(answer)
        except Exception as error:
            if content := _content_fault(error):
                used = usage(content.input_tokens, content.output_tokens)
                record(used, {"content": storable(content.answer)}, content.reason)
                raise content from None
            _LOG.debug("a call of %s failed", self._model, exc_info=error)
            fault = fault_of(error)
            # A refused call is not billed; one that broke off on its way may be.
            record(None, None, fault.line, dollars=None if fault.status is None else 0.0)
            raise _Attempt(fault) from error
        record(used, as_json)
        return answer

    def _begin(self, messages: "Sequence[BaseMessage]") -> StartedCall:
        most = usage(estimated(messages), self._config.max_tokens)
        call = StartedCall(
            uuid.uuid4().hex,
            most["input_tokens"],
            most["output_tokens"],
            cost(self._config, most),
            pictures_in(messages),
        )
        self._on_start(call)
        return call


@cache
def _limiter(model: str, base_url: str | None, requests_per_minute: float) -> "InMemoryRateLimiter":
    """One for all that ask the same model at the same server. Waiting for it is no part of a call."""
    from langchain_core.rate_limiters import InMemoryRateLimiter

    return InMemoryRateLimiter(requests_per_second=requests_per_minute / 60)


def _content_fault(error: Exception) -> ContentFault | None:
    """OpenAI's client raises where an answer under a schema was cut off or filtered; others return the answer."""
    name = type(error).__name__
    if name not in ("LengthFinishReasonError", "ContentFilterFinishReasonError"):
        return None
    completion: Any = getattr(error, "completion", None)
    counts = getattr(completion, "usage", None)
    tokens = (getattr(counts, "prompt_tokens", 0) or 0, getattr(counts, "completion_tokens", 0) or 0)
    if name == "LengthFinishReasonError":
        text = completion.choices[0].message.content if completion is not None and completion.choices else ""
        reason = "the answer was cut off at llm.max_tokens: give a shorter, complete answer"
        return ContentFault(clean(text or ""), reason, *tokens)
    return ContentFault("", "the provider's filter withheld the answer: write it in other words", *tokens)

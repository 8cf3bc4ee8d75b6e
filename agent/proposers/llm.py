"""The papers' method: a language model reads the results and writes the next policy.

One `ask` is one bounded conversation: at most `llm.max_tool_calls` tool calls, then the model must submit. An unusable
answer (no JSON, a refusal, nothing) becomes a `Malformed`, which vet counts; a failed connection ends the study.
"""

import json
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.llm import CallRecord, ContentFault, Meter, TransportError, provider_of
from agent.memory.history import History
from agent.memory.proposal import Proposal
from agent.proposers import Malformed
from agent.proposers.answers import read_arguments, read_text, unusable
from agent.proposers.conversation import Mode, initial_messages
from agent.proposers.schema import (
    SUBMIT,
    ordered,
    proposal_schema,
    tool_definitions,
)
from agent.proposers.tool_calls import ToolRunner
from agent.settings.config import LLMConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

_LOG = logging.getLogger(__name__)

_MODES: dict[str, tuple[Mode, ...]] = {
    "auto": ("tools", "structured", "text"),
    "tools": ("tools",),
    "structured": ("structured", "text"),
}
"""`llm.mode` → the ways of asking, best first; the next one is used where the server does not support one."""
_FEATURE = re.compile(r"tool|function|response_format|schema|json", re.IGNORECASE)


class LLMProposer:
    """Arm `llm`. It remembers nothing but which modes the server does not support."""

    name = "llm"
    feedback = True
    """Whether the model is told any results."""

    def __init__(
        self, chat: "BaseChatModel", config: LLMConfig, on_call: Callable[[CallRecord], None]
    ) -> None:
        """`on_call` gets every attempt to call the model, as it happens."""
        self._chat = chat
        self._provider = provider_of(config.model or "")
        self._max_tool_calls = config.max_tool_calls
        self._meter = Meter(config, on_call)
        profile = dict(getattr(chat, "profile", None) or {})
        self._vision = profile.get("image_inputs", False) if config.vision is None else config.vision
        self._modes = _MODES[config.mode]
        if config.mode == "auto" and profile.get("tool_calling") is False:
            self._modes = self._modes[1:]

    def ask(self, history: History) -> Proposal | Malformed:
        """The next proposal, or an unusable answer.

        Raises:
            TransportError: the model cannot be reached.
        """
        while True:
            mode = self._modes[0]
            try:
                return self._with_tools(history) if mode == "tools" else self._in_one_answer(history, mode)
            except ContentFault as fault:
                return Malformed(fault.answer, fault.reason)
            except TransportError as error:
                if len(self._modes) == 1 or not _is_unsupported(error):
                    raise
                self._modes = self._modes[1:]
                _LOG.warning(
                    "the server does not support mode %r (%s): using %r",
                    mode,
                    error.fault.line,
                    self._modes[0],
                )

    def _in_one_answer(self, history: History, mode: Mode) -> Proposal | Malformed:
        messages = initial_messages(history, mode, 0, self.feedback)
        chat = self._bound_to_schema(history) if mode == "structured" else self._chat
        answer = self._meter.call(chat, messages, "propose")
        if answer.tool_calls:  # some providers' structured output is a tool call underneath
            return unusable(answer) or read_arguments(answer.tool_calls[0]["args"])
        return read_text(answer)

    def _bound_to_schema(self, history: History) -> "Runnable[Any, Any]":
        schema = proposal_schema(history)
        options: dict[str, Any] = {}
        if self._provider == "openai":
            options = {"method": "json_schema", "strict": True}
        if self._provider == "google_genai":
            schema, options = ordered(schema), {"method": "json_schema"}
        return self._chat.with_structured_output(schema, include_raw=True, **options)

    def _with_tools(self, history: History) -> Proposal | Malformed:
        tools = ToolRunner(history, self._vision, self.feedback)
        messages = initial_messages(history, "tools", self._max_tool_calls, self.feedback)
        calls_made = 0
        while True:
            must_submit = calls_made >= self._max_tool_calls
            answer = self._meter.call(self._bound_to_tools(must_submit, history), messages, "propose")
            if read := unusable(answer) or _submission(answer):
                return read
            if not answer.tool_calls and not answer.invalid_tool_calls:
                return _without_a_call(answer)
            if must_submit:
                calls = [{"name": call["name"], "args": call["args"]} for call in answer.tool_calls]
                return Malformed(json.dumps(calls), f"no tool calls are left: call {SUBMIT} now")
            messages.append(answer)
            calls_made += _run_tools(answer, tools, self._max_tool_calls - calls_made, messages)

    def _bound_to_tools(self, must_submit: bool, history: History) -> "Runnable[Any, AIMessage]":
        names = [SUBMIT] if must_submit else [*ToolRunner.names(self.feedback), SUBMIT]
        tools = tool_definitions(names, self._provider, history)
        return self._chat.bind_tools(tools, tool_choice=SUBMIT if must_submit else "any")


def _run_tools(answer: "AIMessage", tools: ToolRunner, allowed: int, messages: "list[BaseMessage]") -> int:
    """Appends the results of the calls in `answer` to `messages`; how many calls there were."""
    from langchain_core.messages import HumanMessage, ToolMessage

    pictures: list[str] = []
    calls = [*answer.tool_calls, *answer.invalid_tool_calls]
    for position, call in enumerate(calls):
        if position >= allowed:
            text = f"No tool calls are left: call {SUBMIT} now."
        elif isinstance(call["args"], dict):
            result = tools.run(call["name"] or "", call["args"])
            text = result.text
            pictures += [result.picture] if result.picture else []
        else:
            text = "The arguments are not valid JSON: send one JSON object."
        messages.append(ToolMessage(text, tool_call_id=call["id"] or "", name=call["name"]))
    if pictures:
        # OpenAI accepts pictures only in a user's message, not in a tool's result.
        content: list[str | dict[str, Any]] = [
            {"type": "text", "text": "The pictures, in the order of the calls:"}
        ]
        content += [{"type": "image", "base64": data, "mime_type": "image/png"} for data in pictures]
        messages.append(HumanMessage(content))
    return len(calls)


def _is_unsupported(error: TransportError) -> bool:
    """Whether the server said that it has no tools, or no schemas: each says so in its own words and status."""
    return error.fault.status is not None and bool(_FEATURE.search(error.fault.text))


def _submission(answer: "AIMessage") -> Proposal | Malformed | None:
    for call in answer.tool_calls:
        if call["name"] == SUBMIT:
            return read_arguments(call["args"])
    for call in answer.invalid_tool_calls:
        if call["name"] == SUBMIT:
            return Malformed(
                call["args"] or "", f"the arguments of {SUBMIT} are not valid JSON: send one JSON object"
            )
    return None


def _without_a_call(answer: "AIMessage") -> Proposal | Malformed:
    """The proposal that a model wrote out as text instead of calling the tool."""
    read = read_text(answer)
    if isinstance(read, Malformed) and read.answer:
        return Malformed(read.answer, f"the answer is text without a tool call: call {SUBMIT}")
    return read

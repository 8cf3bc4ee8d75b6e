"""The papers' method: a language model reads the results and writes the next policy.

One `ask` is one bounded conversation: at most `llm.max_tool_calls` tool calls, then the model must submit. An unusable
answer (no JSON, a refusal, nothing) becomes a `Malformed`, which vet counts; a failed connection ends the study.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from agent.llm import CallRecord, ContentFault, Meter, StartedCall, TransportError, provider_of
from agent.llm.privacy import is_near, tells_names
from agent.memory.history import History
from agent.memory.proposal import Proposal, Proposals
from agent.proposers import Malformed
from agent.proposers.answers import (
    read_arguments,
    read_submission,
    read_text,
    tool_name,
    unusable,
    unwrapped,
)
from agent.proposers.conversation import Mode, Seen, initial_messages, with_pictures
from agent.proposers.inspection.runner import ToolRunner
from agent.proposers.schema import (
    SUBMIT,
    ordered,
    proposal_schema,
    tool_definitions,
)
from agent.proposers.told import told, with_names
from agent.settings.config import LLMConfig

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

Answer = Proposal | Proposals | Malformed

_LOG = logging.getLogger(__name__)

_MODES: dict[str, tuple[Mode, ...]] = {
    "auto": ("tools", "structured", "text"),
    "tools": ("tools",),
    "structured": ("structured", "text"),
}
"""`llm.mode` → the ways of asking, best first; the next one is used where the server does not support one."""
_PATIENCE = 2
"""Answers with the same fault in their form, after which the next mode is used."""
_FORMS = {
    "call": "no usable tool call",
    "JSON": "no valid JSON",
    "fields": "not the fields of a proposal",
    "empty": "no text",
}
"""`Malformed.form` → in words."""
_FEATURE = re.compile(r"tool|function|response_format|schema|json", re.IGNORECASE)

_MAY_BE_UNSUPPORTED = ("refused_request", "unsupported_parameter", "model_not_found", "server")


class LLMProposer:
    """Arm `llm`. It remembers nothing but which ways of asking do not work with this server and this model."""

    name = "llm"
    at_once = True
    feedback = True
    """Whether the model is told any results."""

    def __init__(
        self,
        chat: "BaseChatModel",
        config: LLMConfig,
        on_call: Callable[[CallRecord], None],
        on_start: Callable[[StartedCall], None] = lambda call: None,
    ) -> None:
        """`on_start` is told of every attempt to call the model before it goes out, `on_call` when it has ended."""
        self._chat = chat
        self._provider = provider_of(config.model or "")
        self._max_tool_calls = config.max_tool_calls
        self._meter = Meter(config, on_call, on_start=on_start)
        profile = dict(getattr(chat, "profile", None) or {})
        self._config = config
        self._vision = _sees(config, profile)
        self._modes = _MODES[config.mode]
        if config.mode == "auto" and profile.get("tool_calling") is False:
            self._modes = self._modes[1:]
        self._faults: Counter[str] = Counter()

    def ask(self, history: History) -> Answer:
        """The next proposal, or an unusable answer.

        Raises:
            TransportError: the model cannot be reached.
        """
        config = self._config
        history = told(history, tells_names(config, history.card), config.names == "on" or is_near(config))
        tools = ToolRunner(history, self._vision, self.feedback)
        seen = Seen(tools.measurements(), tools.first_pictures())
        while True:
            mode = self._modes[0]
            try:
                answer = (
                    self._with_tools(history, tools, seen)
                    if mode == "tools"
                    else self._in_one_answer(history, mode, seen)
                )
            except ContentFault as fault:
                return Malformed(fault.answer, fault.reason)
            except TransportError as error:
                if len(self._modes) == 1 or not _is_unsupported(error):
                    raise
                self._step_down(f"the server does not support mode {mode!r} ({error.fault.line})")
            else:
                self._learn(answer, mode)
                return answer if isinstance(answer, Malformed) else with_names(answer, history.aliases)

    def _learn(self, answer: Answer, mode: Mode) -> None:
        """Ask in a simpler way after `_PATIENCE` answers with the same fault in their form, and no good one between."""
        if isinstance(answer, Proposal | Proposals):
            self._faults.clear()
        elif answer.form:
            self._faults[answer.form] += 1
            if self._faults[answer.form] >= _PATIENCE and len(self._modes) > 1:
                what = f"{_PATIENCE} answers in mode {mode!r} could not be read"
                self._step_down(f"{what} ({_FORMS.get(answer.form, answer.form)})")

    def _step_down(self, why: str) -> None:
        self._modes = self._modes[1:]
        self._faults.clear()
        _LOG.info("%s: using mode %r from now on", why, self._modes[0])

    def _in_one_answer(self, history: History, mode: Mode, seen: Seen) -> Answer:
        messages = initial_messages(history, mode, 0, self.feedback, seen)
        chat = self._bound_to_schema(history) if mode == "structured" else self._chat
        answer = self._meter.call(chat, messages, "propose")
        if answer.tool_calls:  # some providers' structured output is a tool call underneath
            count = history.candidates
            return unusable(answer) or read_arguments(
                unwrapped(answer.tool_calls[-1]["args"], count), count=count
            )
        return read_text(answer, history.candidates)

    def _bound_to_schema(self, history: History) -> "Runnable[Any, Any]":
        schema = proposal_schema(history, notes=self.feedback)
        options: dict[str, Any] = {}
        if self._provider == "openai":
            options = {"method": "json_schema", "strict": True}
        if self._provider == "google_genai":
            schema, options = ordered(schema), {"method": "json_schema"}
        return self._chat.with_structured_output(schema, include_raw=True, **options)

    def _with_tools(self, history: History, tools: ToolRunner, seen: Seen) -> Answer:
        messages = initial_messages(history, "tools", self._max_tool_calls, self.feedback, seen)
        calls_made = 0
        while True:
            must_submit = calls_made >= self._max_tool_calls
            names = [SUBMIT] if must_submit else [*tools.names, SUBMIT]
            answer = self._meter.call(self._bound_to_tools(names, history), messages, "propose")
            if read := unusable(answer) or read_submission(answer, history.candidates):
                return read
            if not answer.tool_calls and not answer.invalid_tool_calls:
                return _without_a_call(answer, history.candidates)
            if must_submit:
                calls = [{"name": call["name"], "args": call["args"]} for call in answer.tool_calls]
                return Malformed(json.dumps(calls), f"no tool calls are left: call {SUBMIT} now", "call")
            messages.append(answer)
            calls_made += _run_tools(answer, tools, self._max_tool_calls - calls_made, messages)

    def _bound_to_tools(self, names: list[str], history: History) -> "Runnable[Any, AIMessage]":
        tools = tool_definitions(names, self._provider, history, notes=self.feedback)
        return self._chat.bind_tools(tools, tool_choice=SUBMIT if names == [SUBMIT] else "any")


def _sees(config: LLMConfig, profile: Mapping[str, Any]) -> bool:
    """Whether pictures are sent. Consent was asked before (`agent/starting/consent.py`) and is 'on' or 'off' here."""
    if config.vision == "ask":
        return bool(profile.get("image_inputs")) and is_near(config)
    return config.vision == "on"


def _run_tools(answer: "AIMessage", tools: ToolRunner, allowed: int, messages: "list[BaseMessage]") -> int:
    """Appends the results of the calls in `answer` to `messages`; how many calls there were."""
    from langchain_core.messages import HumanMessage, ToolMessage

    pictures: list[str] = []
    calls = [*answer.tool_calls, *answer.invalid_tool_calls]
    for position, call in enumerate(calls):
        if position >= allowed:
            text = f"No tool calls are left: call {SUBMIT} now."
        elif isinstance(call["args"], dict):
            result = tools.run(tool_name(call["name"]), call["args"])
            text = result.text
            pictures += [result.picture] if result.picture else []
        else:
            text = "The arguments are not valid JSON: send one JSON object."
        messages.append(ToolMessage(text, tool_call_id=call["id"] or "", name=call["name"]))
    if pictures:
        # OpenAI accepts pictures only in a user's message, not in a tool's result.
        messages.append(HumanMessage(with_pictures("The pictures, in the order of the calls:", pictures)))
    return len(calls)


def _is_unsupported(error: TransportError) -> bool:
    """Whether the server said that it has no tools, or no schemas: each says so in its own words and status."""
    fault = error.fault
    if fault.status is None or fault.kind not in _MAY_BE_UNSUPPORTED:
        return False
    return bool(_FEATURE.search(f"{fault.param or ''} {fault.text}"))


def _without_a_call(answer: "AIMessage", count: int) -> Answer:
    """The proposal that a model wrote out as text instead of calling the tool."""
    read = read_text(answer, count)
    if isinstance(read, Malformed) and read.answer:
        return Malformed(read.answer, f"the answer is text without a tool call: call {SUBMIT}", "call")
    return read

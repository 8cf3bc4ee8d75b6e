"""A chat model as a plain function, for steps that need an answer but no conversation (captions)."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from agent.llm.connect import connect
from agent.llm.faults import ContentFault
from agent.llm.meter import Meter
from agent.llm.records import CallRecord, StartedCall
from agent.llm.thoughts import without_thoughts
from agent.settings.config import LLMConfig


class Ask(Protocol):
    """A chat model as a function."""

    def __call__(self, system: str, user: str, pictures: Sequence[str] = ()) -> str:
        """The model's answer, or '' where it is empty or unusable; `pictures` are PNGs in base64."""
        ...


def make_ask(
    config: LLMConfig,
    on_call: Callable[[CallRecord], None],
    kind: str = "caption",
    on_start: Callable[[StartedCall], None] = lambda call: None,
) -> Ask:
    """A function (system, user, pictures) → the model's answer, or '' where it is empty or unusable.

    Args:
        config: which model; the client is made at once.
        on_call: gets every attempt, as it happens.
        kind: what the calls are for, in the records.
        on_start: is told before each attempt goes out.

    Raises:
        ConfigurationError: see `connect`. The function itself raises TransportError where the model gives no answer.
    """
    chat, meter = connect(config), Meter(config, on_call, on_start=on_start)

    def ask(system: str, user: str, pictures: Sequence[str] = ()) -> str:
        from langchain_core.messages import HumanMessage, SystemMessage

        parts: list[str | dict[Any, Any]] = [
            {"type": "image", "base64": data, "mime_type": "image/png"} for data in pictures
        ]
        content = [{"type": "text", "text": user}, *parts] if parts else user
        try:
            answer = meter.call(chat, [SystemMessage(system), HumanMessage(content)], kind)
        except ContentFault:
            return ""
        return without_thoughts(str(answer.text))

    return ask

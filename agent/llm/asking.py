"""A chat model as a plain function, for steps that need an answer but no conversation (captions)."""

from collections.abc import Callable

from agent.llm.connect import connect
from agent.llm.faults import ContentFault
from agent.llm.meter import Meter
from agent.llm.records import CallRecord, StartedCall
from agent.llm.thoughts import without_thoughts
from agent.settings.config import LLMConfig


def make_ask(
    config: LLMConfig,
    on_call: Callable[[CallRecord], None],
    kind: str = "caption",
    on_start: Callable[[StartedCall], None] = lambda call: None,
) -> Callable[[str, str], str]:
    """A function (system, user) → the model's answer, or '' where it is empty or unusable.

    Args:
        config: which model; the client is made at once.
        on_call: gets every attempt, as it happens.
        kind: what the calls are for, in the records.
        on_start: is told before each attempt goes out.

    Raises:
        ConfigurationError: see `connect`. The function itself raises TransportError where the model gives no answer.
    """
    chat, meter = connect(config), Meter(config, on_call, on_start=on_start)

    def ask(system: str, user: str) -> str:
        from langchain_core.messages import HumanMessage, SystemMessage

        try:
            answer = meter.call(chat, [SystemMessage(system), HumanMessage(user)], kind)
        except ContentFault:
            return ""
        return without_thoughts(str(answer.text))

    return ask

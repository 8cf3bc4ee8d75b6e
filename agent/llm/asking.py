"""A chat model as a plain question and answer: for steps that need words and no conversation (captions)."""

from collections.abc import Callable

from agent.llm.connect import connect
from agent.llm.faults import ContentFault
from agent.llm.meter import CallRecord, Meter
from agent.settings.config import LLMConfig


def make_ask(
    config: LLMConfig, on_call: Callable[[CallRecord], None], kind: str = "caption"
) -> Callable[[str, str], str]:
    """(system, user) → what the model says; '' where it says nothing, or nothing that can be used.

    Args:
        config: which model; it is connected at once.
        on_call: gets every attempt, as it happens.
        kind: what the calls are for, in the records.

    Raises:
        ConfigurationError: see `connect`. The function itself raises TransportError where no answer is to be had.
    """
    chat, meter = connect(config), Meter(config, on_call)

    def ask(system: str, user: str) -> str:
        from langchain_core.messages import HumanMessage, SystemMessage

        try:
            answer = meter.call(chat, [SystemMessage(system), HumanMessage(user)], kind)
        except ContentFault:
            return ""
        return answer.text

    return ask

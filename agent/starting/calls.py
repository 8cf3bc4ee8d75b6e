"""What is written down of each call of a language model: before it goes out, after it, and when a session ends."""

from collections.abc import Callable

from agent.llm import CallRecord, StartedCall
from agent.llm.privacy import host_of
from agent.memory.ledger import BudgetSpent, Ledger, exceeded
from agent.memory.traces import IterationTrace
from agent.screen.terminal import Terminal
from agent.settings.config import LLMConfig, StudyConfig
from tools.errors import AugurError


def begin_call(ledger: Ledger, call: StartedCall, llm: LLMConfig) -> None:
    """Called before each LLM call goes out: a process that is killed during it has spent it all the same."""
    ledger.add_pictures(call.id, call.pictures, host_of(llm))
    ledger.begin_llm_call(call.id, call.input_tokens, call.output_tokens, call.dollars)


def keep_trace(trace: IterationTrace, terminal: Terminal) -> None:
    """What is left of a trace goes to MLflow as well: a session may be the last."""
    try:
        trace.close("unfinished iteration")
    except AugurError as error:
        terminal.note(f"The trace of the last calls is kept for the next session: {error}")


def bookkeeper(config: StudyConfig, ledger: Ledger, trace: IterationTrace) -> Callable[[CallRecord], None]:
    """Called after each LLM call: counts it, traces it, and checks the limits."""
    limits = config.budget.model_copy(update={"trials": None, "training_seconds": None, "wall_clock": None})

    def on_call(call: CallRecord) -> None:
        ledger.add_llm_call(call.id, call.input_tokens, call.output_tokens, call.dollars)
        trace.call(call)
        # The call that reaches a limit may hold a proposal that was paid for; only the next one is too many.
        if reason := exceeded(ledger.spent(), limits, beyond=True):
            raise BudgetSpent(reason)

    return on_call

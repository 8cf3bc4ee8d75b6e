"""What is left of a study's budget, in words for whoever proposes."""

from agent.memory.ledger import Spent
from agent.settings.config import BudgetConfig
from tools.durations import exactly


def describe_remaining(spent: Spent, budget: BudgetConfig) -> str:
    """What is left of each limit, in one line; empty where nothing is limited."""
    parts = [
        _count(budget.trials, spent.trials, "trials"),
        _time(budget.training_seconds, spent.training_seconds, "training"),
        _time(budget.wall_clock, spent.wall_clock, "running time"),
        _count(budget.llm_calls, spent.llm_calls, "calls of the language model"),
        _count(budget.tokens, spent.tokens, "tokens"),
        _dollars(budget.dollars, spent.dollars),
    ]
    return "; ".join(part for part in parts if part)


def _count(limit: int | None, used: int, unit: str) -> str:
    return "" if limit is None else f"{max(0, limit - used):,} of {limit:,} {unit}"


def _time(limit: float | None, used: float, unit: str) -> str:
    return "" if limit is None else f"{exactly(max(0.0, limit - used))} of {exactly(limit)} of {unit}"


def _dollars(limit: float | None, used: float) -> str:
    return "" if limit is None else f"${max(0.0, limit - used):.2f} of ${limit:.2f}"

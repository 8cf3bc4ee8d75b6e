"""What is left of a study's budget, in words for whoever proposes."""

from agent.memory.ledger import Spent
from agent.settings.config import BudgetConfig


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
    return "" if limit is None else f"{_duration(max(0.0, limit - used))} of {_duration(limit)} of {unit}"


def _dollars(limit: float | None, used: float) -> str:
    return "" if limit is None else f"${max(0.0, limit - used):.2f} of ${limit:.2f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"

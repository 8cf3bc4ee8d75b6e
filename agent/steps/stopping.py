"""When the search ends: all iterations are done, a limit is reached, or the rest of a budget is reserved."""

from agent.context import Context
from agent.memory.candidate import baselines
from agent.memory.ledger import Spent, exceeded
from agent.settings.config import BudgetConfig, SearchConfig
from agent.steps.finish_plan import plan_finish


def iteration_count(search: SearchConfig) -> int:
    """How many iterations the search has; the arm `fixed` has one for each baseline."""
    return min(search.iterations, len(search.baselines)) if search.proposer == "fixed" else search.iterations


def why_stop(context: Context, iteration: int, cut: str | None) -> str:
    """Why iteration `iteration` does not begin, or the empty string.

    Args:
        context: for the settings and what is spent.
        iteration: from 1.
        cut: why the training before it was cut short, if it was.
    """
    if cut:
        return cut
    count = iteration_count(context.config.search)
    if iteration > count:
        return f"all {count} iterations are done"
    return limit_reached(context.ledger.spent(), context.config.search, context.config.budget) or ""


def limit_reached(spent: Spent, search: SearchConfig, budget: BudgetConfig) -> str | None:
    """Why no further iteration may begin: a limit is reached, or the rest is reserved for the finish."""
    if reason := exceeded(spent, budget):
        return reason
    plan = plan_finish(search)
    finish = plan.choice + plan.test
    first = (1 + len(baselines(search))) * search.seeds
    if budget.trials is not None:
        # At most half of what the reference left is reserved, so that a small budget still searches.
        reserved = min(finish, max(0, budget.trials - first) // 2)
        if spent.trials + search.seeds + reserved > budget.trials:
            return f"what is left of {budget.trials} trials is kept for the finish ({reserved} trials)"
    trials = spent.trials + spent.reused_trials
    for limit, used, unit in (
        (budget.training_seconds, spent.training_seconds, "training seconds"),
        (budget.wall_clock, spent.wall_clock, "seconds of wall-clock time"),
    ):
        if limit is None or not trials:
            continue
        each = used / trials
        reserved_time = min(finish * each, max(0.0, limit - first * each) / 2)
        if used + search.seeds * each + reserved_time > limit:
            return f"what is left of {limit:g} {unit} is kept for the finish ({reserved_time:.0f} s)"
    return None

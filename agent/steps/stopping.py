"""When the search ends: all iterations are done, a limit is reached, or the rest of a budget is reserved."""

from dataclasses import replace
from math import ceil, floor

from agent.context import Context
from agent.memory.candidate import baseline_count
from agent.memory.ledger import Spent, exceeded
from agent.settings.config import BudgetConfig, SearchConfig
from agent.steps.finish_plan import FinishPlan, iteration_count, plan_finish, trials_of_iteration
from agent.steps.speed import samples_allowed
from evaluators.statistics import FEWEST_SEEDS
from tools.durations import as_flag, exactly
from tools.text import counted


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
    if iteration > count > 1:
        return f"all {count} iterations are done"
    if iteration > count:
        return "the one iteration is done" if count else "the search has no iterations"
    config = context.config
    allowed = samples_allowed(context)
    return limit_reached(context.ledger.spent(), config.search, config.budget, allowed) or ""


def limit_reached(
    spent: Spent, search: SearchConfig, budget: BudgetConfig, allowed: float | None = None
) -> str | None:
    """Why no further iteration may begin: a limit is reached, or the rest is reserved for the finish.

    Args:
        spent: so far.
        search: for the trials that it takes.
        budget: of the whole study.
        allowed: training images that the limits in time come to (`agent.steps.speed`); None: by seconds.
    """
    if reason := exceeded(spent, budget):
        return reason
    plan = plan_finish(search)
    first = (1 + baseline_count(search)) * search.seeds
    if budget.trials is not None:
        reserved = floor(_reserved(plan, budget.trials - first, search))
        if spent.trials + trials_of_iteration(search) + reserved > budget.trials:
            kept = counted(reserved, "trial")
            return f"what is left of {counted(budget.trials, 'trial')} is kept for the finish ({kept})"
    trials = spent.trials + spent.reused_trials
    by_seconds = (
        (budget.training_seconds, spent.training_seconds, "training"),
        (budget.wall_clock, spent.wall_clock, "wall-clock time"),
    )
    by_images = ((allowed, spent.samples, "training images"),)
    for limit, used, unit in by_seconds if allowed is None else by_images:
        if limit is None or not trials:
            continue
        each = used / trials
        reserved_time = each * _reserved(plan, limit / each - first, search) if each else 0.0
        if used + trials_of_iteration(search) * each + reserved_time > limit:
            if unit == "training images":
                return (
                    f"what is left of the time, {limit:,.0f} training images in all, is kept for the finish "
                    f"({reserved_time:,.0f})"
                )
            left = f"what is left of {as_flag(limit)} of {unit}"
            return f"{left} is kept for the finish ({exactly(reserved_time)})"
    return None


def no_room_for(context: Context, trials: float) -> str | None:
    """Why so many more trials, each as long as those so far, do not fit beside an iteration and the finish; or None.

    They may be parts of a trial: what begins with the epochs of another counts for the rest.
    """
    config = context.config
    spent = _with_more(context.ledger.spent(), trials)
    return limit_reached(spent, config.search, config.budget, samples_allowed(context))


def _with_more(spent: Spent, trials: float) -> Spent:
    """The spending after so many more trials that take as long as the others did."""
    trained = spent.trials + spent.reused_trials
    seconds = trials * spent.training_seconds / trained if trained else 0.0
    images = round(trials * spent.samples / trained) if trained else 0
    return replace(
        spent,
        trials=spent.trials + ceil(trials - 1e-6),
        training_seconds=spent.training_seconds + seconds,
        wall_clock=spent.wall_clock + seconds,
        samples=spent.samples + images,
    )


def _reserved(plan: FinishPlan, left: float, search: SearchConfig) -> float:
    """How many trials are kept for the finish, of the `left` that the reference and the baselines left.

    At most half, so that a small budget still searches; but, beside one iteration, enough for what is
    recommended, no augmentation and the best baseline under as many fresh seeds as can show anything, since a search
    without a verdict is worth nothing.
    """
    verdict = plan.least // search.final_seeds * min(FEWEST_SEEDS, search.final_seeds)
    return min(plan.choice + plan.test, max(0.0, left / 2, min(verdict, left - trials_of_iteration(search))))

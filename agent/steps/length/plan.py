"""What the phase `length` goes by: what the study is planned to train, and what its limits leave room for."""

from dataclasses import replace

from agent.context import Context
from agent.memory.candidate import REFERENCE, baseline_count
from agent.steps.finish_plan import iteration_count, plan_finish, trials_of_iteration
from agent.steps.speed import allowed_at_first, limits_for, samples_allowed
from evaluators.length import times
from evaluators.length_costs import Costs, lengths_within
from evaluators.statistics import FEWEST_SEEDS
from tools.policy.named import DEFAULT
from tools.training.recipes import training_steps

LONGEST_STEPS = 65_536
"""Of the longest training that is tried."""
_FROM_SCRATCH, _FROM_WEIGHTS = 256, 64
"""Steps of the shortest training that is tried, unless a number is given."""


def planned_trials(context: Context) -> int:
    """Trials of the whole study by its plan, or as many as its budget allows; those for its length do not count."""
    search, limit = context.config.search, context.config.budget.trials
    plan = plan_finish(search)
    searched = (1 + baseline_count(search)) * search.seeds + iteration_count(search) * trials_of_iteration(
        search
    )
    planned = searched + plan.choice + plan.test
    return planned if limit is None else min(planned, limit)


def taken_by_length(context: Context) -> float:
    """Training images that the phase `length` took and that the rest of the study does not need anyway; 0 before it.

    It needs no augmentation at its length, and the default at the study's where that is a baseline.
    """
    lengths = context.lengths
    if lengths is None:
        return 0.0
    needed = {REFERENCE: lengths.reference}
    if DEFAULT in context.config.search.baselines:
        needed[DEFAULT] = lengths.epochs
    again = sum(tried.epochs for tried in lengths.tried if needed.get(tried.arm) == tried.epochs)
    return max(0.0, lengths.samples - again * lengths.seeds * images_of(context))


def images_of(context: Context) -> int:
    """Training images."""
    return context.data.size("train")


def steps_of(context: Context, epochs: int) -> int:
    """Steps of the optimiser in so many epochs."""
    return training_steps(context.recipe.model_copy(update={"epochs": epochs}), images_of(context))


def first_epochs(context: Context) -> int:
    """The shortest length that is tried."""
    steps = context.config.search.shortest_steps
    if steps == "auto":
        steps = _FROM_SCRATCH if context.config.model.weights is None else _FROM_WEIGHTS
    return max(1, round(steps / steps_of(context, 1)))


def costs_of(context: Context) -> Costs:
    """What trainings of this study cost."""
    search = context.config.search
    searched = (1 + baseline_count(search)) * search.seeds + trials_of_iteration(search)
    verdict = 2 * min(FEWEST_SEEDS, search.final_seeds)
    return Costs(
        images=images_of(context),
        trials=planned_trials(context),
        smallest=searched + verdict,
        allowance=samples_allowed(context),
    )


def costs_at_first(context: Context) -> Costs:
    """The same as it was known before anything was trained, also in a session that resumes: both decide alike."""
    return replace(costs_of(context), allowance=allowed_at_first(context))


def too_tight(context: Context, first: int) -> str:
    """That the limit in time is not enough for the smallest study, and what is; empty where it is.

    Args:
        context: whose speed was measured, if there is a limit.
        first: epochs of the shortest trainings.
    """
    costs = costs_at_first(context)
    longest = costs.longest()
    if longest is None or longest >= first:
        return ""
    needed = costs.smallest * first * costs.images
    return (
        f"The limit in time is enough for {costs.allowance:,.0f} training images, and not for this study: even "
        f"{costs.smallest} trainings of {times(first)} ({steps_of(context, first):,} steps), without which it has no "
        f"result, take {needed:,}. Raise the limit ({limits_for(context, needed)}), or take smaller images, a smaller "
        "model or fewer seeds (--seeds)."
    )


def range_line(context: Context, first: int, seeds: int) -> str:
    """How long the study may train, in words; how long it does is known after the phase.

    Args:
        context: of the study.
        first: epochs of the shortest trainings.
        seeds: of each arm in the phase.
    """
    costs = costs_at_first(context)
    last = lengths_within(costs, first, seeds, int(LONGEST_STEPS / steps_of(context, 1)))[-1]
    low, high = costs.study(first), costs.study(last)
    images = f"{low:,.0f} to {high:,.0f}" if low < high else f"{low:,.0f}"
    limited = "" if costs.allowance is None else f" (the time allows {costs.allowance:,.0f})"
    return (
        f"How long to train is found first: {first} to {last} epochs ({steps_of(context, first):,} to "
        f"{steps_of(context, last):,} steps). The study then trains up to {costs.trials} times, {images} training "
        f"images in all{limited}."
    )


def without_result(context: Context) -> int:
    """Epochs where lengths could not be compared: the recipe's, or fewer where a limit in time leaves no room.

    All that is planned should fit, but not at the price of trainings that are shorter than the shortest length.
    """
    costs, recipe = costs_at_first(context), context.recipe.epochs
    longest = costs.longest()
    if longest is None or costs.allowance is None:
        return recipe
    whole = int(costs.allowance // (costs.trials * costs.images))
    return max(1, min(recipe, longest, max(whole, first_epochs(context))))


def in_words(context: Context, epochs: int) -> str:
    """A number of epochs that was not found."""
    if epochs == context.recipe.epochs:
        return f"the recipe's {times(epochs)}"
    return f"{times(epochs)} ({steps_of(context, epochs):,} steps)"

"""Whether more trainings fit beside the test, for which a part of the budget is kept."""

from collections.abc import Sequence
from math import ceil

from agent.context import Context
from agent.steps.finish_plan import plan_finish, room_in_time
from agent.steps.speed import samples_allowed


def has_room(context: Context, trainings: Sequence[int], longest: int = 0) -> bool:
    """Whether the budget allows them, and then the test of no augmentation, the recommended and the best baseline.

    Limits in time are counted in training images, as everywhere, once the speed is known.

    Args:
        context: of the study.
        trainings: the epochs of each.
        longest: epochs of the longest candidate that may be recommended besides these.
    """
    budget, spent = context.config.budget.of_training, context.ledger.spent()
    if not budget.is_limited:
        return True
    search, usual = context.config.search, context.recipe.epochs
    least, fresh = plan_finish(search).least, search.final_seeds
    longest = max(usual, longest, *trainings)
    if budget.trials is not None and spent.trials + len(trainings) + least > budget.trials:
        return False
    allowed = samples_allowed(context)
    if allowed is not None:
        test = (least - fresh) * usual + fresh * longest
        return spent.samples + context.data.size("train") * (sum(trainings) + test) <= allowed
    left = room_in_time(spent, budget)
    if left is None:
        return True
    taken = sum(max(1, ceil(epochs / usual)) for epochs in trainings)
    return taken + least + fresh * (ceil(longest / usual) - 1) <= left

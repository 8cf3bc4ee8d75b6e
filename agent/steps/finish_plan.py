"""How many trials the finish takes, and how many a budget leaves room for. Pure: it trains nothing."""

from dataclasses import dataclass
from math import ceil, floor

from agent.memory.candidate import baseline_count, proposed_by_fixed
from agent.memory.ledger import Spent
from agent.settings.config import BudgetConfig, SearchConfig
from evaluators.length_costs import SECOND_LENGTHS
from tools.text import counted
from tools.training.recipes import COOLDOWN


@dataclass(frozen=True)
class FinishPlan:
    """Trials after the search, at most."""

    choice: int
    """More seeds of everything that may be recommended."""
    test: int
    """No augmentation, the baselines and a proposal under fresh seeds."""
    parts: int
    """The proposal's policy and its backgrounds alone under fresh seeds; only where it has both."""
    least: int
    """Of `test`: what the first sentence rests on, that is no augmentation, the recommended and its best rival."""
    lengths: int = 0
    """The leading contenders at another length (`second_lengths.py`), and those that are no proposal under fresh seeds
    beside themselves at the usual one: if they need it, and there is room."""


UNTIL_KNOWN = 8
"""Iterations that a study plans with whose number follows from its time, until that is settled."""


def iteration_count(search: SearchConfig) -> int:
    """How many iterations the search has; the arm `fixed` has one for each baseline that it proposes."""
    given = search.iterations
    if search.proposer != "fixed":
        return UNTIL_KNOWN if given == "auto" else given
    proposed = len(proposed_by_fixed(search))
    return proposed if given == "auto" else min(given, proposed)


def iterations_in_words(search: SearchConfig) -> str:
    """Their number, or that it is still to be settled."""
    if search.iterations == "auto" and search.proposer != "fixed":
        return "as many iterations as fit into the time"
    return counted(iteration_count(search), "iteration")


def trials_of_iteration(search: SearchConfig) -> int:
    """Trials that an iteration takes, at most: of one proposal, one a seed; of several, as they race (`racing.py`), or,
    where that is more, all measured cheaply and the best in full."""
    left, raced = search.candidates, 0
    for _ in range(search.seeds):
        raced, left = raced + left, ceil(left / 2)
    if search.candidates == 1:
        return raced
    return max(raced, ceil(search.seeds * (1 + search.candidates * COOLDOWN)))


def plan_finish(search: SearchConfig, found: bool = False) -> FinishPlan:
    """What the finish takes if the search has as many proposals as it may have finalists.

    Args:
        search: its settings.
        found: whether the study finds its length.
    """
    possible = min(search.top_k, iteration_count(search) * search.candidates)
    more = len(search.choice_seeds) - len(search.search_seeds)
    contenders = 1 + baseline_count(search) + possible
    tested = 1 + baseline_count(search) + min(possible, 1)
    others = 0
    if search.second_lengths == "on" or (search.second_lengths == "auto" and found):
        others = min(SECOND_LENGTHS, contenders - 1)
    return FinishPlan(
        choice=contenders * more if contenders > 1 else 0,
        test=tested * search.final_seeds,
        parts=2 * search.final_seeds if possible else 0,
        least=min(tested, 3) * search.final_seeds,
        lengths=others * search.seeds + min(others, baseline_count(search)) * search.final_seeds,
    )


def describe_finish(search: SearchConfig, found: bool = False) -> str:
    """How many trials the finish takes and what for, in a line; `found` as in `plan_finish`."""
    plan = plan_finish(search, found)
    possible = min(search.top_k, iteration_count(search) * search.candidates)
    among = ", ".join(
        filter(
            None,
            (
                "no augmentation",
                _count(baseline_count(search), "baseline"),
                _count(possible, "proposal"),
            ),
        )
    )
    choice = f"{plan.choice} more seeds to choose among {among}, " if plan.choice else ""
    parts = f"; {plan.parts} more if the best proposal has a policy and backgrounds" if plan.parts else ""
    lengths = (
        f"; up to {plan.lengths} more if the best are unfinished or over-trained" if plan.lengths else ""
    )
    return (
        f"up to {plan.choice + plan.test} trials: {choice}{plan.test} under {search.final_seeds} fresh seeds for the "
        f"test{parts}{lengths}"
    )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}" if number else ""


def room_in_time(spent: Spent, budget: BudgetConfig) -> int | None:
    """How many more trials fit into the limits in time, by what trials took that were trained; None without any.

    Reused trials took no time here.
    """
    rooms = []
    for limit, used in (
        (budget.training_seconds, spent.training_seconds),
        (budget.wall_clock, spent.wall_clock),
    ):
        if limit is not None and spent.trials and used > 0:
            rooms.append(floor((limit - used) / (used / spent.trials)))
    return max(0, min(rooms)) if rooms else None

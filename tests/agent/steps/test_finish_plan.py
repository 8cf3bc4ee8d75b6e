"""How many trials the finish takes, and how many a budget leaves."""

import pytest

from agent.memory.ledger import Spent
from agent.settings.config import BudgetConfig, SearchConfig
from agent.steps.finish_plan import (
    FinishPlan,
    describe_finish,
    plan_finish,
    room_in_time,
    trials_of_iteration,
)

BASELINES = ["trivial_augment_wide", "aug_mix"]


@pytest.mark.parametrize(
    ("search", "plan"),
    [
        # the reference, 2 baselines and 2 finalists × 2 more seeds; 5 fresh seeds of the reference, 2 baselines and
        # a proposal; its 2 parts; at least the reference, the recommended and a baseline
        (SearchConfig(baselines=BASELINES), FinishPlan(10, 20, 10, 15)),
        (SearchConfig(baselines=BASELINES, top_k=1), FinishPlan(8, 20, 10, 15)),
        (SearchConfig(baselines=BASELINES, iterations=1, top_k=3), FinishPlan(8, 20, 10, 15)),
        (SearchConfig(baselines=BASELINES, choosing_seeds=2), FinishPlan(0, 20, 10, 15)),
        (SearchConfig(baselines=[], final_seeds=3, choosing_seeds=4, top_k=3), FinishPlan(4, 6, 6, 6)),
        (SearchConfig(baselines=BASELINES, iterations=0), FinishPlan(6, 15, 0, 15)),
        (SearchConfig(baselines=[], iterations=0), FinishPlan(0, 5, 0, 5)),
        # its iterations are the baselines
        (SearchConfig(proposer="fixed", baselines=BASELINES), FinishPlan(6, 10, 10, 10)),
        (SearchConfig(proposer="fixed", baselines=["default", "aug_mix"]), FinishPlan(6, 15, 10, 15)),
    ],
)
def test_the_finish_takes(search, plan):
    assert plan_finish(search) == plan


def test_the_opening_line_says_how_many_trials_and_what_for():
    line = describe_finish(SearchConfig(baselines=BASELINES))
    assert line.startswith(
        "up to 30 trials: 10 more seeds to choose among no augmentation, 2 baselines, 2 proposals, 20 under 5 fresh"
    )
    assert "choose" not in describe_finish(SearchConfig(choosing_seeds=3)).partition(";")[0]


def test_where_the_length_is_found_the_leading_contenders_may_be_trained_at_another():
    search = SearchConfig(baselines=BASELINES)
    # 2 of them × 3 seeds; where both are baselines, 5 fresh seeds of each, besides those of the usual length
    assert plan_finish(search, found=True).lengths == 6 + 10
    # a proposal takes the place of itself
    assert plan_finish(SearchConfig(baselines=[], iterations=1, seeds=2), found=True).lengths == 2
    assert plan_finish(SearchConfig(second_lengths="off"), found=True).lengths == 0
    assert plan_finish(SearchConfig(baselines=["aug_mix"], second_lengths="on")).lengths == 6 + 5
    assert describe_finish(search, found=True).endswith(
        "; up to 16 more if the best are unfinished or over-trained"
    )
    assert "unfinished" not in describe_finish(search)


def test_a_budget_leaves_room_for():
    spent = Spent(trials=10, training_seconds=100.0, wall_clock=150.0)
    assert room_in_time(spent, BudgetConfig()) is None
    assert room_in_time(spent, BudgetConfig(dollars=1.0)) is None
    assert room_in_time(spent, BudgetConfig(trials=100, training_seconds=145.0)) == 4
    assert room_in_time(spent, BudgetConfig(training_seconds=500.0, wall_clock=165.0)) == 1


def test_reused_trials_say_nothing_of_how_long_a_trial_takes():
    trained = Spent(trials=10, training_seconds=1000.0)
    reused = Spent(trials=10, reused_trials=20, training_seconds=1000.0)
    limit = BudgetConfig(training_seconds=2000.0)
    assert room_in_time(reused, limit) == room_in_time(trained, limit) == 10
    assert room_in_time(Spent(reused_trials=20, wall_clock=5.0), BudgetConfig(wall_clock=60.0)) is None


@pytest.mark.parametrize("seed", [0, 1, 3, 5, 2**31 - 1])
def test_fresh_seeds_are_those_of_no_search_and_no_choice_whatever_the_first_seed(seed):
    """Not even of another study: its choice would have been made by them."""
    most = SearchConfig(seed=2**31 - 1, seeds=100, choosing_seeds=100).choice_seeds
    search = SearchConfig(seed=seed, final_seeds=100)
    assert min(search.fresh_seeds) > max(most)
    assert search.search_seeds == search.choice_seeds[: search.seeds]


def test_studies_with_other_first_seeds_have_other_fresh_seeds():
    """Else the second of them would repeat the test of the first, and not replicate it."""
    found = [set(SearchConfig(seed=seed, final_seeds=100).fresh_seeds) for seed in range(4)]
    assert all(not one & other for one in found for other in found if one is not other)
    assert SearchConfig(seed=2, seeds=1).fresh_seeds == SearchConfig(seed=2, seeds=9).fresh_seeds


@pytest.mark.parametrize(
    ("candidates", "seeds", "trials"),
    [
        (1, 3, 3),
        (4, 3, 7),  # 4, the better 2, the best
        (5, 3, 10),  # 5, 3, 2
        (4, 1, 4),
        (2, 3, 5),  # racing takes 2, 1, 1; measured cheaply 6 quarters and 3
    ],
)
def test_an_iteration_takes(candidates, seeds, trials):
    assert trials_of_iteration(SearchConfig(candidates=candidates, seeds=seeds)) == trials

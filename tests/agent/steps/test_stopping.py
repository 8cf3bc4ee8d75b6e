"""When no further iteration may begin."""

from dataclasses import replace

from agent.memory.ledger import Spent
from agent.settings.config import BudgetConfig, SearchConfig
from agent.steps.stopping import limit_reached

SEARCH = SearchConfig(seeds=2, choosing_seeds=2, final_seeds=3, top_k=1, baselines=["trivial_augment_wide"])
"""The reference and the baseline take 4 trials; the finish 9: these two and the choice under 3 fresh seeds."""


def test_without_a_limit_nothing_stops_the_search():
    assert limit_reached(Spent(trials=1000, training_seconds=1e6), SEARCH, BudgetConfig()) is None


def test_trials_are_reserved_for_the_finish():
    budget = BudgetConfig(trials=31)
    assert limit_reached(Spent(trials=20), SEARCH, budget) is None
    assert "(9 trials)" in (limit_reached(Spent(trials=21), SEARCH, budget) or "")


def test_at_most_half_of_what_the_reference_left_is_reserved():
    search, budget = SEARCH.model_copy(update={"final_seeds": 5}), BudgetConfig(trials=24)
    assert limit_reached(Spent(trials=12), search, budget) is None
    assert "(10 trials)" in (limit_reached(Spent(trials=13), search, budget) or "")


def test_enough_is_reserved_to_show_something_but_not_the_first_iteration():
    """Three fresh seeds of the reference, the recommended and the best baseline are 9 trials; one iteration is 2."""
    budget = BudgetConfig(trials=16)
    assert limit_reached(Spent(trials=4), SEARCH, budget) is None
    assert "(9 trials)" in (limit_reached(Spent(trials=6), SEARCH, budget) or "")
    assert limit_reached(Spent(trials=4), SEARCH, BudgetConfig(trials=7)) is None
    assert "(1 trial)" in (limit_reached(Spent(trials=6), SEARCH, BudgetConfig(trials=7)) or "")


def test_without_baselines_the_reference_and_the_recommended_are_enough():
    alone = SEARCH.model_copy(update={"baselines": []})
    assert "(6 trials)" in (limit_reached(Spent(trials=5), alone, BudgetConfig(trials=12)) or "")


def test_time_is_reserved_by_what_a_trial_took():
    for limit in ("training_seconds", "wall_clock"):
        budget = BudgetConfig.model_validate({limit: 310.0})
        assert limit_reached(replace(Spent(trials=20), **{limit: 200.0}), SEARCH, budget) is None
        assert "(1 min 30 s)" in (
            limit_reached(replace(Spent(trials=21), **{limit: 210.0}), SEARCH, budget) or ""
        )


def test_a_limit_that_is_reached_is_the_reason():
    assert "3 LLM calls" in (limit_reached(Spent(llm_calls=3), SEARCH, BudgetConfig(llm_calls=3)) or "")


def test_a_limit_in_time_that_became_training_images_is_planned_by_these():
    """Twenty trials of 1,000 images each; the finish keeps 9, and the next iteration takes 2."""
    budget = BudgetConfig(wall_clock=1e6)
    spent = Spent(trials=15, reused_trials=5, samples=20_000)
    assert limit_reached(spent, SEARCH, budget, allowed=31_000) is None
    reason = limit_reached(spent, SEARCH, budget, allowed=30_999)
    assert reason == "what is left of the time, 30,999 training images in all, is kept for the finish (9,000)"
    late = replace(spent, wall_clock=2e6)
    assert "11d13h46m40s of wall-clock time is spent" in (
        limit_reached(late, SEARCH, budget, allowed=1e9) or ""
    )

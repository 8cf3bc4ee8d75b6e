"""When no further iteration may begin."""

from dataclasses import replace

from agent.memory.ledger import Spent
from agent.settings.config import BudgetConfig, SearchConfig
from agent.steps.stopping import limit_reached

SEARCH = SearchConfig(seeds=2, final_seeds=3, top_k=1, baselines=["trivial_augment_wide"])
"""The reference and the baseline take 4 trials; the finish 3: one more seed of each contender."""


def test_without_a_limit_nothing_stops_the_search():
    assert limit_reached(Spent(trials=1000, training_seconds=1e6), SEARCH, BudgetConfig()) is None


def test_trials_are_reserved_for_the_finish():
    budget = BudgetConfig(trials=13)
    assert limit_reached(Spent(trials=8), SEARCH, budget) is None
    assert "(3 trials)" in (limit_reached(Spent(trials=9), SEARCH, budget) or "")


def test_at_most_half_of_what_the_reference_left_is_reserved():
    assert limit_reached(Spent(trials=4), SEARCH, BudgetConfig(trials=7)) is None
    assert "(1 trials)" in (limit_reached(Spent(trials=5), SEARCH, BudgetConfig(trials=7)) or "")


def test_time_is_reserved_by_what_a_trial_took():
    for limit in ("training_seconds", "wall_clock"):
        budget = BudgetConfig.model_validate({limit: 130.0})
        assert limit_reached(replace(Spent(trials=8), **{limit: 80.0}), SEARCH, budget) is None
        assert "(30 s)" in (limit_reached(replace(Spent(trials=9), **{limit: 90.0}), SEARCH, budget) or "")


def test_a_limit_that_is_reached_is_the_reason():
    assert "3 LLM calls" in (limit_reached(Spent(llm_calls=3), SEARCH, BudgetConfig(llm_calls=3)) or "")

"""What is left of a budget, told to whoever proposes."""

from agent.memory.ledger import Spent
from agent.memory.remaining import describe_remaining
from agent.settings.config import BudgetConfig

SPENT = Spent(
    wall_clock=3700,
    training_seconds=95.6,
    trials=9,
    reused_trials=4,
    llm_calls=12,
    input_tokens=1500,
    output_tokens=700,
    dollars=0.25,
)


def left(**limits: float) -> str:
    return describe_remaining(SPENT, BudgetConfig.model_validate(limits))


def test_each_limit_is_told_as_what_is_left_of_it() -> None:
    told = left(
        trials=24, training_seconds=600, wall_clock=14400, llm_calls=40, tokens=100_000, dollars=2
    ).split("; ")
    assert told == [
        "15 of 24 trials",
        "8 min 24 s of 10 min of training",
        "2 h 58 min of 4 h of running time",
        "28 of 40 calls of the language model",
        "97,800 of 100,000 tokens",
        "$1.75 of $2.00",
    ]


def test_without_limits_nothing_is_told_and_never_what_was_spent() -> None:
    assert left() == ""
    assert left(trials=10) == "1 of 10 trials"


def test_what_is_overspent_is_nothing_left() -> None:
    assert left(trials=5, training_seconds=30) == "0 of 5 trials; 0 s of 30 s of training"

"""What a race says of a language model's arm against the default policy."""

from types import SimpleNamespace
from typing import Any

from evaluators.race.result import ArmResult, RaceResult, llm_lines
from evaluators.statistics import Interval

SHIFTS = "translate(p=0.8, fraction=0.08)"


def arm(name: str, line: str, gain: float | None) -> ArmResult:
    over: Any = None
    if gain is not None:
        interval = Interval(gain, gain - 0.02, gain + 0.02, 5)
        over = SimpleNamespace(verdict=SimpleNamespace(over_both=interval), kind="not shown", adjusted=0.5)
    return ArmResult(
        name=name, lines=(line,), test=None, by_seed={}, over_default=over, over_none=None, searches=()
    )


def result(*arms: ArmResult) -> RaceResult:
    return RaceResult("race", "", (), "accuracy", arms, (), (), None, None, 5, 100, 24, 2, "")


def test_an_arm_that_ended_with_the_default_policy_has_no_interval_to_be_told():
    found = llm_lines(
        result(
            arm("default", SHIFTS, None),
            arm("llm", "rotate(p=0.5, degrees=9)", 0.01),
            arm("hybrid", SHIFTS, 0.0),
            arm("tpe", "rotate(p=0.2, degrees=9)", 0.02),
        ),
        asking=("llm", "hybrid"),
    )
    assert found == [
        "llm minus the default policy on the test set: +1.0 points (−1.0 to +3.0), not shown to differ (p = 0.5)",
        "hybrid ended with the default policy: its proposals were no better on validation",
    ]

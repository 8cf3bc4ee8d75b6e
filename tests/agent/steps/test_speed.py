"""Limits in time as training images: measured once, and then read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.memory.ledger import Spent
from agent.settings.config import BudgetConfig
from agent.steps.speed import (
    allowed_at_first,
    limits_for,
    measure_speed,
    read_speed,
    samples_allowed,
    settle_speed,
)
from tools.errors import AugurError
from tools.training.types import Timing, TrialResult


class Said:
    """Stands for the terminal."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def context_of(folder: Path, workers: int = 2, **budget: float) -> Any:
    config = SimpleNamespace(budget=BudgetConfig.model_validate(budget))
    return SimpleNamespace(folder=folder, config=config, machines=[{}] * workers, terminal=Said(), timings=[])


def trial(images: int, seconds: float) -> tuple[int, TrialResult]:
    return images, TrialResult("k", 0, "finished", seconds=seconds)


def test_the_speed_is_measured_once_and_told(tmp_path: Path):
    context = context_of(tmp_path, training_seconds=60)
    assert samples_allowed(context) is None
    settle_speed(context, [trial(1_000, 10), trial(3_000, 10)])
    assert samples_allowed(context) == 60 * 200
    assert "One trial trains 200 images/s" in context.terminal.lines[0]
    assert "12,000 training images in all" in context.terminal.lines[0]
    settle_speed(context, [trial(1_000, 1)])
    assert samples_allowed(context) == 60 * 200


def test_wall_clock_time_counts_for_every_worker_and_the_tighter_limit_holds(tmp_path: Path):
    settle_speed(context_of(tmp_path, wall_clock=60), [trial(100, 1)])
    assert samples_allowed(context_of(tmp_path, wall_clock=60)) == 60 * 100 * 2
    assert samples_allowed(context_of(tmp_path, wall_clock=60, training_seconds=70)) == 70 * 100


def test_a_limit_that_is_changed_when_a_study_resumes_counts_by_the_speed_that_was_measured(tmp_path: Path):
    settle_speed(context_of(tmp_path, wall_clock=60), [trial(100, 1)])
    assert samples_allowed(context_of(tmp_path, workers=8, wall_clock=90)) == 90 * 100 * 2


def test_without_a_limit_in_time_nothing_is_measured(tmp_path: Path):
    settle_speed(context_of(tmp_path, trials=5), [trial(100, 1)])
    assert read_speed(tmp_path) is None


def test_trials_that_say_nothing_of_the_speed_leave_it_unknown(tmp_path: Path):
    settle_speed(context_of(tmp_path, wall_clock=60), [trial(0, 1), trial(100, 0)])
    assert read_speed(tmp_path) is None


def before_training(context: Any, *timings: Timing) -> Any:
    """A study of 100 training and 50 validation images that has run for 10 s, whose workers measure `timings`."""
    context.data = SimpleNamespace(size={"train": 100, "validation": 50}.__getitem__)
    context.ledger = SimpleNamespace(spent=lambda: Spent(wall_clock=10.0))
    context.executor = SimpleNamespace(time_trials=lambda spec, scratch: list(timings))
    return context


TIMING = Timing(training=50.0, evaluation=100.0, start=4.0)
"""A trial of 10 epochs: 4 s, 10 × (2 s + 0.5 s), and 1 s for its training images: 30 s for 1,000 images."""


def test_the_speed_is_measured_before_anything_is_trained_and_never_again(tmp_path: Path):
    context = before_training(context_of(tmp_path, training_seconds=60, wall_clock=100), TIMING, TIMING)
    measure_speed(context, spec=None, epochs=10)  # type: ignore[arg-type]  # its workers are not real
    assert read_speed(tmp_path) is not None
    assert samples_allowed(context) == allowed_at_first(context) == pytest.approx(60 * 1000 / 30)
    only_clock = context_of(tmp_path, wall_clock=40)
    assert samples_allowed(only_clock) == pytest.approx((40 - 10) * 1000 / 30 * 2)
    measure_speed(before_training(context, Timing(1.0, 1.0, 0.0)), spec=None, epochs=10)  # type: ignore[arg-type]
    assert samples_allowed(context) == pytest.approx(60 * 1000 / 30)
    assert len(context.terminal.lines) == 1


def test_where_no_worker_can_measure_it_the_first_trials_do(tmp_path: Path):
    context = before_training(context_of(tmp_path, training_seconds=60))
    measure_speed(context, spec=None, epochs=10)  # type: ignore[arg-type]
    assert read_speed(tmp_path) is None
    settle_speed(context, [trial(1_000, 10)])
    assert samples_allowed(context) == 6_000
    assert allowed_at_first(context) is None


def test_the_limits_that_are_too_low_are_named_with_what_they_should_be(tmp_path: Path):
    context = context_of(tmp_path, training_seconds=60, wall_clock=3_000)
    settle_speed(context, [trial(100, 1)])
    assert limits_for(context, 20_000) == "--budget.training_seconds 3m30s"
    assert limits_for(context, 1_000) == ""


def test_a_damaged_file_is_named_with_its_remedy(tmp_path: Path):
    (tmp_path / "speed.json").write_text("{}")
    with pytest.raises(AugurError, match=r"speed.json.*delete it: the speed is then measured again"):
        read_speed(tmp_path)

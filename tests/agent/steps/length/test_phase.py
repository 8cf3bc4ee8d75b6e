"""What the phase `length` makes of trainings whose outcome is known."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.memory.candidate import REFERENCE
from agent.memory.length_file import Lengths
from agent.steps.length import phase as module
from agent.steps.length.phase import DEFAULT, Phase
from agent.steps.length.report import length_facts
from evaluators.length import Point

IMAGES = 300


def point(epochs: int, loss: float) -> Point:
    draw = np.random.default_rng(epochs)
    noise = draw.normal(0, 0.02, IMAGES)
    return Point(epochs, 0.5, loss, {0: loss + noise - noise.mean()})


@pytest.fixture
def phase(monkeypatch: pytest.MonkeyPatch) -> Phase:
    """Its trainings are over; no augmentation answers as who has learnt nothing, and the default learns."""
    chance = float(np.log(2))
    made = Phase.__new__(Phase)
    made.context = SimpleNamespace(fold_count=None, recipe=SimpleNamespace(epochs=30))  # type: ignore[assignment]
    made.seeds, made.images, made.samples, made.note, made.warning = [0], 100, 0, "", ""
    made.start = SimpleNamespace(policy=None)  # type: ignore[assignment]
    made.epochs, made.constant = [6, 12, 24, 48], {0: np.full(IMAGES, chance)}
    made.points = {
        REFERENCE: [point(epochs, chance) for epochs in made.epochs],
        DEFAULT: [
            point(epochs, loss) for epochs, loss in zip(made.epochs, (0.69, 0.66, 0.6, 0.5), strict=True)
        ],
    }
    made.__dict__["groups"] = None
    costs: Any = SimpleNamespace(study=lambda epochs: 0, affordable=lambda epochs: 51)
    monkeypatch.setattr(module, "one_line", lambda policy: "")
    monkeypatch.setattr(module, "planned_trials", lambda context: 51)
    monkeypatch.setattr(module, "costs_of", lambda context: costs)
    monkeypatch.setattr(module, "steps_of", lambda context, epochs: epochs)
    return made


def test_no_augmentation_that_has_learnt_nothing_trains_as_long_as_all_others(phase: Phase):
    found = phase.outcome(None)
    assert (found.epochs, found.reference, found.found) == (48, 48, True)
    assert "No augmentation has learnt nothing in up to 48 epochs" in found.sentence


def test_the_report_calls_no_length_the_best_of_what_has_learnt_nothing(phase: Phase):
    context: Any = SimpleNamespace(lengths=phase.outcome(None))
    assert length_facts(context) == [
        ("length of training", "48 epochs, found first, the same for no augmentation")
    ]
    context.lengths = Lengths(48, 6, True, "")
    assert length_facts(context)[0][1].endswith("no augmentation: 6 epochs, its own best length")

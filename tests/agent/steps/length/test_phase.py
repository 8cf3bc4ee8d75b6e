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


def folds(monkeypatch: pytest.MonkeyPatch, count: int | None, seeds: int, patients: bool = False) -> Phase:
    """A phase of so many seeds, whose folds have 60 images each."""

    def view(spec: Any) -> Any:
        first = 60 * (spec.seed % (count or 1))
        return SimpleNamespace(groups=[f"{(first + place) // (3 if patients else 1)}" for place in range(60)])

    made = Phase.__new__(Phase)
    made.context = SimpleNamespace(fold_count=count)  # type: ignore[assignment]
    made.seeds, made.constant = range(seeds), {}
    monkeypatch.setattr(Phase, "candidate", lambda self, arm, epochs: arm)
    monkeypatch.setattr(module, "trial_spec", lambda context, candidate, seed: SimpleNamespace(seed=seed))
    monkeypatch.setattr(module, "validation_view", view)
    return made


@pytest.mark.parametrize("seeds", [3, 4, 5])
def test_images_that_seeds_of_one_fold_share_are_one_draw(monkeypatch: pytest.MonkeyPatch, seeds: int):
    """The noise that is said is the spread of the fall over many made studies."""
    draw, made, noises, falls = np.random.default_rng(0), folds(monkeypatch, 2, seeds), [], []
    for _ in range(400):
        hard = draw.normal(0, 1, (2, 60))
        losses = {seed: hard[seed % 2] + draw.normal(0, 0.1, 60) for seed in range(seeds)}
        longer = {seed: np.zeros(60) for seed in losses}
        made.points = {REFERENCE: [Point(8, 0, 0, losses), Point(16, 0, 0, longer)], DEFAULT: []}
        curve = made.curve(REFERENCE)
        own = curve.change(*curve.points)
        by_seed = np.array([each.mean() for each in losses.values()])
        noises.append(np.sqrt(own.noise**2 - by_seed.var(ddof=1) / seeds))
        falls.append(own.fall)
    assert np.mean(noises) == pytest.approx(np.std(falls), rel=0.1)


def test_groups_are_named_only_where_they_matter(monkeypatch: pytest.MonkeyPatch):
    for count, seeds in ((None, 3), (1, 3), (3, 3), (4, 3)):
        assert folds(monkeypatch, count, seeds).groups is None
        assert folds(monkeypatch, count, seeds, patients=True).groups is not None
    assert folds(monkeypatch, 2, 3).groups is not None

"""What a limit in time must leave room for when a study finds its length."""

from types import SimpleNamespace
from typing import Any

import pytest

from agent.memory.candidate import baseline_count
from agent.settings.config import BudgetConfig, SearchConfig, StudyConfig
from agent.steps.length import plan

IMAGES = 100


def context_of(**search: object) -> Any:
    config = StudyConfig(
        search=SearchConfig.model_validate({"proposer": "random", **search}),
        budget=BudgetConfig(wall_clock=900),
    )
    return SimpleNamespace(config=config, data=SimpleNamespace(size=lambda split: IMAGES))


@pytest.mark.parametrize(
    "search", [{}, {"baselines": []}, {"baselines": ["rand_augment", "aug_mix", "trivial_augment_wide"]}]
)
def test_all_that_is_trained_before_the_verdict_fits_at_a_length_that_is_tried(search, monkeypatch):
    context = context_of(**search)
    settings = context.config.search
    before = (1 + baseline_count(settings) + 1) * settings.seeds
    """Trainings of the reference, the baselines and one iteration: nothing of these is left out for want of time."""
    monkeypatch.setattr(plan, "samples_allowed", lambda _context: 10.0 * (before + 6) * IMAGES)

    costs = plan.costs_of(context)

    assert costs.longest() == 10
    assert costs.fits(10, spent=0)
    assert not costs.fits(10, spent=1)
    assert not costs.fits(11, spent=0)

"""The shortest length that a study tries."""

from types import SimpleNamespace
from typing import Any

import pytest

from agent.settings.config import SearchConfig, StudyConfig
from agent.steps.length.plan import first_epochs
from tools.training.config import ModelConfig, TrainingConfig
from tools.training.recipes import resolve_recipe


@pytest.mark.parametrize(
    ("weights", "steps", "epochs"),
    [
        (None, "auto", 28),
        ("pretrained", "auto", 7),
        ("mine.pth", "auto", 7),
        ("pretrained", 180, 20),
        (None, 1, 1),
    ],
)
def test_weights_to_start_from_need_fewer_steps_unless_a_number_is_given(weights, steps, epochs):
    config = StudyConfig(model=ModelConfig(weights=weights), search=SearchConfig(shortest_steps=steps))
    recipe = resolve_recipe(TrainingConfig(batch_size=32))
    context: Any = SimpleNamespace(config=config, recipe=recipe, data=SimpleNamespace(size=lambda split: 276))
    assert first_epochs(context) == epochs

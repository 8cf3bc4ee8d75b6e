"""The look at twice a length that was given."""

from types import SimpleNamespace
from typing import Any

import pytest

from agent.memory.ledger import Spent
from agent.settings.config import SearchConfig, StudyConfig, TrainingConfig
from agent.steps.length import finding
from evaluators.length_costs import Costs


@pytest.mark.parametrize("counted", [0, 2_000, 4_000])
def test_after_a_kill_the_check_has_the_room_that_it_had(monkeypatch: pytest.MonkeyPatch, counted: int):
    """What it trained before is in the ledger, and takes none of the room a second time."""
    begun: list[str] = []

    class Begun(Exception):
        """The check has room."""

    def train_at(epochs: int) -> None:
        begun.append(f"{epochs} epochs")
        raise Begun

    phase = SimpleNamespace(images=100, train_at=train_at)
    reference = 6_000
    costs = Costs(images=100, trials=40, smallest=10, allowance=10 * 10 * 100 + reference + 4_000)
    monkeypatch.setattr(finding, "Phase", lambda context, seeds: phase)
    monkeypatch.setattr(finding, "costs_of", lambda context: costs)
    context: Any = SimpleNamespace(
        config=StudyConfig(search=SearchConfig(check_length="on"), training=TrainingConfig(epochs=10)),
        recipe=SimpleNamespace(epochs=10),
        lengths=None,
        ledger=SimpleNamespace(spent=lambda: Spent(samples=reference + counted)),
        terminal=SimpleNamespace(note=begun.append),
    )
    with pytest.raises(Begun):
        finding.check_length(context, reference)
    assert finding.check_length(context, reference + 1) is None
    assert begun == ["10 epochs", "The budget leaves no room for a look at twice the length."]

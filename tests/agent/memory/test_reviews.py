"""Notes of people on a study: added one by one, and read apart."""

from pathlib import Path

import pytest

from agent.memory import Tracking
from agent.memory.reviews import NOTE_TAG, add_note, reviewer_notes
from agent.memory.tracking.store import sqlite_uri
from tools.errors import AugurError


def test_notes_are_added_after_each_other_each_once(runs: Path) -> None:
    store = Tracking(sqlite_uri(runs / "mlflow.db"), runs / "artifacts")
    store.open_study("notes", "s", {"metric": "accuracy"}, {})
    store.client.set_tag(store.study_run, NOTE_TAG, "The scanner blurs:\ntry blur.")
    for _ in range(2):  # a delivery may be repeated
        add_note(store, "Class 3 is\nmislabelled.")
    assert reviewer_notes(store) == ("The scanner blurs: try blur.", "Class 3 is mislabelled.")
    for number in range(5):
        add_note(store, f"{number} " + "x" * 900)
    with pytest.raises(AugurError, match="shorten the tag 'note'"):
        add_note(store, "y" * 900)
    assert len(store.study_tags()[NOTE_TAG]) <= 5_000

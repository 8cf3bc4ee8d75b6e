"""What a model keeps from one prompt to the next: its notebook, and what it looked up. Bounded."""

import json
from typing import Any

from agent.memory.history import History
from agent.memory.look_ups import NOTEBOOK, LookUp, without_repeats

MOST_LOOK_UPS = 16
LONGEST_IN_ALL = 12_000
"""Characters of all look-ups together."""


def notes_in(answer: str) -> str:
    """The notes in the JSON of an answer that is no proposal; empty where there are none, or too long ones."""
    try:
        data = json.loads(answer)
    except (ValueError, RecursionError):
        return ""
    notes = data.get("notes", "") if isinstance(data, dict) else ""
    return notes if isinstance(notes, str) and len(notes) <= NOTEBOOK else ""


def kept_values(history: History, feedback: bool) -> dict[str, Any]:
    """The values of the template `kept`."""
    look_ups = without_repeats(history.notebook.look_ups)
    shown = _latest(look_ups)
    return {
        "reviewer_notes": history.reviewer_notes,
        "notes": history.notebook.notes if feedback else "",
        "look_ups": shown,
        "not_shown": len(look_ups) - len(shown),
    }


def _latest(look_ups: tuple[LookUp, ...]) -> list[LookUp]:
    """The latest look-ups that there is room for, oldest first."""
    kept: list[LookUp] = []
    room = LONGEST_IN_ALL
    for each in reversed(look_ups[-MOST_LOOK_UPS:]):
        room -= len(each.asked) + len(each.found)
        if room < 0:
            break
        kept.append(each)
    return list(reversed(kept))

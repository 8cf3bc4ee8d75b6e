"""What a model keeps from one prompt to the next: its notebook, and what it looked up. Bounded."""

import json
from collections.abc import Iterable
from typing import Any

from agent.memory.history import History, Rejection
from agent.memory.look_ups import NOTEBOOK, LookUp, without_repeats

MOST_LOOK_UPS = 16
LONGEST_IN_ALL = 12_000
"""Characters of all look-ups together."""


def notes_of(proposals: Iterable[str], rejections: Iterable[Rejection]) -> str:
    """The notebook: what was written last, in an accepted proposal or in one that was refused since.

    A proposal with an empty one leaves it as it was.

    Args:
        proposals: notes of the accepted proposals, oldest first.
        rejections: of this iteration, oldest first.
    """
    written = [*proposals, *(_notes_in(rejection.answer) for rejection in rejections)]
    return next((notes for notes in reversed(written) if notes.strip()), "")


def _notes_in(answer: str) -> str:
    """The notes in the JSON of a refused proposal; empty where it is none, or where they were too long."""
    try:
        data = json.loads(answer)
    except (ValueError, RecursionError):
        return ""
    notes = data.get("notes", "") if isinstance(data, dict) else ""
    return notes if isinstance(notes, str) and len(notes) <= NOTEBOOK else ""


def kept_values(history: History, feedback: bool) -> dict[str, Any]:
    """The values of the template `kept`."""
    shown = _latest(without_repeats(history.look_ups))
    return {
        "notes": history.notes if feedback else "",
        "look_ups": shown,
        "not_shown": len(without_repeats(history.look_ups)) - len(shown),
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

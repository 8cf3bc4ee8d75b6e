"""Limits in time as training images: the speed is measured once in a study and written down.

The search plans by images from then on, so that a study that is resumed, or repeated with the trials that it has, ends
in the same place however busy the machine is. The limit itself stays a limit in time: it still stops what runs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.context import Context
from tools.errors import AugurError
from tools.files import read_json, write_json
from tools.training.types import TrialResult

NAME = "speed.json"


@dataclass(frozen=True)
class Speed:
    """How fast this study trains."""

    images_per_second: float
    """Training images of one trial in a second, its validation included."""
    workers: int
    """Trials at a time."""


def settle_speed(context: Context, trials: Iterable[tuple[int, TrialResult]]) -> None:
    """Measure the speed by trials that have ended, (training images, result) each, unless it was measured before."""
    file = context.folder / NAME
    if not _limited(context) or file.exists():
        return
    found = [(samples, result.seconds) for samples, result in trials if samples and result.seconds]
    if not found:
        return
    speed = sum(samples for samples, _ in found) / sum(seconds for _, seconds in found)
    write_json(file, {"images_per_second": speed, "workers": len(context.machines)})
    allowed = samples_allowed(context)
    assert allowed is not None
    context.terminal.note(
        f"One trial trains {speed:,.0f} images/s; what the budget allows in time is {allowed:,.0f} training images in "
        "all, and the study is planned by these."
    )


def read_speed(folder: Path) -> Speed | None:
    """The speed that was written down; None where it was not measured yet.

    Raises:
        AugurError: the file is damaged.
    """
    file = folder / NAME
    if not file.exists():
        return None
    try:
        content = read_json(file)
        return Speed(float(content["images_per_second"]), int(content["workers"]))  # type: ignore[index]
    except (TypeError, KeyError, ValueError) as error:
        raise AugurError(
            f"{file}, by which limits in time are turned into training images, is damaged. Restore it from a backup, "
            "or delete it: the speed is then measured again."
        ) from error


def samples_allowed(context: Context) -> float | None:
    """Training images that the limits in time allow the whole study; None without a limit, or before it is known."""
    speed = read_speed(context.folder) if _limited(context) else None
    if speed is None:
        return None
    budget, rate = context.config.budget, speed.images_per_second
    limits = [
        *([] if budget.training_seconds is None else [budget.training_seconds * rate]),
        *([] if budget.wall_clock is None else [budget.wall_clock * rate * speed.workers]),
    ]
    return min(limits)


def _limited(context: Context) -> bool:
    budget = context.config.budget
    return budget.training_seconds is not None or budget.wall_clock is not None

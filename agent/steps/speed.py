"""Limits in time as training images: the speed is measured once in a study and written down.

Where the study finds its own length, it is measured before anything is trained, by a few batches; else, and where
trials run side by side in packs, by the first trials.

The search plans by images from then on, so that a study that is resumed, or repeated with the trials that it has, ends
in the same place however busy the machine is. The limit itself stays a limit in time: it still stops what runs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import fmean
from typing import Any

from agent.context import Context
from tools.disk import disk_errors_explained
from tools.durations import as_flag
from tools.files import read_understood, write_json
from tools.training.config import TrialSpec
from tools.training.types import Timing, TrialResult

NAME = "speed.json"


@dataclass(frozen=True)
class Speed:
    """How fast this study trains."""

    images_per_second: float
    """Training images of one trial in a second, its validation included."""
    workers: int
    """Trials at a time."""
    first: bool = False
    """Whether it was measured before anything was trained."""
    begun: float = 0.0
    """Seconds of wall-clock time that were over by then."""


def measure_speed(context: Context, spec: TrialSpec, epochs: int) -> None:
    """Measure the speed by a few batches of `spec` in every worker, where there is a limit in time, and only once.

    Where no worker can do it, it is left to the first trials (`settle_speed`).

    Args:
        context: of the study.
        spec: a usual trial.
        epochs: that a trial takes at least: what is done once in a trial is spread over them.
    """
    if not limited_in_time(context) or (context.folder / NAME).exists():
        return
    timings = timings_of(context, spec)
    if not timings:
        return
    train = context.data.size("train")
    seconds = trial_seconds(context, timings, epochs)
    _write(context, epochs * train / seconds, first=True, begun=context.ledger.spent().wall_clock)


def timings_of(context: Context, spec: TrialSpec) -> list[Timing]:
    """How fast `spec` trains, by a few batches in every worker; measured once in a session.

    None where no worker can do it: the model refuses them, or trials run side by side in packs.
    """
    if not context.timings:
        with disk_errors_explained(context.folder):
            context.timings = context.executor.time_trials(spec, context.folder / "speed")
    return context.timings


def trial_seconds(context: Context, timings: Iterable[Timing], epochs: int) -> float:
    """How long a trial of so many epochs takes by what was measured."""
    train, validation = (context.data.size(split) for split in ("train", "validation"))
    return fmean(each.trial_seconds(train, validation, epochs) for each in timings)


def settle_speed(context: Context, trials: Iterable[tuple[int, TrialResult]]) -> None:
    """Measure the speed by trials that have ended, (training images, result) each, unless it was measured before."""
    if not limited_in_time(context) or (context.folder / NAME).exists():
        return
    found = [(samples, result.seconds) for samples, result in trials if samples and result.seconds]
    if found:
        _write(context, sum(samples for samples, _ in found) / sum(seconds for _, seconds in found))


def _write(context: Context, speed: float, first: bool = False, begun: float = 0.0) -> None:
    content = {"images_per_second": speed, "workers": len(context.machines), "first": first, "begun": begun}
    write_json(context.folder / NAME, content)
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
    about = "by which limits in time are turned into training images"
    return read_understood(folder / NAME, _parsed, about, "the speed is then measured again")


def _parsed(content: Any) -> Speed:
    return Speed(
        float(content["images_per_second"]),
        int(content["workers"]),
        bool(content.get("first", False)),
        float(content.get("begun", 0.0)),
    )


def samples_allowed(context: Context) -> float | None:
    """Training images that the limits in time allow the whole study; None without a limit, or before it is known."""
    speed = read_speed(context.folder) if limited_in_time(context) else None
    if speed is None:
        return None
    budget, rate = context.config.budget, speed.images_per_second
    limits = []
    if budget.training_seconds is not None:
        limits.append(budget.training_seconds * rate)
    if budget.wall_clock is not None:
        limits.append(max(0.0, budget.wall_clock - speed.begun) * rate * speed.workers)
    return min(limits)


def allowed_at_first(context: Context) -> float | None:
    """`samples_allowed` as it was known before anything was trained; None where it was not."""
    speed = read_speed(context.folder) if limited_in_time(context) else None
    return samples_allowed(context) if speed is not None and speed.first else None


def limits_for(context: Context, images: float) -> str:
    """The settings of the limits in time that allow so many training images, for those that do not; '' if none."""
    speed = read_speed(context.folder)
    if speed is None:
        return ""
    budget = context.config.budget
    seconds = images / speed.images_per_second
    wanted = (
        ("training_seconds", budget.training_seconds, seconds),
        ("wall_clock", budget.wall_clock, speed.begun + seconds / speed.workers),
    )
    return " ".join(
        f"--budget.{name} {as_flag(_rounded_up(1.05 * needed))}"
        for name, limit, needed in wanted
        if limit is not None and limit < needed
    )


def _rounded_up(seconds: float) -> int:
    """To ten seconds, or whole minutes of a longer time."""
    unit = 10 if seconds < 600 else 60
    return ceil(seconds / unit) * unit


def limited_in_time(context: Context) -> bool:
    """Whether the budget has a limit on seconds."""
    budget = context.config.budget
    return budget.training_seconds is not None or budget.wall_clock is not None

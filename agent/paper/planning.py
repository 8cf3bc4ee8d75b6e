"""`agent paper NAME --plan`: what the cells take, before anything is trained, and which data are missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.paper.cells import Cell, Table
from agent.paper.protocol import protocol_names, read_protocol
from agent.paper.results import Result, read_result
from agent.screen.terminal import Terminal
from tools.text import counted

if TYPE_CHECKING:
    from tools.datasets.presence import Presence


@dataclass(frozen=True)
class Need:
    """What one cell takes, at most."""

    cell: Cell
    trainings: int
    images: int
    """Training images that one of them shows, over all epochs; 0 where the size of the data set is not known."""
    calls: int
    """Of a language model, without repairs."""
    finished: bool


def show_list(terminal: Terminal, as_json: bool) -> int:
    """Print the protocols; the exit code."""
    rows, document = [], []
    for name in protocol_names():
        protocol = read_protocol(name)
        own = sum(not arm.extra and arm.unavailable is None for arm in protocol.arms.values())
        cells = own * len(protocol.models)
        rows.append([name, protocol.title, protocol.where, protocol.data, str(cells)])
        document.append(
            {
                "protocol": name,
                "title": protocol.title,
                "where": protocol.where,
                "paper": protocol.paper,
                "data": [protocol.data, *protocol.others],
                "cells": cells,
            }
        )
    if as_json:
        terminal.document = {"protocols": document}
        return 0
    terminal.table(["protocol", "table", "where", "data", "cells"], rows)
    terminal.note("agent paper NAME --plan says what one takes; --scale small tries it on made images.")
    return 0


def show_plan(table: Table, terminal: Terminal, replicas: Path | None = None) -> int:
    """Print what the wanted cells take; the exit code. Nothing is trained; a few batches are timed.

    Raises:
        AugurError: a data set is unknown.
    """
    from agent.paper.running import missing_data
    from tools.execution.make import workers_of

    missing = missing_data(table, replicas)
    needs = [_need(table, cell, missing) for cell in table.wanted]
    left = [need for need in needs if not need.finished]
    workers = workers_of(table.config.execution)
    speeds = _speeds(table, left, missing, workers[0].threads, workers[0].device)
    rows = []
    for need in needs:
        seconds = _seconds(need, speeds)
        time = "" if seconds is None else _duration(seconds / len(workers))
        state = "finished" if need.finished else f"{counted(need.trainings, 'training')}"
        rows.append([need.cell.name, table.arm(need.cell).title, state, "" if need.finished else time])
    terminal.table(["cell", "row", "takes", "about"], rows)
    times = [_seconds(need, speeds) for need in left]
    total = None if None in times else sum(each for each in times if each is not None) / len(workers)
    trainings, calls = sum(need.trainings for need in left), sum(need.calls for need in left)
    for each in missing:
        terminal.warn(
            f"{each.name} is not there: {each.reason.splitlines()[0]} See: agent datasets show {each.name}"
        )
    if any(table.arm(need.cell).scale for need in left):
        terminal.note(
            "The time that new backgrounds take to be made is not in it: agent generate --plan says it."
        )
    text = f"{table.name}: {counted(len(left), 'cell')} left of {len(needs)}, at most {counted(trainings, 'training')}"
    text += f" and {counted(calls, 'call')} of language models" if calls else ""
    with_workers = f"{counted(len(workers), 'worker')} on {workers[0].device}"
    text += (
        ""
        if total is None
        else f", about {_duration(total)} with {with_workers} (by a few batches, timed now)"
    )
    terminal.document = {
        "protocol": table.name,
        "smoke_run": table.scale == "small",
        "cells_left": len(left),
        "trainings": trainings,
        "llm_calls": calls,
        "seconds": total,
        "workers": len(workers),
        "missing": [each.name for each in missing],
        "cells": [_as_json(need, _seconds(need, speeds), len(workers)) for need in needs],
    }
    terminal.result(f"{text}.")
    return 0


def _as_json(need: Need, seconds: float | None, workers: int) -> dict[str, Any]:
    return {
        "cell": need.cell.name,
        "finished": need.finished,
        "trainings": 0 if need.finished else need.trainings,
        "llm_calls": 0 if need.finished else need.calls,
        "seconds": None if need.finished or seconds is None else seconds / workers,
    }


def _need(table: Table, cell: Cell, missing: "list[Presence]") -> Need:
    from agent.steps.finish_plan import iteration_count, plan_finish, trials_of_iteration
    from tools.training.recipes import resolve_recipe

    arm, search = table.arm(cell), cell.config.search
    images = _training_images(table, cell, missing)
    epochs = resolve_recipe(cell.config.training).epochs
    trainings, calls = search.seeds, 0
    if arm.search is not None:
        finish = plan_finish(search)
        trainings = (
            search.seeds
            + iteration_count(search) * trials_of_iteration(search)
            + finish.choice
            + finish.test
            + finish.parts
        )
        calls = iteration_count(search)
    elif arm.policy is not None and arm.scale is not None:
        trainings *= 2  # the policy alone as well; shared with its own cell where that is run
    finished = read_result(table, cell) is not None
    return Need(cell, trainings, round(images * (1 + (arm.scale or 0)) * epochs), calls, finished)


def _training_images(table: Table, cell: Cell, missing: "list[Presence]") -> int:
    """In its training split; as published, where the data are not here."""
    from tools.datasets.registry import ENTRIES, open_dataset

    data, name = cell.config.data, table.protocol.data
    if name not in {each.name for each in missing}:
        return sum(record.split == "train" for record in open_dataset(data).records)
    known = {
        "cub": {"alia": 1},
        "iwildcam": {"alia": 1},
        "aptos": {None: 1},
    }.get(name, {})
    counts = ENTRIES[name].counts
    at = known.get(data.variant, 0)  # type: ignore[call-overload]
    if not counts:
        return 13_000 if name == "imagenet10" else 0
    published = counts[at] if at < len(counts) else counts[0]
    train = published.get("train", 0)
    return train if "validation" in published else round(train * (1 - data.validation_fraction))


def _speeds(
    table: Table, needs: list[Need], missing: "list[Presence]", threads: int, device: str
) -> Mapping[str, float]:
    """Model → seconds that a training image takes, by what its finished cells took, else by a few batches."""
    from agent.paper.writing import results_of

    results = results_of(table)
    found: dict[str, float] = {}
    for need in needs:
        model = need.cell.model
        if model in found:
            continue
        known = _measured(table, model, results, missing)
        found[model] = known or _timed(need.cell, threads, device)
    return found


def _measured(
    table: Table, model: str, results: Mapping[tuple[str, str], Result], missing: "list[Presence]"
) -> float | None:
    for cell in table.cells:
        result = results.get((cell.model, cell.arm))
        if cell.model == model and result is not None and result.trainings and table.arm(cell).search is None:
            images = _need(table, cell, missing).images
            if images:
                return result.seconds / result.trainings / images
    return None


def _timed(cell: Cell, threads: int, device: str) -> float:
    import torch

    from tools.training.config import TrialSpec
    from tools.training.recipes import resolve_recipe
    from tools.training.timing import time_updates

    config = cell.config
    size = config.data.image_size or 224
    spec = TrialSpec(
        key="",
        policy="",
        cache=Path(),
        image_size=size,
        classes=10,
        ordinal=False,
        model=config.model.model_copy(update={"weights": None}),
        recipe=resolve_recipe(config.training),
        seed=0,
        directory=Path(),
    )
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return time_updates([size], spec, device).get(size, 0.0)
    finally:
        torch.set_num_threads(before)


def _seconds(need: Need, speeds: Mapping[str, float]) -> float | None:
    speed = speeds.get(need.cell.model)
    return need.trainings * need.images * speed if speed and need.images else None


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    if seconds < 6000:
        return counted(round(seconds / 60), "minute")
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / 86400:.0f} days"

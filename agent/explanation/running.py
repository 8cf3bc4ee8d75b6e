"""An explanation from start to end: planned by the time that it takes, computed, written, logged."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.context import Context
from agent.explanation.pair import Pair
from agent.explanation.work import Options, Work
from agent.screen.exits import runs_dir_flag
from evaluators.explanation import FOLDER, Explanation, read_explanation
from tools.errors import AugurError, first_line
from tools.machine import free_memory, is_out_of_memory

_LEAST_SECONDS = 120.0
"""With less time, only what is stored is described, and nothing is measured: to plan the rest would take too long."""


def explain(context: Context, pair: Pair, options: Options) -> Explanation:
    """Explain the winner of a study whose test set was opened; pictures and JSON go to its folder and to MLflow.

    A section that fails or would take too long is left out, with a note that says why. What an earlier explanation of
    the same two candidates has of sections that are not computed now is kept.

    Raises:
        AugurError: nothing can be explained.
    """
    started, folder = time.monotonic(), context.folder / FOLDER
    fresh = context.folder / f"{FOLDER}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    work = Work(context, pair, options, fresh)
    found = _computed(work)
    found |= kept(work, folder, found)
    explanation = Explanation(
        study=context.study,
        reference=pair.reference.name,
        winner=pair.winner.name,
        recommended=pair.recommended,
        classes=list(work.classes),
        test_images=len(work.test),
        seconds=time.monotonic() - started,
        notes=work.notes,
        pictures=work.pictures,
        **found,
    )
    explanation.write(fresh)
    # Whole or not at all: an earlier explanation stays until this one is complete.
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    context.tracking.log_folder(context.tracking.study_run, folder)
    return explanation


def _computed(work: Work) -> dict[str, Any]:
    """Fields of `Explanation`."""
    from agent.explanation.sections import SECTIONS, describe_predictions

    options, terminal = work.options, work.context.terminal
    found = describe_predictions(work)
    left = options.seconds
    if left is not None and left < _LEAST_SECONDS:
        work.notes.append(f"Only stored predictions were described, to save time. {_more(work)}.")
        return found
    if not work.seeds:
        work.notes.append(
            "The weights of both candidates are gone under every seed, so that only stored predictions were described. "
            "agent train --weights with the same settings trains them again and keeps them."
        )
        return found
    wanted = [each for name, each in SECTIONS.items() if not options.sections or name in options.sections]
    measuring = time.monotonic()
    planned = [(section, section.seconds(work)) for section in wanted]
    if left is not None:
        left -= time.monotonic() - measuring
    steps = [f"{section.title} {_about(seconds)}" for section, seconds in planned if seconds > 0]
    total = sum(seconds for _, seconds in planned)
    terminal.note(f"Explaining the result takes about {_about(total)}: {', '.join(steps)}.")
    omitted = []
    for section, seconds in planned:
        if left is not None and seconds > left:
            omitted.append(section.title)
            continue
        begun = time.monotonic()
        try:
            found |= section.run(work)
            work.computed.append(section)
        except AugurError as fault:
            work.notes.append(f"{section.title}: {fault}")
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            work.notes.append(f"{section.title}: the memory ran out ({first_line(error)}).")
            free_memory()
        if left is not None:
            left -= time.monotonic() - begun
    if omitted:
        work.notes.append(f"Left out to save time: {', '.join(omitted)}. {_more(work)} ({_about(total)}).")
    return found


def kept(work: Work, folder: Path, found: Mapping[str, Any]) -> dict[str, Any]:
    """Of sections that were not computed now: what is in `folder`, where it is of the same candidates and seeds."""
    from agent.explanation.sections import SECTIONS

    try:
        earlier = read_explanation(folder.parent)
    except ValueError:
        return {}
    seeds = [(each.name, each.seeds) for each in found["calibration"]]
    if earlier is None or [(each.name, each.seeds) for each in earlier.calibration] != seeds:
        return {}
    fields, titles = {}, []
    for name, section in SECTIONS.items():
        pictures = [each for each in earlier.pictures if each.file.startswith(name)]
        if section in work.computed or not (pictures or getattr(earlier, name, None)):
            continue
        fields[name] = getattr(earlier, name, None)
        titles.append(section.title)
        for picture in pictures:
            if (folder / picture.file).is_file():
                shutil.copy(folder / picture.file, work.picture(picture.file, picture.title, picture.alt))
    if titles:
        work.notes.append(f"Kept from an earlier explanation: {', '.join(titles)}.")
    return {name: value for name, value in fields.items() if value is not None}


def _more(work: Work) -> str:
    context = work.context
    return f"agent explain {context.study}{runs_dir_flag(context.config.runs_dir)} computes all"


def _about(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

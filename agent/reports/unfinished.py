"""The report of a study that has not ended, or that an earlier version finished: from MLflow and its folder alone."""

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.memory.ledger import Ledger, Spent
from agent.reports.origin import commands
from agent.reports.progress import best_so_far, iteration_lines, simple_lines, spending
from agent.reports.races import races_of, search_sentence
from evaluators.report.lengths import LengthSection
from evaluators.report.report import Report, State
from evaluators.report.sections import IterationLine, Picture
from tools.training.metrics import metric_title

if TYPE_CHECKING:
    from agent.memory import Tracking

LEDGER = "ledger.jsonl"
_FACTS = (
    ("data", ("data.dataset", "data.path")),
    ("image size", ("data.image_size",)),
    ("model", ("model.name",)),
    ("weights", ("model.weights",)),
    ("epochs", ("recipe.epochs",)),
    ("iterations", ("search.iterations",)),
    ("seeds of the search", ("search.seeds",)),
    ("language model", ("llm.model",)),
)
"""(name, parameters of the study's run, the first that is set)."""


def unfinished_report(
    study: str,
    folder: Path,
    runs_dir: Path,
    tracking: "Tracking",
    state: State,
    resume: str = "",
    length: LengthSection | None = None,
) -> Report:
    """What is known so far.

    Args:
        study: its name.
        folder: its own.
        runs_dir: where that lies.
        tracking: attached to the study.
        state: 'finished' for one that an earlier version finished, whose comparison is then taken as recorded.
        resume: the command that resumes it, where it stopped.
        length: what the report says of the length.
    """
    tags, params = tracking.study_tags(), tracking.study_params()
    records = tracking.records()
    lines, simple = iteration_lines(records, folder), simple_lines(records)
    score = metric_title(tracking.metric)
    ended = state == "finished"
    data = params.get("data.dataset") or Path(params.get("data.path") or "images").name
    code = folder / "policy.py"
    return Report(
        study=study,
        title=f"{data}: augmentation for {params.get('model.name', 'a classifier')}",
        facts=[("study", study), *_facts(params), ("arm", tags.get("arm_reason", tags.get("arm", "")))],
        warnings=[line for line in tags.get("cautions", "").splitlines() if line],
        iterations=lines,
        comparisons=(),
        sentence=search_sentence(folder, tags.get("chosen", ""))
        or (tags.get("sentence", "") if ended else best_so_far(lines, simple, score)),
        why_stopped="",
        ledger=tags.get("ledger", ""),
        python=code.read_text(encoding="utf-8") if ended and code.is_file() else "",
        test_images=0,
        test_groups=0,
        opened="test_opened" in tags,
        metric=tracking.metric,
        length=length,
        state=state,
        written=f"{datetime.now():%d %B %Y, %H:%M:%S}",
        resume=resume,
        simple=simple,
        running=tracking.running_trials() if state == "running" else (),
        spending=spending(_spent(folder, tracking)),
        pictures=_pictures(folder, lines, ended),
        commands=commands(study, folder, runs_dir, ended and (folder / "policy.json").is_file()),
        origin=[("data fingerprint", tags.get("data_fingerprint", "")), ("prompts", tags.get("prompts", ""))],
        races=races_of(folder),
        recorded=_recorded(tracking) if ended else (),
    )


def _facts(params: dict[str, str]) -> list[tuple[str, str]]:
    found = []
    for name, keys in _FACTS:
        value = next((params[key] for key in keys if params.get(key) not in (None, "", "None")), "")
        if value:
            found.append((name, value))
    return found


def _spent(folder: Path, tracking: "Tracking") -> Spent:
    """By the ledger of the study's folder, else as it was last logged."""
    if (folder / LEDGER).is_file():
        return Ledger(folder / LEDGER, begins=False).spent()
    text = tracking.study_artifact("ledger.json")
    known = {field.name for field in fields(Spent)}
    content = json.loads(text) if text else {}
    return Spent(**{name: value for name, value in content.items() if name in known})


def _pictures(folder: Path, lines: Sequence[IterationLine], ended: bool) -> list[Picture]:
    """What is recommended, or the latest proposal and its backgrounds."""
    if ended:
        wanted = [("contact_sheets/recommended.png", "What the recommended policy makes of training images")]
    else:
        latest = next((line for line in reversed(lines) if line.sheet), None)
        if latest is None:
            return []
        backgrounds = latest.sheet.replace("iteration-", "backgrounds-")
        wanted = [
            (latest.sheet, f"The latest proposal, {latest.name}, on training images"),
            (backgrounds, f"Synthetic images of {latest.name}: real image, mask, background, composite"),
        ]
    return [
        Picture(file, f"{title}.", f"Contact sheet. {title}.")
        for file, title in wanted
        if (folder / file).is_file()
    ]


def _recorded(tracking: "Tracking") -> list[dict[str, str]]:
    """The final table, as earlier versions logged it."""
    text = tracking.study_artifact("leaderboard.json")
    if not text:
        return []
    table = json.loads(text)
    return [dict(zip(table["columns"], map(str, row), strict=True)) for row in table["data"]]

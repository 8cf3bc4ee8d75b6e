"""`agent datasets check`: a finding for each thing that may spoil results, and a contact sheet of the images."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.text import Text

from agent.screen.tables import class_table, facts_grid, marked_grid
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from tools.datasets.cache.build import folder_prefix
from tools.datasets.check.check_report import CheckReport
from tools.datasets.check.check_report import check as check_data
from tools.datasets.check.class_balance import split_sizes_of
from tools.datasets.check.class_sheet import class_sheet
from tools.datasets.check.doubts import Doubt, open_with_doubts
from tools.datasets.check.finding import Finding
from tools.datasets.folder.source import FolderSource
from tools.datasets.registry import ENTRIES
from tools.datasets.types import Dataset
from tools.errors import AugurError, ConfigurationError
from tools.text import counted

_MARKS = {
    "right": ("✓", "green"),
    "warning": ("!", "yellow"),
    "problem": ("✗", "bold red"),
    "unknown": ("–", "dim"),
}


def check(config: StudyConfig, sheet: Path | None, terminal: Terminal, *, as_json: bool) -> int:
    """Inspect every image of a data set, and print a finding for each check; 1 if there are problems, else 0.

    Args:
        config: the settings of the study that is planned.
        sheet: file for the contact sheet of training images; in the folder of the runs if None.
        terminal: where the findings go.
        as_json: print JSON and nothing else.

    Raises:
        ConfigurationError: there is no data set of that name.
        DataError: it is missing or malformed, and no flag would help.
        AugurError: the disk is full or cannot be written.
    """
    opened = open_with_doubts(config.data)
    published, data = opened.published, opened.config
    name = config.data.dataset or "folder"
    file = sheet or config.runs_dir / f"data-{folder_prefix(published.card.name)}.png"
    _make_folder(file)
    entry = ENTRIES.get(name)
    size = config.data.image_size or published.card.image_size
    report = check_data(
        published,
        entry.counts if entry is not None else (),
        data,
        size,
        config.runs_dir / "cache",
        lambda done, total: terminal.progress("inspecting images", done, total),
    )
    terminal.close()
    report = replace(report, findings=(*map(_doubt, opened.doubts), *report.findings))
    drawn = _draw_sheet(report, file)
    if as_json:
        terminal.verbatim(json.dumps(_report_json(report, name, size, file if drawn else None), indent=2))
    else:
        _print(report, name, size, terminal)
        where = (
            f"Contact sheet of training images: {file}" if drawn else "There are no training images to show."
        )
        terminal.verbatim(where)
        terminal.result(_summary(report))
    return 1 if report.problems else 0


def _doubt(doubt: Doubt) -> Finding:
    first, *lines = doubt.text.splitlines()
    assumed = f"All that follows is said as if {doubt.assumed} were given."
    details = (*(line.strip() for line in lines), *doubt.others, assumed)
    return Finding("folder", "problem", first, details, {"assumed": doubt.assumed})


def _print(report: CheckReport, name: str, size: int, terminal: Terminal) -> None:
    published = report.inspection.published
    terminal.show(
        facts_grid(
            [
                ("data set", _title(name, published)),
                ("decoded to", f"{size} × {size} pixels"),
            ],
        )
    )
    terminal.show(Text(""))
    terminal.show(
        class_table(report.counts, split_sizes_of(report.inspection.usable, report.inspection.published.card))
    )
    terminal.show(Text(""))
    terminal.show(
        marked_grid(
            (_MARKS[finding.severity], finding.check, _described(finding)) for finding in report.findings
        )
    )
    terminal.show(Text(""))


def _title(name: str, published: Dataset) -> str:
    title = published.card.title
    if isinstance(published.source, FolderSource):
        title += f" in {published.source.root}"
    return title if name == "folder" else f"{name}: {title}"


def _described(finding: Finding) -> Text:
    text = Text(finding.text, style="bold" if finding.severity == "problem" else "")
    for line in finding.details:
        text.append(f"\n{line}", style="not bold dim")
    return text


def _summary(report: CheckReport) -> str:
    warnings = counted(report.warnings, "warning")
    if report.problems:
        count = counted(report.problems, "problem")
        return f"{count} and {warnings}: fix the problems (✗) before you train on it."
    return f"No problems, {warnings}." if report.warnings else "No problems."


def _draw_sheet(report: CheckReport, file: Path) -> bool:
    division = report.inspection.division
    if division is None:
        return False
    try:
        class_sheet(division, report.inspection.pixels, file)
    except OSError as error:
        raise AugurError(
            f"the contact sheet {file} cannot be written ({error.strerror or error}): choose another --sheet FILE"
        ) from error
    return True


def _make_folder(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder of the contact sheet {file} cannot be created ({error.strerror}): choose another --sheet FILE"
        ) from error


def _report_json(report: CheckReport, name: str, size: int, sheet: Path | None) -> dict[str, Any]:
    return {
        "dataset": name,
        "title": report.inspection.published.card.title,
        "image_size": size,
        "problems": report.problems,
        "warnings": report.warnings,
        "counts": report.counts,
        "findings": [_finding_json(each) for each in report.findings],
        "sheet": None if sheet is None else str(sheet),
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "verdict": finding.severity,
        "text": finding.text,
        "details": finding.details,
        "numbers": finding.numbers,
    }

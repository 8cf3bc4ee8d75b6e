"""The files of a report: report.json, report.md, report.html and its plots, in the study's folder and in MLflow."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.reports.origin import commands
from agent.reports.races import races_of
from agent.screen.exits import runs_dir_flag
from evaluators.report.plots import confusion_figure, forecast_figure, forest_figure, save, search_figure
from evaluators.report.report import Report, write_markdown
from evaluators.report.stored import NAME as STORED
from evaluators.report.stored import read_report, write_report
from tools.errors import AugurError

if TYPE_CHECKING:
    from agent.memory import Tracking
    from evaluators.report.page import Part

SEARCH = "search.png"
_PLOTS = "plots"
"""Folder of the plots among the artifacts of the study's run, and in the study's folder."""


def write_files(
    report: Report, folder: Path, tracking: "Tracking | None", refresh: int | None = None
) -> Path:
    """Write all files of `report`, and log them with the study's run; the page.

    Args:
        report: what is said.
        folder: of the study.
        tracking: attached to the study; None: nothing is logged.
    """
    from evaluators.report.page import write_page

    save(search_figure(report), folder / SEARCH)
    write_report(report, folder)
    write_markdown(report, folder / "report.md")
    explained = explained_parts(folder, report.shown)
    page = write_page(report, folder, explained, _explain(report, folder))
    if tracking is not None:
        for file in (folder / SEARCH, folder / "report.md", folder / STORED, page):
            tracking.log_file(tracking.study_run, file)
        for file in _plots(report, folder / _PLOTS):
            tracking.log_file(tracking.study_run, file, _PLOTS)
    return page


def write_progress(
    report: Report, folder: Path, tracking: "Tracking | None", refresh: int | None = None
) -> Path:
    """Write the page of a study that has not ended, or that an earlier version finished; the page.

    Args:
        report: what is said.
        folder: of the study.
        tracking: as in `write_files`.
        refresh: seconds after which a browser loads the page again; None: never.
    """
    from evaluators.report.page import write_page

    page = write_page(
        report, folder, explained_parts(folder, report.shown), _explain(report, folder), refresh
    )
    if tracking is not None:
        tracking.log_file(tracking.study_run, page)
    return page


def rewrite(folder: Path, tracking: "Tracking | None") -> Path | None:
    """Write the pages of a finished study again, with what was explained since; the page, or None where the study has
    no report.json (it has not finished, or an earlier version finished it)."""
    stored = stored_report(folder, tracking)
    if stored is None:
        return None
    policy = any("policy.json" in line for _, line in stored.commands)
    now = replace(
        stored,
        races=races_of(folder),
        commands=commands(stored.study, folder, folder.parent.parent, policy),
    )
    return write_files(now, folder, tracking)


def stored_report(folder: Path, tracking: "Tracking | None") -> Report | None:
    """The report of a finished study, from its folder or from the copy in MLflow; None where there is none.

    Raises:
        AugurError: it is damaged.
    """
    file = folder / STORED
    text = file.read_text(encoding="utf-8") if file.is_file() else None
    if text is None and tracking is not None:
        text = tracking.study_artifact(STORED)
    if text is None:
        return None
    try:
        return read_report(text)
    except ValueError as error:
        raise AugurError(
            f"{file} cannot be read ({str(error).splitlines()[0]}). Delete it, so that the copy in MLflow is taken, or "
            "restore it from a backup."
        ) from error


def explained_parts(folder: Path, shown: str = "") -> "Sequence[Part]":
    """What `agent explain` found, if it was asked.

    Args:
        folder: of the study.
        shown: the candidate whose classes the report shows already.

    Raises:
        AugurError: its file is damaged.
    """
    from evaluators.explanation import FILE, FOLDER, read_explanation
    from evaluators.report.explained import parts_of

    try:
        found = read_explanation(folder)
    except ValueError as error:
        raise AugurError(
            f"{folder / FOLDER / FILE} cannot be read ({str(error).splitlines()[0]}). Delete the folder, and ask agent "
            "explain again."
        ) from error
    return () if found is None else parts_of(found, shown)


def _explain(report: Report, folder: Path) -> str:
    return f"agent explain {report.study}{runs_dir_flag(folder.parent.parent)}"


def _plots(report: Report, folder: Path) -> list[Path]:
    """The plots that MLflow shows as files."""
    figures = [("gains", forest_figure(report)), ("forecasts", forecast_figure(report))]
    figures += [
        (f"confusion-{number}", confusion_figure(each))
        for number, each in enumerate(report.confusions, start=1)
    ]
    folder.mkdir(exist_ok=True)
    files = []
    for name, figure in figures:
        if figure is not None:
            save(figure, folder / f"{name}.png")
            files.append(folder / f"{name}.png")
    return files

"""`agent report` and `agent watch`: the pages of a study, written from what it has recorded."""

import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from agent.memory.length_file import read_lengths
from agent.memory.study_file import recorded
from agent.reports.files import rewrite, write_progress
from agent.reports.unfinished import unfinished_report
from agent.screen.exits import runs_dir_flag
from agent.screen.terminal import Terminal
from agent.settings.config import TrackingConfig
from agent.steps.length.report import section_of
from agent.study import address_of
from agent.study_folder import began, folder_of, is_running, names
from agent.training.policies import is_training
from evaluators.report.report import Report
from evaluators.report.stored import NAME as STORED
from tools.errors import AugurError, ConfigurationError

if TYPE_CHECKING:
    from agent.memory import Tracking

_QUICK = TrackingConfig(retries=1, timeout=20)


def report_study(
    study: str, runs_dir: Path, terminal: Terminal, uri: str | None = None, show: bool = False
) -> int:
    """Write report.html (and report.md, once it has finished) of a study, and log them with it; the exit code.

    Args:
        study: its name.
        runs_dir: where its folder is.
        terminal: what shows where they are.
        uri: the store, instead of the one that the study names.
        show: open the page in a browser.

    Raises:
        AugurError: there is no such study, or something of it is gone; says what.
    """
    folder = _searched(study, runs_dir)
    running = is_running(folder)
    tracking = _attached(study, folder, runs_dir, terminal, uri, writes=not running)
    page = None if running else rewrite(folder, tracking)
    if page is None:
        report = _so_far(study, folder, runs_dir, tracking)
        page = write_progress(report, folder, None if running else tracking)
        terminal.result(report.sentence)
    else:
        terminal.result(tracking.study_tags().get("sentence", ""))
    terminal.note(f"report: {page}")
    if show:
        webbrowser.open(page.resolve().as_uri())
    return 0


def watch_study(
    study: str | None,
    runs_dir: Path,
    terminal: Terminal,
    every: int,
    uri: str | None = None,
    show: bool = False,
) -> int:
    """Write report.html of a running study again and again, until it ends or this is interrupted; the exit code.

    Args:
        study: its name; None for the one that is running.
        runs_dir: where its folder is.
        terminal: what tells where the page is.
        every: seconds between two versions.
        uri: the store, instead of the one that the study names.
        show: open the page in a browser.

    Raises:
        AugurError: there is no such study, or none that runs.
    """
    name = study or _running(runs_dir)
    folder = _searched(name, runs_dir)
    tracking = None
    while is_running(folder) and not (folder / STORED).is_file():
        if tracking is None and not began(folder):
            terminal.note("The study has not begun to train yet …")
        else:
            first = tracking is None
            tracking = tracking or _attached(name, folder, runs_dir, terminal, uri, writes=False)
            page = write_progress(_so_far(name, folder, runs_dir, tracking), folder, None, refresh=every)
            if first:
                terminal.note(
                    f"{page.resolve().as_uri()} is written again every {every} s (stop with Ctrl-C)"
                )
                if show:
                    webbrowser.open(page.resolve().as_uri())
        try:
            time.sleep(every)
        except KeyboardInterrupt:
            if (
                tracking is not None and not (folder / STORED).is_file()
            ):  # a page that no longer promises news
                write_progress(_so_far(name, folder, runs_dir, tracking), folder, None)
            raise
    return report_study(name, runs_dir, terminal, uri, show=False)


def _searched(study: str, runs_dir: Path) -> Path:
    folder = folder_of(study, runs_dir)
    if is_training(folder):
        raise ConfigurationError(
            f"{study} is of agent train, which writes its own report when it ends: {folder / 'report.md'}"
        )
    return folder


def _running(runs_dir: Path) -> str:
    found = [name for name in names(runs_dir) if is_running(runs_dir / "studies" / name)]
    found = [name for name in found if not is_training(runs_dir / "studies" / name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(f"Several studies are running ({', '.join(found)}): name one of them.")
    raise ConfigurationError(
        f"No study is running in {runs_dir.resolve()}. The page of one that has ended: agent report STUDY"
    )


def _attached(
    study: str, folder: Path, runs_dir: Path, terminal: Terminal, uri: str | None, writes: bool
) -> "Tracking":
    from agent.memory.writing import open_store

    if not began(folder):
        raise AugurError(
            f"Study {study} stopped before anything was trained, so that there is nothing to report. Start it again "
            f"with: agent resume {study}{runs_dir_flag(runs_dir)}"
        )
    address = address_of(folder, runs_dir, terminal, uri)
    if not address.exists:
        raise AugurError(
            f"{address.shown}, the MLflow database that holds what study {study} found, is gone: restore it from a "
            "backup."
        )
    tracking = open_store(address, _QUICK, terminal.warn, own=study, writes=writes)
    tracking.check()
    tracking.attach(study, recorded(folder))
    return tracking


def _so_far(study: str, folder: Path, runs_dir: Path, tracking: "Tracking") -> Report:
    running = is_running(folder)
    ended = not running and tracking.study_status() == "FINISHED"
    lengths = read_lengths(folder, tracking, found=False)
    return unfinished_report(
        study,
        folder,
        runs_dir,
        tracking,
        "running" if running else "finished" if ended else "stopped",
        "" if running or ended else f"agent resume {study}{runs_dir_flag(runs_dir)}",
        section_of(lengths, tracking.metric) if lengths else None,
    )

"""`agent list` and `agent show`: what the studies of a runs folder did, also where something of them is gone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.memory.study_file import recorded
from agent.memory.tracking.store import Address, find_store
from agent.screen.exits import runs_dir_flag
from agent.screen.terminal import Terminal
from agent.settings.config import TrackingConfig
from agent.study import address_of
from agent.study_folder import began, folder_of, is_running, names, race_folder
from evaluators.wording import percent
from tools.errors import AugurError
from tools.text import counted
from tools.training.metrics import metric_title

if TYPE_CHECKING:
    from agent.memory import StudySummary, Tracking

_QUICK = TrackingConfig(retries=0, timeout=10)
"""For a command that answers a question: it rather says at once that a store does not answer."""
_HEADERS = ("study", "experiment", "arm", "state", "iterations", "best validation", "use", "started")
"""For given policies (agent train), the arm says so, and the iterations are their trainings."""


@dataclass(frozen=True)
class _Row:
    """One study in the list."""

    started: float
    """Seconds since the epoch; 0 where that is unknown."""
    cells: tuple[str, ...]
    document: dict[str, Any]
    """The same for a program."""


def list_studies(runs_dir: Path, terminal: Terminal, uri: str | None = None) -> int:
    """Print every study of the runs folder, and of the store that new ones would go to; the exit code.

    Args:
        runs_dir: the folder.
        terminal: what shows it.
        uri: the store, instead of those that the studies name.

    Raises:
        AugurError: there are none.
    """
    known = names(runs_dir)
    addresses = dict(_addresses(runs_dir, known, terminal, uri))
    stores = {address.uri: address for address in addresses.values()}
    default = find_store(TrackingConfig(uri=uri), runs_dir)
    if default.exists:
        stores.setdefault(default.uri, default)
    if not stores:
        raise _no_studies(runs_dir)
    rows: list[tuple[float, tuple[str, ...]]] = []
    documents: list[dict[str, Any]] = []
    failed = False
    for address in stores.values():
        here = [name for name in known if addresses[name].uri == address.uri]
        try:
            for row in _rows(address, here, runs_dir, terminal):
                rows.append((row.started, row.cells))
                documents.append(row.document)
        except AugurError as error:
            failed = failed or bool(here) or not known
            terminal.warn(str(error))
            unread = [_row(name, "its store cannot be read") for name in here]
            rows += [(row.started, row.cells) for row in unread]
            documents += [row.document for row in unread]
    ordered = sorted(rows, key=lambda row: row[0], reverse=True)
    terminal.document = {"studies": sorted(documents, key=lambda each: each["started"] or "", reverse=True)}
    terminal.table(_HEADERS, [row for _, row in ordered])
    return 1 if failed else 0


def _no_studies(runs_dir: Path) -> AugurError:
    return AugurError(
        f"There are no studies in {runs_dir.resolve()}: start one with agent run, or name another --runs-dir."
    )


def _addresses(
    runs_dir: Path, known: list[str], terminal: Terminal, uri: str | None
) -> Iterator[tuple[str, Address]]:
    silent = Terminal(quiet=True)
    for name in known:
        try:
            yield name, address_of(runs_dir / "studies" / name, runs_dir, silent, uri)
        except AugurError as error:
            terminal.warn(str(error))
            yield name, find_store(TrackingConfig(uri=uri), runs_dir)


def _rows(address: Address, here: list[str], runs_dir: Path, terminal: Terminal) -> Iterator["_Row"]:
    """Of the studies that one store holds, and of those that it should hold."""
    if not address.exists:
        terminal.warn(
            f"{address.shown}, the MLflow database of {', '.join(here)}, is gone: restore it from a backup."
        )
        yield from (_row(name, "its database is gone") for name in here)
        return
    from agent.memory.writing import open_store

    tracking = open_store(address, _QUICK, terminal.warn, writes=False)
    tracking.check()
    latest: dict[str, StudySummary] = {}
    for summary in tracking.studies():  # newest first
        if summary.name not in latest or latest[summary.name].status == "DELETED":
            latest[summary.name] = summary
    for summary in latest.values():
        race = race_folder(summary.name, runs_dir)
        folder = race or runs_dir / "studies" / summary.name
        state = state_in_words(summary.status, folder, local=address.kind == "own")
        if race and state == "finished" and not (race / "report.md").exists():
            state = "running" if is_running(race) else "interrupted"
        started = datetime.fromtimestamp(summary.started)
        cells = (
            summary.name,
            summary.experiment,
            "race" if race else "given policies" if _is_given(summary) else summary.arm,
            state,
            _amount(summary),
            _score(summary),
            summary.recommended,
            started.strftime("%Y-%m-%d %H:%M"),
        )
        document = {
            "study": summary.name,
            "experiment": summary.experiment,
            "arm": "race" if race else summary.arm,
            "state": state,
            "iterations": summary.iterations,
            "metric": summary.metric,
            "best_validation": summary.best,
            "recommended": summary.recommended or None,
            "started": started.astimezone().isoformat(timespec="seconds"),
        }
        yield _Row(summary.started, cells, document)
    for name in here:
        if name not in latest:
            folder = runs_dir / "studies" / name
            running = "running" if is_running(folder) else "not begun"
            yield _row(name, "gone from MLflow" if began(folder) else running)


def _row(name: str, state: str) -> "_Row":
    """Of a study of which nothing else is known."""
    known = {"study": name, "state": state}
    fields = ("experiment", "arm", "iterations", "metric", "best_validation", "recommended", "started")
    return _Row(0.0, (name, "", "", state, "", "", "", ""), known | dict.fromkeys(fields))


def _is_given(summary: "StudySummary") -> bool:
    """Whether it is of `agent train`, which searches nothing."""
    return summary.arm == "given"


def _amount(summary: "StudySummary") -> str:
    """Iterations of a study; finished trainings of given policies, once they are known."""
    if not _is_given(summary):
        return str(summary.iterations)
    return "–" if summary.trainings is None else counted(summary.trainings, "training")


def _score(summary: "StudySummary") -> str:
    """The best score of an iteration, or of a given policy, with its metric where that is not the accuracy."""
    shown = percent(summary.best)
    if summary.metric == "accuracy" or summary.best is None:
        return shown
    return f"{shown} ({metric_title(summary.metric)})"


def state_in_words(status: str, folder: Path, *, local: bool = True) -> str:
    """MLflow's status in words; a study that MLflow calls running, but that no process runs, was killed.

    Args:
        status: MLflow's, or DELETED.
        folder: the study's own.
        local: whether every study of the store has its folder here.
    """
    if status == "DELETED":
        return "deleted in MLflow"
    if not folder.is_dir():
        return "its folder is gone" if local else "in another runs folder"
    if status != "RUNNING":
        words = {"FINISHED": "finished", "KILLED": "interrupted", "FAILED": "stopped"}
        return words.get(status, status.lower())
    return "running" if is_running(folder) else "interrupted"


def show_study(study: str, runs_dir: Path, terminal: Terminal, uri: str | None = None) -> int:
    """Print one study: its settings, its iterations, what it spent and what it found; the exit code.

    Args:
        study: its name.
        runs_dir: where its folder is.
        terminal: what shows it.
        uri: the store, instead of the one that the study names.

    Raises:
        AugurError: there is no such study, or something of it is gone; says what.
    """
    folder, tracking = attached(study, runs_dir, terminal, uri)
    terminal.document = document_of(folder, tracking)
    _show(study, folder, runs_dir, tracking, terminal)
    return 0


def document_of(folder: Path, tracking: "Tracking") -> dict[str, Any]:
    """What `--json` says of a study.

    Raises:
        AugurError: its report is damaged.
    """
    from agent.reports.document import study_document

    return study_document(tracking, folder, state_in_words(tracking.study_status(), folder))


def attached(
    study: str, runs_dir: Path, terminal: Terminal, uri: str | None = None
) -> tuple[Path, "Tracking"]:
    """The folder of a study that has begun, and its store, to be read.

    Raises:
        AugurError: there is no such study, or something of it is gone; says what.
    """
    folder = folder_of(study, runs_dir)
    address = address_of(folder, runs_dir, terminal, uri)
    if not address.exists:
        if not began(folder):
            raise _not_begun(study, runs_dir)
        raise AugurError(
            f"{address.shown}, the MLflow database that holds what study {study} found, is gone: "
            f"restore it from a backup."
        )
    from agent.memory.writing import open_store

    tracking = open_store(address, _QUICK, terminal.warn, own=study, writes=False)
    tracking.check()
    known = recorded(folder)
    if known is None and not began(folder) and not tracking.find_study(study):
        raise _not_begun(study, runs_dir)
    tracking.attach(study, known)
    return folder, tracking


def _folds_in_words(tag: str) -> str:
    """What a study's tag `folds` says."""
    if tag == "off":
        return "off: every seed is validated on the validation split"
    return f"seeds take turns with {tag} folds of the training and validation images"


def _not_begun(study: str, runs_dir: Path) -> AugurError:
    return AugurError(
        f"Study {study} stopped before anything was trained, so that there is nothing to show. Start it again with: "
        f"agent resume {study}{runs_dir_flag(runs_dir)}"
    )


def _show(study: str, folder: Path, runs_dir: Path, tracking: "Tracking", terminal: Terminal) -> None:
    tags = tracking.study_tags()
    status = tracking.client.get_run(tracking.study_run).info.status
    terminal.opening(
        study,
        [
            ("state", state_in_words(status, folder)),
            ("arm", tags.get("arm_reason", tags.get("arm", ""))),
            *((("length", tags["length"]),) if "length" in tags else ()),
            *((("use", tags["recommended"]),) if tags.get("recommended") else ()),
            ("metric", metric_title(tracking.metric)),
            ("settings", str(folder / "config.yaml")),
            *((("folds", _folds_in_words(tags["folds"])),) if "folds" in tags else ()),
            *(
                (("changed", "; ".join(tags["changed_settings"].splitlines())),)
                if "changed_settings" in tags
                else ()
            ),
        ],
    )
    terminal.metric = tracking.metric
    terminal.iteration_table(tracking.records())
    for caution in tags.get("cautions", "").splitlines():
        terminal.warn(caution)
    terminal.ledger(tags.get("ledger", ""))
    if "sentence" in tags:
        terminal.result(tags["sentence"])
    page = next((folder / name for name in ("report.html", "report.md") if (folder / name).exists()), None)
    if status == "FINISHED" and page is not None:
        terminal.note(f"Report: {page}")
    elif status == "FINISHED":
        terminal.warn(
            f"{folder / 'report.html'} is gone; write it again: agent report {study}{runs_dir_flag(runs_dir)}"
        )
    else:
        terminal.note(f"agent resume {study}{runs_dir_flag(runs_dir)}")

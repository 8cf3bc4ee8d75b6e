"""A study from start to end: run, interrupted, resumed, listed, shown."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from agent.memory.store import is_local, open_tracking
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.settings.sources import dump_config, load_file
from evaluators.wording import percent
from tools.errors import AugurError, ConfigurationError, closest

if TYPE_CHECKING:
    from agent.context import Context
    from agent.memory import Tracking


def run_study(config: StudyConfig, terminal: Terminal) -> int:
    """Run a new study to its report; the exit code.

    Raises:
        AugurError: it cannot start, or stopped; the text says what to do, and how to resume where that makes sense.
    """
    folder_of = config.runs_dir / "studies"
    study = config.study or _fresh_name(config, folder_of)
    folder = folder_of / study
    if (folder / "config.yaml").exists():
        raise ConfigurationError(
            f"--study {study}: there is already a study of that name in {folder}. Resume it with `agent resume "
            f"{study}`, or choose another name."
        )
    config, why = _resolve(config.model_copy(update={"study": study}))
    with _locked(folder, study):
        _write_config(folder, config)
        try:
            return _run_session(config, why, folder, terminal)
        except AugurError:
            if not (folder / "ledger.jsonl").exists():  # nothing was started: the name stays free
                (folder / "config.yaml").unlink()
            raise


def resume_study(
    study: str, runs_dir: Path, terminal: Terminal, load: Callable[[Path], StudyConfig] = load_file
) -> int:
    """Resume a study that was interrupted, from where it stopped; the exit code.

    Args:
        study: its name.
        runs_dir: where it lies.
        terminal: what shows it.
        load: reads the study's config.yaml, with the settings that change from now on.

    Raises:
        AugurError: there is no such study, it is running, or its data have changed.
    """
    folder = _folder(study, runs_dir)
    with _locked(folder, study):
        config, why = _resolve(load(folder / "config.yaml"))
        config = config.model_copy(update={"study": study, "runs_dir": runs_dir})
        _write_config(folder, config)
        return _run_session(config, why, folder, terminal)


def list_studies(runs_dir: Path, terminal: Terminal) -> int:
    """Print every study of the store; the exit code."""
    tracking = _existing_store(runs_dir)
    rows = [
        (
            s.name,
            s.experiment,
            s.arm,
            _state(s.status, runs_dir / "studies" / s.name),
            str(s.iterations),
            percent(s.best),
            datetime.fromtimestamp(s.started).strftime("%Y-%m-%d %H:%M"),
        )
        for s in tracking.studies()
    ]
    terminal.table(("study", "experiment", "arm", "state", "iterations", "best validation", "started"), rows)
    return 0


def show_study(study: str, runs_dir: Path, terminal: Terminal) -> int:
    """Print one study: its settings, its iterations, what it spent and what it found; the exit code."""
    folder = _folder(study, runs_dir)
    tracking = _existing_store(runs_dir)
    if not tracking.find_study(study):
        raise AugurError(
            f"{study} is not in the MLflow store {tracking.uri}: it stopped before it was opened there."
        )
    tags = tracking.study_tags()
    status = tracking.client.get_run(tracking.study_run).info.status
    terminal.opening(
        study,
        [
            ("state", _state(status, folder)),
            ("arm", tags.get("arm_reason", tags.get("arm", ""))),
            ("settings", str(folder / "config.yaml")),
        ],
    )
    terminal.iteration_table(tracking.records())
    for caution in tags.get("cautions", "").splitlines():
        terminal.warn(caution)
    terminal.ledger(tracking.study_tags().get("ledger", ""))
    if "sentence" in tags:
        terminal.result(tags["sentence"])
    terminal.note(
        f"Report: {folder / 'report.md'}" if (folder / "report.md").exists() else f"agent resume {study}"
    )
    return 0


def _resolve(config: StudyConfig) -> tuple[StudyConfig, str]:
    """The configuration with 'auto' resolved, so that a study resumes with the arm and the model it began with."""
    from agent.llm import check_llm
    from agent.proposers.factory import LLM_ARMS, resolve_arm, resolved

    arm, why = resolve_arm(config.search, config.llm)
    search = config.search.model_copy(update={"proposer": arm})
    llm = resolved(config.llm) if arm in LLM_ARMS else config.llm
    if arm in LLM_ARMS:
        check_llm(llm)  # now, rather than after the reference was trained
    return config.model_copy(update={"search": search, "llm": llm}), why


def _run_session(config: StudyConfig, why: str, folder: Path, terminal: Terminal) -> int:
    """Open everything, run the loop from its last checkpoint, close everything."""
    from agent.graph import build_graph
    from agent.startup import open_context

    with open_context(config, why, folder, terminal) as context, _checkpointer(config.runs_dir) as saver:
        graph = build_graph(saver)
        thread: Any = {"configurable": {"thread_id": context.study}, "recursion_limit": _steps(config)}
        _run_graph(graph, thread, context)
    return 0


def _run_graph(graph: Any, thread: Any, context: "Context") -> None:
    """Run the graph to its end, and mark the study in MLflow as finished, interrupted or failed."""
    snapshot = graph.get_state(thread)
    if snapshot.values and not snapshot.next:
        context.terminal.note(
            "This study is finished; there is nothing to resume. (A new study reuses every trial that it shares.)"
        )
        context.tracking.end_study("FINISHED")
        return
    if len(snapshot.values.get("rejections", [])) > context.config.search.repairs:
        # It stopped because every answer was refused: when resumed, it asks again.
        graph.update_state(thread, {"rejections": [], "stop": ""}, as_node="judge")
    try:
        graph.invoke(None if snapshot.values else {"stop": ""}, thread, context=context, durability="sync")
    except KeyboardInterrupt:
        context.tracking.end_study("KILLED")
        raise
    except BaseException:
        context.tracking.end_study("FAILED")
        raise
    context.tracking.end_study("FINISHED")


@contextmanager
def _checkpointer(runs_dir: Path) -> Iterator[Any]:
    from langgraph.checkpoint.sqlite import SqliteSaver

    with SqliteSaver.from_conn_string(str(runs_dir / "checkpoints.db")) as saver:
        yield saver


@contextmanager
def _locked(folder: Path, study: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise AugurError(
            f"Study {study} is being run by another process, which holds {folder / 'lock'}."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _existing_store(runs_dir: Path) -> "Tracking":
    if is_local() and not (runs_dir / "mlflow.db").exists():
        raise AugurError(
            f"There are no studies in {runs_dir.resolve()}: start one with agent run, or name another --runs-dir."
        )
    return open_tracking(runs_dir)


def _folder(study: str, runs_dir: Path) -> Path:
    folder = runs_dir / "studies" / study
    if not (folder / "config.yaml").exists():
        known = sorted(path.parent.name for path in (runs_dir / "studies").glob("*/config.yaml"))
        near = closest(study, known, most=3) or known[-3:]
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise ConfigurationError(
            f"There is no study {study!r} in {(runs_dir / 'studies').resolve()}.{hint} See: agent list"
        )
    return folder


def _fresh_name(config: StudyConfig, parent: Path) -> str:
    parts = [config.data.dataset or "folder", config.model.name, f"{datetime.now():%Y%m%d-%H%M%S}"]
    if config.data.fold is not None:
        parts.insert(2, "fold" + config.data.fold.replace("/", "of"))
    # Names of collections (hf:OWNER/NAME) are not valid folder names.
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts))
    name, number = stem, 2
    while (parent / name).exists():
        name, number = f"{stem}-{number}", number + 1
    return name


def _write_config(folder: Path, config: StudyConfig) -> None:
    import yaml

    from tools.files import write_whole

    text = yaml.safe_dump(dump_config(config), sort_keys=False, allow_unicode=True)
    write_whole(folder / "config.yaml", text.encode())


def _state(status: str, folder: Path) -> str:
    """MLflow's status in words; a study that MLflow calls running, but that no process runs, was killed."""
    if status != "RUNNING":
        return {"FINISHED": "finished", "KILLED": "interrupted", "FAILED": "stopped"}.get(
            status, status.lower()
        )
    try:
        with FileLock(folder / "lock").acquire(timeout=0):
            return "interrupted"
    except (Timeout, OSError):
        return "running"


def _steps(config: StudyConfig) -> int:
    """An upper bound on the steps of the graph: each iteration is four nodes, and two more for each repair."""
    return 20 + config.search.iterations * (6 + 2 * config.search.repairs) * 2

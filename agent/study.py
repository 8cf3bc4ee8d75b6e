"""A study from start to end: run, interrupted, resumed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.graph_run import Act, reopen, run_graph, thread_of, unfinished
from agent.memory.study_file import recorded
from agent.memory.tracking.store import Address, experiment_of, find_recorded_store, find_store
from agent.screen.exits import runs_dir_flag
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig, TrackingConfig
from agent.settings.sources import dump_config, load_file
from agent.study_folder import (
    CONFIG,
    LEDGER,
    StudyFileGone,
    as_augur_error,
    began,
    check_complete,
    checkpointer,
    folder_of,
    locked,
    may_hold_checkpoint,
    names,
    names_a_store,
    recorded_uri,
    release,
    reserve,
    write_config,
)
from tools.errors import AugurError, ConfigurationError
from tools.execution.worker_process import start_server
from tools.files import read_yaml
from tools.from_file import pinned

if TYPE_CHECKING:
    from agent.memory import Tracking
    from tools.datasets.types import Dataset


def run_study(config: StudyConfig, terminal: Terminal, act: Act | None = None) -> int:
    """Run a new study to its report; the exit code.

    Args:
        config: its settings.
        terminal: what shows it.
        act: what is done instead of running the graph to its end.

    Raises:
        AugurError: it cannot start, or stopped; the text says what to do, and how to resume where that makes sense.
    """
    from agent.starting.prechecks import check_before_start, check_models_answer, check_schedules

    terminal.note("Checking the settings and the data set.")
    address = find_store(config.tracking, config.runs_dir)
    tracking_settings = config.tracking.model_copy(update={"uri": address.bare})
    config, why = resolve(config.model_copy(update={"tracking": tracking_settings}))
    if config.execution.kind == "local":
        start_server()  # imports torch beside all that follows
    dataset = check_before_start(config)
    check_schedules(config, dataset.card)
    with _nothing_begun():
        from agent.memory.writing import open_store
        from agent.starting.arithmetic import settle_arithmetic
        from agent.starting.model_start import settle_model
        from agent.steps.iterations import with_time_as_count

        config = settle_model(config, dataset, terminal)
        config = with_time_as_count(settle_arithmetic(config, dataset, terminal))

        if config.search.iterations:
            check_models_answer(config, dataset.card, terminal.warn)

        _warn_of_lost_store(address, terminal)
        tracking = open_store(address, config.tracking, terminal.warn)
        tracking.check()
        tracking.check_artifacts(experiment_of(config.tracking, dataset.card.name, config.model.title))
        study, folder = reserve(config)
        if tracking.find_study(study):
            release(folder)
            raise ConfigurationError(
                f"--study {study}: the MLflow store {address.shown} already holds a study of that name, "
                f"from another runs "
                "folder or one whose folder was deleted. Choose another name."
            )
    with locked(folder, study, terminal.warn):
        try:
            config = config.model_copy(update={"study": study})
            write_config(folder, config)
            return _run_session(config, why, folder, terminal, tracking, dataset, resumed=False, act=act)
        except AugurError as error:
            if not began(folder):  # the name stays free
                release(folder)
                error.resumable, terminal.study = False, None
            raise


def resume_study(
    study: str,
    runs_dir: Path,
    terminal: Terminal,
    load: Callable[[Path], StudyConfig] = load_file,
    act: Act | None = None,
) -> int:
    """Resume a study that was interrupted, from where it stopped; the exit code.

    Args:
        study: its name.
        runs_dir: where it lies.
        terminal: what shows it.
        load: reads the study's config.yaml, with the settings that change from now on.
        act: as in `run_study`.

    Raises:
        AugurError: there is no such study, it is running, its data have changed, or something of it is gone.
    """
    from agent.starting.prechecks import check_before_start

    folder = _folder(study, runs_dir)
    with locked(folder, study, terminal.warn):
        terminal.note("Checking the settings and the data set.")
        config = load(folder / CONFIG)
        uri = config.tracking.uri
        address = address_of(folder, runs_dir, terminal, None if uri == recorded_uri(folder) else uri)
        tracking_settings = config.tracking.model_copy(update={"uri": address.bare})
        changed = {"study": study, "runs_dir": runs_dir, "tracking": tracking_settings}
        config, why = resolve(config.model_copy(update=changed))
        with _nothing_begun():
            check_data(config, study, runs_dir)
            if config.execution.kind == "local":
                start_server()  # imports torch beside all that follows
            dataset = check_before_start(config)
            tracking = _open_existing(study, folder, address, config, terminal)
            experiment = experiment_of(config.tracking, dataset.card.name, config.model.title)
            tracking.check_artifacts(experiment, tracking.study_run)
        changes = _changes(folder, config)
        write_config(folder, config)
        if changes and tracking.study_run:
            tracking.log_changes(f"{datetime.now():%Y-%m-%d %H:%M}", changes)
        for key, (before, after) in changes.items():
            terminal.note(f"from now on: {key} = {after} (was {before})")
        return _run_session(config, why, folder, terminal, tracking, dataset, act=act)


def address_of(folder: Path, runs_dir: Path, terminal: Terminal, changed: str | None = None) -> Address:
    """Where a study is stored: as written down in its folder, unless `changed` says another place.

    Raises:
        AugurError: its config.yaml cannot be read.
    """
    if not names_a_store(folder):  # of version 0.1.0: the variable decided
        return find_store(TrackingConfig(uri=changed), runs_dir)
    bare = recorded_uri(folder)
    address = find_recorded_store(changed or bare, runs_dir)
    variable = find_store(TrackingConfig(), runs_dir)
    if not changed and variable.kind != "own" and variable.bare != address.bare:
        terminal.note(
            f"The study {folder.name} is in {address.shown}: MLFLOW_TRACKING_URI, which names "
            f"{variable.shown}, is not used."
        )
    return address


def _open_existing(
    study: str, folder: Path, address: Address, config: StudyConfig, terminal: Terminal
) -> "Tracking":
    """The store that holds the study already, attached to it; a study that never reached it is found to be new."""
    from agent.memory.writing import open_store

    known = recorded(folder)
    if began(folder) and not address.exists:
        raise StudyFileGone(
            f"{address.shown}, the MLflow database that holds what study {study} found, is gone. "
            f"Restore it from a backup, or "
            "start a new study with the same settings, which reuses every trial in the runs folder: "
            f"agent run --config {folder / CONFIG} --study NEW_NAME"
        )
    tracking = open_store(address, config.tracking, terminal.warn, own=study)
    tracking.check()
    if known is not None or began(folder) or tracking.find_study(study):
        tracking.attach(study, known)
    return tracking


def _folder(study: str, runs_dir: Path) -> Path:
    """As `folder_of`, which cannot tell a study whose folder was deleted from one that never was."""
    try:
        return folder_of(study, runs_dir)
    except ConfigurationError:
        address = find_store(TrackingConfig(), runs_dir)
        if address.kind == "own" and address.exists:
            from agent.memory.writing import open_store

            tracking = open_store(address, TrackingConfig(), lambda text: None)
            if tracking.find_study(study):
                raise StudyFileGone(
                    f"Study {study} is in {address.shown}, but its folder "
                    f"{runs_dir / 'studies' / study} is gone, and with it its "
                    "settings, its checkpoint and its ledger: it cannot be resumed. Restore the folder "
                    "from a backup, or "
                    "start a new study, which reuses every trial in the runs folder."
                ) from None
        raise


@contextmanager
def _nothing_begun() -> Iterator[None]:
    """In this block, an error stops nothing that could be resumed."""
    try:
        yield
    except AugurError as error:
        error.resumable = False
        raise


def _warn_of_lost_store(address: Address, terminal: Terminal) -> None:
    if address.kind != "own" or address.exists:
        return
    studies = address.runs_dir / "studies"
    known = [
        name for name in names(address.runs_dir) if began(studies / name) and not recorded_uri(studies / name)
    ]
    if known:
        terminal.warn(
            f"{address.file}, which held {', '.join(known)}, is gone. A new one is made for this study; "
            f"the earlier ones can "
            "neither be shown nor resumed until it is restored."
        )


def check_data(config: StudyConfig, study: str, runs_dir: Path) -> None:
    """See that the folder of a study's images is still there.

    Raises:
        ConfigurationError: it is not; says what to do.
    """
    path = config.data.path
    if path is not None and not path.exists():
        raise ConfigurationError(
            f"The data of study {study} were in {path.absolute()}, which is not there any more. Put "
            f"them back, or say where they "
            f"are now: agent resume {study}{runs_dir_flag(runs_dir)} --data PATH"
        )


def _changes(folder: Path, config: StudyConfig) -> dict[str, tuple[Any, Any]]:
    """Setting → (before, after), of those that this session changes."""
    before, after = _flat(read_yaml(folder / CONFIG)), _flat(dump_config(config))
    return {
        key: (before[key], value)
        for key, value in after.items()
        if key in before
        and before[key] != value
        and key not in ("runs_dir", "study", "search.proposer", "llm.model")
    }


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def resolve(config: StudyConfig) -> tuple[StudyConfig, str]:
    """The configuration with 'auto' resolved, so that a study resumes with the arm and the model it began with."""
    from agent.llm import check_llm
    from agent.memory.candidate import with_own_pinned
    from agent.proposers.factory import LLM_ARMS, resolve_arm, resolved

    arm, why = resolve_arm(config.search, config.llm)
    search = with_own_pinned(config.search).model_copy(update={"proposer": arm})
    if config.data.always is not None:
        data = config.data.model_copy(update={"always": pinned(config.data.always)})
        config = config.model_copy(update={"data": data})
    llm = resolved(config.llm) if arm in LLM_ARMS else config.llm
    if arm in LLM_ARMS:
        check_llm(llm)  # now, rather than after the reference was trained
    return config.model_copy(update={"search": search, "llm": llm}), why


def _run_session(
    config: StudyConfig,
    why: str,
    folder: Path,
    terminal: Terminal,
    tracking: "Tracking",
    dataset: "Dataset",
    *,
    resumed: bool = True,
    act: Act | None = None,
) -> int:
    """Open everything, run the loop from its last checkpoint, close everything."""
    from agent.graph import build_graph
    from agent.starting.consent import settle
    from agent.starting.prechecks import check_models_answer, has_budget, may_propose
    from agent.starting.startup import open_context
    from agent.steps.finish_plan import iteration_count

    study = folder.name
    try:
        if tracking.study_run and not may_hold_checkpoint(folder, config.runs_dir):
            check_complete(folder, study, tracking, {}, (), _has_spent(folder))
        with checkpointer(folder, config.runs_dir, study, config.tracking, terminal.warn) as saver:
            graph, thread = build_graph(saver), thread_of(study, config)
            state, iterations = graph.get_state(thread), iteration_count(config.search)
            if state.values and not tracking.study_run:
                raise StudyFileGone(
                    f"Study {study} has begun, but is not in the MLflow store {tracking.address.shown}, "
                    f"and its ledger is gone: "
                    "restore its folder and the store from a backup."
                )
            if tracking.study_run:
                check_complete(folder, study, tracking, state.values, state.next, _has_spent(folder))
            llm, affords = None, has_budget(folder / LEDGER, config.budget)
            if affords and state.values and not unfinished(state) and not tracking.has_tested:
                reopen(graph, thread, iterations)
                state = graph.get_state(thread)
            if affords and may_propose(state.values, unfinished(state), iterations):
                if resumed:
                    terminal.study = study
                    check_models_answer(config, dataset.card, terminal.warn)
                llm = settle(config, dataset.card, folder, terminal)
            with open_context(config, why, folder, terminal, tracking, dataset, llm=llm) as context:
                (act or run_graph)(graph, study, context)
    except OSError as error:
        if (fault := as_augur_error(error, config.runs_dir)) is None:
            raise
        raise fault from error
    return 0


def _has_spent(folder: Path) -> bool:
    """Whether the ledger counts anything: it names each session as well, also one that did nothing."""
    file = folder / LEDGER
    return file.exists() and '"id"' in file.read_text(encoding="utf-8", errors="replace")

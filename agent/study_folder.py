"""A study's own folder, `runs/studies/STUDY/`: what is in it, who holds it, and what of it is gone."""

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.memory.checkpoints.place import CHECKPOINT, PLACE, place_of
from agent.memory.checkpoints.place import checkpointer as checkpointer
from agent.memory.checkpoints.place import may_hold_checkpoint as may_hold_checkpoint
from agent.memory.study_file import NAME as MLFLOW_FILE
from agent.memory.study_file import ONE_WAY, StudyFileGone
from agent.memory.study_lock import HOLDER, LOCK
from agent.memory.study_lock import is_running as is_running
from agent.memory.study_lock import locked as locked
from agent.screen.exits import runs_dir_flag
from agent.settings.config import StudyConfig
from agent.settings.paths import make_absolute
from agent.settings.sources import dump_config
from tools.disk import explain, is_explainable
from tools.errors import AugurError, ConfigurationError, closest
from tools.files import read_json, read_yaml, write_whole

if TYPE_CHECKING:
    from agent.memory import Tracking

CONFIG, LEDGER = "config.yaml", "ledger.jsonl"
RACE_PLAN = "plan.json"
"""In the folder of a race (`agent compare`): what identifies it, and the command that continues it."""
RACE_MARK = "race.json"
"""In the folder of a study that is a search of a race: the race, and the command that continues it."""


def folder_of(study: str, runs_dir: Path) -> Path:
    """The folder of an existing study.

    Raises:
        ConfigurationError: there is none of that name, or it is a race.
        StudyFileGone: there is, but its settings are gone.
    """
    folder = runs_dir / "studies" / study
    if (folder / CONFIG).is_file():
        return folder
    if left := _present(folder):
        raise StudyFileGone(
            f"{folder / CONFIG} is gone, without which study {study} cannot be resumed ({', '.join(left)} "
            "is still there). Restore it from a backup; its values are also among the parameters of the "
            "study's run in MLflow "
            "(agent ui)."
        )
    if race := race_folder(study, runs_dir):
        raise _is_race(study, race)
    known = names(runs_dir)
    near = closest(study, known, most=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    raise ConfigurationError(
        f"There is no study {study!r} in {(runs_dir / 'studies').resolve()}.{hint} "
        f"See: agent list{runs_dir_flag(runs_dir)}"
    )


def race_folder(name: str, runs_dir: Path) -> Path | None:
    """The folder of the race of that name; None where there is none."""
    folder = runs_dir / "compares" / name
    return folder if (folder / RACE_PLAN).exists() else None


def _is_race(name: str, folder: Path) -> ConfigurationError:
    """The error where the name of a study is asked for, and `name` is a race."""
    known = read_json(folder / RACE_PLAN)
    command = known.get("command") if isinstance(known, dict) else None
    report = folder / "report.md"
    what = f"its report is {report.resolve()}" if report.exists() else "it has no report yet"
    more = f". Its own command continues it: {command}" if command else ""
    return ConfigurationError(f"{name} is a race of arms (agent compare), not a study; {what}{more}")


def names(runs_dir: Path) -> list[str]:
    """The studies that have a folder in `runs_dir`."""
    return sorted(path.parent.name for path in (runs_dir / "studies").glob(f"*/{CONFIG}"))


def began(folder: Path) -> bool:
    """Whether the study in `folder` was opened in MLflow; before that, it is neither lost nor resumed, but started."""
    return (folder / MLFLOW_FILE).exists() or (folder / LEDGER).exists()


def _present(folder: Path) -> list[str]:
    """Which files of a study are in `folder`."""
    return [name for name in (CONFIG, MLFLOW_FILE, LEDGER, CHECKPOINT, PLACE) if (folder / name).exists()]


def recorded_uri(folder: Path) -> str | None:
    """The `tracking.uri` that a study was begun with; None for the file in the runs folder.

    Raises:
        AugurError: config.yaml cannot be read.
    """
    import yaml

    try:
        tree = read_yaml(folder / CONFIG)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise AugurError(f"{folder / CONFIG}: invalid YAML ({error}): restore it from a backup.") from error
    section = tree.get("tracking") if isinstance(tree, dict) else None
    return section.get("uri") if isinstance(section, dict) else None


def names_a_store(folder: Path) -> bool:
    """Whether config.yaml says where the study is stored; version 0.1.0 did not write it down."""
    tree = read_yaml(folder / CONFIG)
    return isinstance(tree, dict) and "tracking" in tree


def reserve(config: StudyConfig) -> tuple[str, Path]:
    """Name and folder of a new study, made now, so that two that start at once never get the same.

    Raises:
        ConfigurationError: the name is taken.
        OSError: as the system raises it.
    """
    parent = config.runs_dir / "studies"
    parent.mkdir(parents=True, exist_ok=True)
    if config.study is not None:
        folder = parent / config.study
        if left := _present(folder):
            command = f"agent {{}} {config.study}{runs_dir_flag(config.runs_dir)}"
            todo = f"Resume it with `{command.format('resume')}`"
            if is_running(folder):
                todo = f"It is running: follow it with `{command.format('watch')}`"
            raise ConfigurationError(
                f"--study {config.study}: there is already a study of that name in {folder} ({', '.join(left)}). "
                f"{todo}, or choose another name."
            )
        folder.mkdir(exist_ok=True)
        return config.study, folder
    stem, number = name_stem(config), 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        try:
            (parent / name).mkdir()
        except FileExistsError:
            number += 1
            continue
        return name, parent / name


def name_stem(config: StudyConfig) -> str:
    """How the name of a study begins that is given none: data, model and date."""
    parts = [config.data.dataset or "folder", config.model.title, f"{datetime.now():%Y%m%d-%H%M%S}"]
    if config.data.fold is not None:
        parts.insert(2, "fold" + config.data.fold.replace("/", "of"))
    # Names of collections (hf:OWNER/NAME) are not valid folder names.
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts))


def release(folder: Path) -> None:
    """Free the name of a study that could not be started."""
    for file in (*(folder / name for name in (CONFIG, LOCK, HOLDER, PLACE)), *folder.glob(f"{CHECKPOINT}*")):
        file.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def write_config(folder: Path, config: StudyConfig) -> None:
    """Keep the settings. Paths are made absolute: the study may be resumed from another folder."""
    import yaml

    tree = dump_config(config)
    make_absolute(tree, kept=True)
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    write_whole(folder / CONFIG, text.encode())


def check_complete(
    folder: Path,
    study: str,
    tracking: "Tracking",
    state: dict[str, Any],
    following: tuple[str, ...],
    spent: bool,
) -> None:
    """See that a study that is resumed has all that its earlier sessions left.

    Args:
        folder: the study's own.
        study: its name.
        tracking: attached to it.
        state: of the loop, as checkpointed; empty where there is no checkpoint.
        following: the nodes that come next.
        spent: whether the ledger has entries.

    Raises:
        StudyFileGone: something is missing; names it.
    """
    searched = tracking.searched()
    if not state and (spent or searched):
        raise StudyFileGone(
            f"{place_of(folder)}, which says where study {study} stands, is gone. Restore it from a "
            f"backup, or {ONE_WAY}: "
            f"agent run --config {folder / CONFIG} --study NEW_NAME"
        )
    if (state or searched) and not (folder / LEDGER).exists():
        raise StudyFileGone(
            f"{folder / LEDGER}, which says what study {study} has spent, is gone. Restore it from a "
            f"backup; or, to count "
            f"from nothing, make an empty file of that name: touch {folder / LEDGER}"
        )
    number = state.get("iteration", 0)
    opened = number + 1 if set(following) & {"train", "judge"} else number
    expected = set(range(opened)) if number else set()
    if missing := sorted(expected - searched):
        what = ", ".join(f"iteration {number}" if number else "the reference" for number in missing)
        raise StudyFileGone(
            f"MLflow ({tracking.address.shown}) no longer holds {what} of study {study}: its runs were "
            f"deleted for good. Restore "
            f"a backup of the store, or {ONE_WAY}: agent run --config {folder / CONFIG} --study NEW_NAME"
        )


def as_augur_error(error: OSError, folder: Path) -> AugurError | None:
    """What the system refused while a study ran, as a stop from which it can be resumed; None if it is a bug."""
    if not is_explainable(error):
        return None
    fault = AugurError(explain(error, folder))
    fault.resumable = True
    return fault

"""`agent delete`: a study goes, or a race with its searches, with all that no other study needs."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.memory.checkpoints.place import PLACE
from agent.memory.ledger import Ledger
from agent.memory.tracking.store import find_recorded_store
from agent.screen.exits import runs_dir_flag
from agent.screen.terminal import Terminal
from agent.settings.config import TrackingConfig
from agent.study import address_of
from agent.study_folder import LEDGER, RACE_MARK, folder_of, locked, names, race_folder
from tools.disk import disk_errors_explained
from tools.errors import ConfigurationError
from tools.files import read_json
from tools.text import counted
from tools.training.trial_store import TrialStore

if TYPE_CHECKING:
    from agent.memory import Tracking

_MIB = 2**20


@dataclass(frozen=True)
class Part:
    """A study, or the race itself, of what is deleted."""

    folder: Path
    tracking: "Tracking | None"
    """Attached to it; None where its store does not hold it (any more)."""
    runs: tuple[str, ...]
    """Of MLflow."""


@dataclass(frozen=True)
class Doomed:
    """What goes with a study or a race."""

    parts: tuple[Part, ...]
    store: str
    trials: tuple[Path, ...]
    shared: int
    """Trials that other studies use, and that stay."""
    size: int
    """Bytes of the folders and the trials."""

    @property
    def runs(self) -> int:
        """Of MLflow, in all."""
        return sum(len(part.runs) for part in self.parts)

    def lines(self) -> list[str]:
        """The same for reading."""
        kept = f"; {counted(self.shared, 'more that other studies use stays', 'more that other studies use stay')}"
        return [
            *(f"the folder {part.folder}" for part in self.parts),
            f"{counted(self.runs, 'run')} in the MLflow store {self.store}"
            if self.runs
            else f"no run in the MLflow store {self.store}: it holds none of this study",
            f"{counted(len(self.trials), 'trial')} that no other study uses{kept if self.shared else ''}",
            f"{self.size / _MIB:,.1f} MiB in all, besides MLflow",
        ]


def delete_study(name: str, runs_dir: Path, terminal: Terminal, agreed: Callable[[], bool]) -> int:
    """Delete a study, or a race with its searches, once `agreed` says so; the exit code: 1 where it does not.

    It can be repeated where it was interrupted: the folder goes last.

    Raises:
        AugurError: there is none of that name, a process runs it, it is a search of a race, or something cannot be
            deleted.
    """
    folders = _folders(name, runs_dir)
    what = "Race" if race_folder(name, runs_dir) else "Study"
    with ExitStack() as held:
        parts = []
        for folder in folders:  # one after the other: a store that was moved opens where no other study runs
            held.enter_context(locked(folder, folder.name))
            parts.append(_part(folder, runs_dir, terminal))
        doomed = _doomed(parts, runs_dir)
        terminal.verbatim(f"{what} {name}. What goes:")
        for line in doomed.lines():
            terminal.verbatim(f"  {line}")
        terminal.verbatim("Decoded images, made backgrounds and the record of opened test sets stay.")
        terminal.document = {
            "study": name,
            "runs": doomed.runs,
            "trials": len(doomed.trials),
            "trials_kept": doomed.shared,
            "bytes": doomed.size,
            "deleted": False,
        }
        if not agreed():
            terminal.result("Nothing was deleted.")
            return 1
        with disk_errors_explained(runs_dir):
            for directory in doomed.trials:
                shutil.rmtree(directory)
            for part in doomed.parts:
                _delete(part)
    terminal.document["deleted"] = True
    kept = (
        " Its runs, without their files, are in MLflow's bin (`mlflow gc` empties it)." if doomed.runs else ""
    )
    terminal.result(f"{what} {name} is deleted.{kept}")
    return 0


def _folders(name: str, runs_dir: Path) -> list[Path]:
    """Of the study; of a race, those of its searches, and its own last."""
    race = race_folder(name, runs_dir)
    if race is None:
        folder = folder_of(name, runs_dir)
        of = _race_of(folder)
        if of and race_folder(of, runs_dir):
            raise ConfigurationError(
                f"{name} is a search of the race {of}, and goes with it: agent delete {of}{runs_dir_flag(runs_dir)}"
            )
        return [folder]
    studies = (runs_dir / "studies" / study for study in names(runs_dir))
    return [*(each for each in studies if _race_of(each) == name), race]


def _race_of(folder: Path) -> str | None:
    """The race that a study is a search of."""
    marked = read_json(folder / RACE_MARK)
    return marked.get("race") if isinstance(marked, dict) else None


def _delete(part: Part) -> None:
    if part.tracking is not None and part.runs:
        from agent.memory.removal import remove_runs

        remove_runs(part.tracking, part.runs)
    if (part.folder / PLACE).exists():
        from agent.memory.checkpoints.team import delete_checkpoints

        delete_checkpoints(part.folder / PLACE, part.folder.name, TrackingConfig(timeout=20))
    shutil.rmtree(part.folder)


def _store_of(study: str, folder: Path, runs_dir: Path, terminal: Terminal) -> "Tracking | None":
    """The store, attached to the study; None where it does not hold the study (any more)."""
    address = address_of(folder, runs_dir, terminal)
    if not address.exists:
        return None
    from agent.memory.writing import open_store

    tracking = open_store(address, TrackingConfig(retries=1, timeout=20), terminal.warn, own=study)
    tracking.check()
    return tracking if tracking.find_study(study) else None


def _doomed(parts: Sequence[Part], runs_dir: Path) -> Doomed:
    folders = [part.folder for part in parts]
    every = [*(runs_dir / "studies").glob("*"), *(runs_dir / "compares").glob("*")]
    own = set[str]().union(*map(_trials_of, folders))
    others = set[str]().union(*(_trials_of(each) for each in every if each not in folders))
    store = TrialStore(runs_dir / "trials")
    trials = tuple(path for key in sorted(own - others) if (path := store.directory(key)).is_dir())
    held = next((part.tracking for part in reversed(parts) if part.tracking is not None), None)
    shown = held.address.shown if held is not None else find_recorded_store(None, runs_dir).shown
    return Doomed(tuple(parts), shown, trials, len(own & others), sum(map(_size, (*folders, *trials))))


def _part(folder: Path, runs_dir: Path, terminal: Terminal) -> Part:
    tracking = _store_of(folder.name, folder, runs_dir, terminal)
    if tracking is None:
        return Part(folder, None, ())
    from agent.memory.removal import runs_of

    return Part(folder, tracking, tuple(runs_of(tracking)))


def _trials_of(folder: Path) -> set[str]:
    """Keys of the trials that a study trained or reused."""
    ledger = folder / LEDGER
    return Ledger(ledger, begins=False).trial_keys() if ledger.exists() else set()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

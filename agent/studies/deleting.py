"""`agent delete`: a study goes, with all that no other study needs."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.memory.checkpoints.place import PLACE
from agent.memory.ledger import Ledger
from agent.memory.tracking.store import find_recorded_store
from agent.screen.terminal import Terminal
from agent.settings.config import TrackingConfig
from agent.study import address_of
from agent.study_folder import LEDGER, folder_of, locked, names
from tools.disk import disk_errors_explained
from tools.text import counted
from tools.training.trial_store import TrialStore

if TYPE_CHECKING:
    from agent.memory import Tracking

_MIB = 2**20


@dataclass(frozen=True)
class Doomed:
    """What goes with a study."""

    folder: Path
    runs: tuple[str, ...]
    """Of MLflow."""
    store: str
    trials: tuple[Path, ...]
    shared: int
    """Trials that other studies use, and that stay."""
    size: int
    """Bytes of the folder and the trials."""

    def lines(self) -> list[str]:
        """The same for reading."""
        kept = f"; {counted(self.shared, 'more that other studies use stays', 'more that other studies use stay')}"
        return [
            f"the folder {self.folder}",
            f"{counted(len(self.runs), 'run')} in the MLflow store {self.store}"
            if self.runs
            else f"no run in the MLflow store {self.store}: it holds none of this study",
            f"{counted(len(self.trials), 'trial')} that no other study uses{kept if self.shared else ''}",
            f"{self.size / _MIB:,.1f} MiB in all, besides MLflow",
        ]


def delete_study(study: str, runs_dir: Path, terminal: Terminal, agreed: Callable[[], bool]) -> int:
    """Delete a study, once `agreed` says so; the exit code: 1 where it does not.

    It can be repeated where it was interrupted: the folder goes last.

    Raises:
        AugurError: there is no such study, a process runs it, or something cannot be deleted.
    """
    folder = folder_of(study, runs_dir)
    with locked(folder, study):
        tracking = _store_of(study, folder, runs_dir, terminal)
        doomed = _doomed(folder, runs_dir, tracking)
        terminal.verbatim(f"Study {study}. What goes:")
        for line in doomed.lines():
            terminal.verbatim(f"  {line}")
        terminal.verbatim("Decoded images, made backgrounds and the record of opened test sets stay.")
        terminal.document = {
            "study": study,
            "runs": len(doomed.runs),
            "trials": len(doomed.trials),
            "trials_kept": doomed.shared,
            "bytes": doomed.size,
            "deleted": False,
        }
        if not agreed():
            terminal.result("Nothing was deleted.")
            return 1
        if tracking is not None and doomed.runs:
            from agent.memory.removal import remove_runs

            remove_runs(tracking, doomed.runs)
        with disk_errors_explained(runs_dir):
            for directory in doomed.trials:
                shutil.rmtree(directory)
            if (folder / PLACE).exists():
                from agent.memory.checkpoints.team import delete_checkpoints

                delete_checkpoints(folder / PLACE, study, TrackingConfig(timeout=20))
            shutil.rmtree(folder)
    terminal.document["deleted"] = True
    kept = (
        " Its runs, without their files, are in MLflow's bin (`mlflow gc` empties it)." if doomed.runs else ""
    )
    terminal.result(f"Study {study} is deleted.{kept}")
    return 0


def _store_of(study: str, folder: Path, runs_dir: Path, terminal: Terminal) -> "Tracking | None":
    """The store, attached to the study; None where it does not hold the study (any more)."""
    address = address_of(folder, runs_dir, terminal)
    if not address.exists:
        return None
    from agent.memory.writing import open_store

    tracking = open_store(address, TrackingConfig(retries=1, timeout=20), terminal.warn, own=study)
    tracking.check()
    return tracking if tracking.find_study(study) else None


def _doomed(folder: Path, runs_dir: Path, tracking: "Tracking | None") -> Doomed:
    own = _trials_of(folder)
    others = set[str]()
    for name in names(runs_dir):
        if name != folder.name:
            others |= _trials_of(runs_dir / "studies" / name)
    store = TrialStore(runs_dir / "trials")
    trials = tuple(path for key in sorted(own - others) if (path := store.directory(key)).is_dir())
    runs: tuple[str, ...] = ()
    if tracking is not None:
        from agent.memory.removal import runs_of

        runs = tuple(runs_of(tracking))
    shown = tracking.address.shown if tracking is not None else find_recorded_store(None, runs_dir).shown
    size = sum(map(_size, (folder, *trials)))
    return Doomed(folder, runs, shown, trials, len(own & others), size)


def _trials_of(folder: Path) -> set[str]:
    """Keys of the trials that a study trained or reused."""
    ledger = folder / LEDGER
    return Ledger(ledger, begins=False).trial_keys() if ledger.exists() else set()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

"""What runs inside a process that trains a pack of trials: it takes them from a pipe and says how each one ends.

As in `worker.py`, results are files in the trials' folders, and the pipe carries short messages: (key, message).
"""

import faulthandler
import logging
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tools.disk import DiskError, disk_errors_explained
from tools.errors import ImagesGone
from tools.execution.ending import Ending
from tools.execution.worker import BEGUN, OUTCOME, WAITING, send_output_to
from tools.files import make_folder, try_lock, write_checked_json
from tools.processes import exit_with_parent
from tools.training.config import TrialSpec
from tools.training.trial_store import LOCK
from tools.training.types import TrialResult

_IDLE_SECONDS = 0.0003
"""Between two looks at the device where nothing could be done."""

_LOCK_SECONDS = 0.5
"""Between two tries to lock a trial that another process holds."""


@dataclass(frozen=True)
class PackPlan:
    """One pack."""

    device: str
    threads: int
    """CPU threads of torch in the process itself."""
    size: int | None
    """Trials at a time; None: as many as the memory holds."""
    processes: int
    """That augment."""
    timeout: float | None
    """Seconds for one session of one trial."""


@dataclass(frozen=True)
class Note:
    """Something for the person at the terminal."""

    text: str


def serve_pack(connection: Connection, plan: PackPlan, output: Path) -> None:
    """The life of the process: until the pipe is closed or the parent ends.

    Args:
        connection: receives trials, sends (key, message) with BEGUN, WAITING, a Note, a Pace or an Ending; the
            key is empty where a message is about no single trial.
        plan: of the pack.
        output: where standard output and error go.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the parent to decide
    exit_with_parent()
    send_output_to(output)
    faulthandler.enable()
    import torch

    from tools.training.packed.augmenters import prepared

    if plan.processes:
        prepared()
    # imported here, where it delays no trial: judging predictions needs it
    import sklearn.metrics  # noqa: F401

    torch.set_num_threads(plan.threads)
    _Server(connection, plan).run()


class _Server(logging.Handler):
    """Between the pipe and the pack; as a logging handler, it passes on what the program's own modules warn of."""

    def __init__(self, connection: Connection, plan: PackPlan) -> None:
        from tools.training.packed.pack import Pack

        super().__init__(logging.WARNING)
        self._connection = connection
        self._locked: dict[str, tuple[TrialSpec, float]] = {}
        """Trials that another process holds, and when to try again."""
        self._pack = Pack(
            plan.device, plan.size, plan.processes, self._end, self._begin, self._note, plan.timeout
        )
        logger = logging.getLogger("tools")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        current = self._pack.current
        self._send(current.key if current is not None else "", Note(record.getMessage()[:400]))

    def run(self) -> None:
        """Serve until the pipe is closed."""
        while True:
            busy = bool(self._pack.trials) and self._pack.turn()
            wait = 0.0 if busy else _IDLE_SECONDS if self._pack.trials else _LOCK_SECONDS
            if not self._pack.trials and not self._locked:
                wait = None
            try:
                while self._connection.poll(wait):
                    self._take(self._connection.recv(), tell=True)
                    wait = 0.0
            except (EOFError, OSError):
                self._pack.close()
                return
            now = time.monotonic()
            for spec, due in tuple(self._locked.values()):
                if now >= due:
                    self._take(spec, tell=False)

    def _take(self, spec: TrialSpec, tell: bool) -> None:
        """Into the pack, if no other process holds the trial."""
        self._locked.pop(spec.key, None)
        try:
            with disk_errors_explained(spec.directory):
                make_folder(spec.directory)
                lock = try_lock(spec.directory / LOCK)
                if lock is None:
                    self._locked[spec.key] = (spec, time.monotonic() + _LOCK_SECONDS)
                    if tell:
                        self._send(spec.key, WAITING)
                    return
        except DiskError as error:
            self._send(spec.key, Ending("disk", str(error)))
            return
        held = ExitStack()
        held.callback(lock.release)
        self._pack.add(spec, held)

    def _begin(self, spec: TrialSpec) -> None:
        self._send(spec.key, BEGUN)

    def _end(self, spec: TrialSpec, outcome: Any) -> None:
        """Called with the trial's lock held."""
        if not self._pack.trials:
            self._tell_pace()
        if outcome is None:
            ending = Ending("late")
        elif isinstance(outcome, DiskError):
            ending = Ending("disk", str(outcome))
        elif isinstance(outcome, ImagesGone):
            ending = Ending("images", str(outcome))
        elif isinstance(outcome, TrialResult):
            try:
                with disk_errors_explained(spec.directory):
                    write_checked_json(spec.directory / OUTCOME, outcome.as_json())
                ending = Ending("done")
            except DiskError as error:
                ending = Ending("disk", str(error))
        else:
            ending = Ending("alone", str(outcome))
        self._send(spec.key, ending.shortened())

    def _note(self, text: str) -> None:
        self._send("", Note(text))

    def _tell_pace(self) -> None:
        pace = self._pack.meter.taken()
        if pace.images:
            self._send("", pace)

    def _send(self, key: str, message: Any) -> None:
        self._connection.send((key, message))

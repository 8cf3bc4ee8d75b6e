"""What runs inside a worker process. Its results are files in the trials' folders; the pipe carries short messages.

A message that is longer than a pipe holds could be cut in half by a kill; a file that is replaced whole has no such
state.
"""

import faulthandler
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from tools.disk import DiskError, disk_error, disk_errors_explained
from tools.errors import ImagesGone, first_line
from tools.execution.ending import OUTPUT, Ending
from tools.files import DamagedFile, locked, make_folder, read_checked_json, write_checked_json
from tools.processes import exit_with_parent
from tools.training.config import TrialSpec
from tools.training.trial_store import LOCK
from tools.training.types import TrialResult

OUTCOME = "outcome.json"
"""How the last session of a trial ended; unlike result.json it is written for every kind of failure.

It is replaced, never deleted: another study that waited for the same trial may begin before the parent of the worker
that wrote it has read it.
"""

TIMING = "timing.json"
"""How fast a trial would train, where that was asked."""

BEGUN, WAITING = "begun", "waiting"
"""Messages: the trial is this process's own; another process holds it."""

Task = Callable[[TrialSpec, str], Ending]
"""What a worker does with a trial on its device, once it holds the trial's lock."""


def serve(connection: Connection, threads: int, output: Path) -> None:
    """The life of a worker: one trial after the other, until the pipe is closed or the parent ends.

    Args:
        connection: receives (task, spec, device), sends messages and an `Ending` for each.
        threads: CPU threads of torch.
        output: where standard output and error go between trials.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the parent to decide
    exit_with_parent()
    send_output_to(output)
    faulthandler.enable()
    import torch

    import tools.training.loop  # noqa: F401 -- imported here, so that it counts towards no trial's time-out

    torch.set_num_threads(threads)
    while True:
        try:
            task, spec, device = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(_session(task, spec, device, connection).shortened())


def _session(task: Task, spec: TrialSpec, device: str, connection: Connection) -> Ending:
    notes = _Notes()
    try:
        with disk_errors_explained(spec.directory):
            make_folder(spec.directory)
            with locked(spec.directory / LOCK, on_wait=lambda: connection.send(WAITING)):
                connection.send(BEGUN)
                with _output_kept(spec.directory / OUTPUT), notes.collected():
                    ending = task(spec, device)
    except DiskError as error:
        ending = Ending("disk", str(error))
    except ImagesGone as error:
        ending = Ending("images", str(error))
    except Exception as error:
        ending = Ending("died", f"its worker process failed ({type(error).__name__}: {first_line(error)})")
    return Ending(ending.kind, ending.text, tuple(notes.texts))


def train_in_worker(spec: TrialSpec, device: str) -> Ending:
    """Train one trial; its outcome is written to its folder."""
    from tools.training.loop import train_under_lock

    result = train_under_lock(spec, device, on_epoch=lambda report: None)  # the parent follows epochs.jsonl
    if result.failure == "shared_memory":
        return Ending("shared_memory", result.reason)
    if result.failure == "worker_died":
        return Ending("died", result.reason)
    write_checked_json(spec.directory / OUTCOME, result.as_json())
    return Ending("done")


def evaluate_in_worker(split: str, spec: TrialSpec, device: str) -> Ending:
    """Evaluate one trial; its predictions are written to its folder."""
    from tools.training.evaluation import evaluate_under_lock
    from tools.training.failures import failure_of, images_gone

    try:
        evaluate_under_lock(spec, split, device)
    except Exception as error:
        if (refused := disk_error(error, spec.directory)) is not None:
            raise refused from error
        if gone := images_gone(error):
            raise gone from error
        return Ending("failed", failure_of(spec, device, error)[1])
    return Ending("done")


def time_in_worker(sizes: Sequence[int], spec: TrialSpec, device: str) -> Ending:
    """Measure how fast one trial would train, or, where there are `sizes` of images, updates on these.

    The figures are written to its folder.
    """
    from tools.training.failures import failure_of
    from tools.training.timing import time_training, time_updates

    try:
        if sizes:
            found = {str(size): seconds for size, seconds in time_updates(sizes, spec, device).items()}
        else:
            found = time_training(spec, device).as_json()
    except Exception as error:
        return Ending("failed", failure_of(spec, device, error)[1])
    write_checked_json(spec.directory / TIMING, found)
    return Ending("done")


def read_outcome(directory: Path) -> TrialResult:
    """How the session ended that a worker has just finished.

    Raises:
        DamagedFile: what the worker has just written is not there any more, or is not what it wrote.
    """
    file = directory / OUTCOME
    try:
        return TrialResult.from_json(read_checked_json(file))
    except FileNotFoundError as error:
        raise DamagedFile(file, "it is gone") from error
    except (TypeError, KeyError, json.JSONDecodeError) as error:
        raise DamagedFile(file, f"it holds no result: {error}") from error


class _Notes(logging.Handler):
    """Collects what the program's own modules warn of; the terminal belongs to the parent."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())

    @contextmanager
    def collected(self) -> Iterator[None]:
        """In this block, warnings come here and nowhere else."""
        logger = logging.getLogger("tools")
        logger.addHandler(self)
        before, logger.propagate = logger.propagate, False
        try:
            yield
        finally:
            logger.propagate = before
            logger.removeHandler(self)


@contextmanager
def _output_kept(file: Path) -> Iterator[None]:
    """Standard output and error go to `file`, which stays if this process dies or the block raises, and else goes."""
    before = os.dup(1), os.dup(2)
    try:
        send_output_to(file)
        try:
            yield
        except (DiskError, ImagesGone):
            raise
        except Exception:
            traceback.print_exc()
            raise
        file.unlink(missing_ok=True)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, saved in zip((1, 2), before, strict=True):
            os.dup2(saved, number)
            os.close(saved)


def send_output_to(file: Path) -> None:
    """Standard output and error of this process, Python's and native code's, go to `file` from now on."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    os.close(opened)

"""What goes wrong in worker processes, for real: tasks that tests give them in place of training, and who they are."""

import errno
import multiprocessing
import os
import resource
import signal
import sys
import warnings
from pathlib import Path

import psutil

from tools import files
from tools.execution.ending import Ending
from tools.execution.worker import OUTCOME, evaluate_in_worker, train_in_worker
from tools.training.config import TrialSpec
from tools.training.trial_store import LOCK


def workers() -> list[psutil.Process]:
    """Worker processes of this process, whatever forked them."""
    return [psutil.Process(child.pid) for child in multiprocessing.active_children()]


def begin_again(spec: TrialSpec) -> None:
    """Of the trial, keep only what its last session handed to its parent: the next one trains it from nothing."""
    for file in spec.directory.iterdir():
        if file.name not in (LOCK, OUTCOME):
            file.unlink()


def exit_quietly(spec: TrialSpec, device: str) -> Ending:
    """As native code that calls exit(0)."""
    os._exit(0)


def crash(spec: TrialSpec, device: str) -> Ending:
    """As native code that reads where it may not."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return Ending("done")


def crash_first(spec: TrialSpec, device: str) -> Ending:
    """The first worker is killed before it has trained an epoch; the next one trains."""
    if not (marker := spec.directory / "crashed").exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return train_in_worker(spec, device)


def chatter(spec: TrialSpec, device: str) -> Ending:
    """Writes where libraries write, then trains."""
    print("a line on standard output", flush=True)
    warnings.warn("a warning of a library", stacklevel=1)
    os.write(2, b"a line of native code\n")
    print("a line on standard error", file=sys.stderr, flush=True)
    return train_in_worker(spec, device)


def train_with_small_files(spec: TrialSpec, device: str) -> Ending:
    """No file may be larger than a few kilobytes: the log of epochs fits, weights do not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        return train_in_worker(spec, device)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def evaluate_on_full_disk(split: str, spec: TrialSpec, device: str) -> Ending:
    """Predictions cannot be kept."""

    def sync(file: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    files.sync = sync
    return evaluate_in_worker(split, spec, device)

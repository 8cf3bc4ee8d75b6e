"""Who holds a study: one process on one machine, also where several machines share the runs folder.

The lock is the system's own (flock), which ends with its process. On a shared file system that may not be enough: some
keep locks to each machine, others keep the lock of a machine that died. So the holder also writes down who it is
(`holder.json`), and touches that file every 15 seconds. Ages are measured by the clock of the file system, because
those of two machines differ. Who finds a holder on another machine that has been silent for two minutes takes the study
over and says so; a holder that finds itself replaced, or cannot touch the file, stops.
"""

import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from tools.errors import AugurError
from tools.files import read_json, write_json
from tools.text import counted

LOCK, HOLDER = "lock", "holder.json"
BEAT_SECONDS = 15.0
"""Between two signs of life."""
GONE_SECONDS = 120.0
"""Of silence, after which the holder on another machine is taken to be gone."""
_FIRST_BEAT_SECONDS = 2.0
"""Two machines that took the study at once find out soon."""


@dataclass(frozen=True)
class Holder:
    """A process that runs a study."""

    host: str
    boot: str
    """Differs from machine to machine, and after a restart; empty where the system tells none."""
    pid: int
    since: str
    token: str

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs, or ran, on another machine, whose locks may not be seen here."""
        boot = _boot()
        return self.boot != boot if self.boot and boot else self.host != socket.gethostname()


@contextmanager
def locked(folder: Path, study: str, tell: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Hold the study in `folder` in this block, so that no other process runs it.

    Args:
        folder: the study's own.
        study: its name.
        tell: is told if the study is taken over from a machine that is gone.

    Raises:
        AugurError: another process holds it; or, from the block, another machine has taken it over.
    """
    lock, holder = _acquired(folder, study, tell)
    beat = _Beat(folder / HOLDER, holder)
    beat.start()
    try:
        yield
    except KeyboardInterrupt:
        if beat.lost:
            fault = AugurError(f"Study {study} {beat.lost}. This process has stopped; nothing is lost.")
            fault.resumable = True
            raise fault from None
        raise
    finally:
        beat.stop()
        lock.release()


def is_running(folder: Path) -> bool:
    """Whether a process holds the study now, here or on another machine that shows signs of life."""
    try:
        with FileLock(folder / LOCK).acquire(timeout=0):
            held = False
    except Timeout:
        held = True
    except OSError:  # in a folder that nobody can write to
        return False
    holder = _read(folder)
    if holder is None or not holder.is_elsewhere:
        return held
    return _silence(folder) < GONE_SECONDS


def _acquired(folder: Path, study: str, tell: Callable[[str], None]) -> tuple[BaseFileLock, Holder]:
    lock: BaseFileLock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
        held = False
    except Timeout:
        held = True
    before = _read(folder)
    if before is None or not before.is_elsewhere:
        if held:
            who = "" if before is None else f" (process {before.pid}, since {before.since})"
            raise AugurError(
                f"Study {study} is being run by another process{who}, which holds {folder / LOCK}."
            )
        return lock, _entered(folder)
    silence = _silence(folder)
    if silence < GONE_SECONDS:
        if not held:
            lock.release()
        raise AugurError(
            f"Study {study} is being run on {before.host} (process {before.pid}, since {before.since}; last sign of "
            f"life {_in_words(silence)} ago). If that machine is gone, the study can be resumed here in "
            f"{_in_words(GONE_SECONDS - silence)}."
        )
    if held:
        lock = _taken_over(folder, study, before)
    tell(
        f"Study {study} was being run on {before.host} (process {before.pid}, since {before.since}), which has given "
        f"no sign of life for {_in_words(silence)}: it is taken over here."
    )
    return lock, _entered(folder)


def _taken_over(folder: Path, study: str, before: Holder) -> BaseFileLock:
    """The lock in the place of one that the file system keeps for a machine that is gone."""
    with FileLock(folder / f"{LOCK}.takeover"):
        if _read(folder) != before:
            raise AugurError(f"Study {study} has just been taken over by another machine: see agent list.")
        (folder / LOCK).unlink(missing_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire(timeout=0)
        return lock


def _entered(folder: Path) -> Holder:
    """This process, written down as the holder."""
    since = f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"
    holder = Holder(socket.gethostname(), _boot(), os.getpid(), since, secrets.token_hex(8))
    with suppress(OSError):  # what follows says so, for a file that it cannot do without
        write_json(folder / HOLDER, asdict(holder))
    return holder


class _Beat(threading.Thread):
    """Touches the file, and stops the study where it is another's."""

    def __init__(self, file: Path, holder: Holder) -> None:
        super().__init__(name="study-lock", daemon=True)
        self._file, self._holder = file, holder
        self._ended = threading.Event()
        self._in_main = threading.current_thread() is threading.main_thread()
        self.lost = ""
        """Why the study is no longer this process's; empty while it is."""

    def run(self) -> None:
        wait, touched = _FIRST_BEAT_SECONDS, time.monotonic()
        while not self._ended.wait(wait):
            wait = BEAT_SECONDS
            try:
                now = _read(self._file.parent)
                if now is not None and now.token != self._holder.token:
                    return self._lose(f"was taken over by {now.host} (process {now.pid}, {now.since})")
                if now is None and self._file.parent.is_dir():  # a folder that was deleted stays away
                    write_json(self._file, asdict(self._holder))
                os.utime(self._file)
                touched = time.monotonic()
            except OSError as error:
                silence = time.monotonic() - touched
                if silence > GONE_SECONDS - 2 * BEAT_SECONDS:
                    return self._lose(
                        f"could not write to {self._file.parent} for {_in_words(silence)} ({error.strerror}), so that "
                        "another machine may take it over"
                    )
        return None

    def _lose(self, why: str) -> None:
        self.lost = why
        if self._in_main and not self._ended.is_set():
            _interrupt()

    def stop(self) -> None:
        """The study is free again, unless it is another's already."""
        self._ended.set()
        self.join()
        with suppress(OSError):
            if _read(self._file.parent) == self._holder:
                self._file.unlink()


def _interrupt() -> None:
    """Raise KeyboardInterrupt in the main thread, also out of a call of the system that waits.

    A process that a script started in the background ignores SIGINT; one that heeds no signal ends at once.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if callable(signal.getsignal(number)):
            signal.pthread_kill(threading.main_thread().ident or 0, number)
            return
    os._exit(1)


def _read(folder: Path) -> Holder | None:
    try:
        content = read_json(folder / HOLDER)
        return None if content is None else Holder(**content)
    except (OSError, TypeError):
        return None


def _silence(folder: Path) -> float:
    """Seconds since the last sign of life, by the clock of the file system."""
    probe = folder / f".clock-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        last = (folder / HOLDER).stat().st_mtime
    except OSError:
        return GONE_SECONDS
    try:
        probe.touch()
        now = probe.stat().st_mtime
    except OSError:
        now = time.time()
    finally:
        with suppress(OSError):
            probe.unlink()
    return max(0.0, now - last)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _in_words(seconds: float) -> str:
    if seconds < 180:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.0f} h"
    return counted(round(seconds / 86400), "day")

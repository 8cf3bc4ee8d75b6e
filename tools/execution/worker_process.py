"""A worker process as its parent sees it: started when it is needed, spoken to through a pipe, killed at any time.

Built on multiprocessing alone: a time-out has to follow the monotonic clock, and every way of ending has to be noticed,
an exit with code 0 as well as a kill.
"""

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver, get_context, resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from tools.execution.devices import WorkerPlan
from tools.execution.ending import OUTPUT, Ending, death
from tools.execution.worker import BEGUN, Task, serve
from tools.training.config import TrialSpec

UNREADABLE = (EOFError, OSError, UnpicklingError)
"""What reading from a pipe raises whose other end was cut off."""

_IMPORTED_ONCE = ["tools.execution.imported"]
"""By the server that forks workers."""


class WorkerProcess:
    """One worker; a new process takes the place of one that was killed."""

    def __init__(self, plan: WorkerPlan) -> None:
        self.plan = plan
        self._process: Any = None
        self._connection: Any = None
        self._output = Path(os.devnull)
        self._spec: TrialSpec | None = None
        self._begun = False

    def start(self) -> None:
        """Start the process, unless it runs; importing torch takes the first one seconds."""
        if self._process is not None and self._process.is_alive():
            return
        self.kill()
        self._output = _scratch_file()
        self._launch()

    def _launch(self) -> None:
        """Make the process, and the pipe to it."""
        context = _context()
        with _interrupts_held_back():
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_live, args=(dict(os.environ), *self._life(theirs)))
            self._process.start()
            theirs.close()

    def _life(self, connection: Any) -> tuple[Callable[..., None], tuple[Any, ...]]:
        """What the process runs, with its end of the pipe."""
        return serve, (connection, self.plan.threads, self._output)

    def submit(self, task: Task, spec: TrialSpec) -> None:
        """Give the process a trial; it has none."""
        self.start()
        self._spec, self._begun = spec, False
        with suppress(OSError):  # it has died: `news` says so
            self._connection.send((task, spec, self.plan.device))

    def send(self, message: Any) -> None:
        """Pass on a message of somebody else, for whom this process works; one that has died says so in `heard`."""
        with suppress(OSError):
            self._connection.send(message)

    def heard(self, seconds: float) -> tuple[list[Any], int | None]:
        """What the process says, once it says something, or after so many seconds; its exit code if it has ended."""
        wait(self.waitables, seconds)
        alive, messages = self._process.is_alive(), []
        try:
            while self._connection.poll():
                messages.append(self._connection.recv())
        except UNREADABLE:
            self._process.kill()
            alive = False
        if alive:
            return messages, None
        self._process.join()
        return messages, self._process.exitcode

    def words(self) -> str:
        """What the process wrote outside of trials; empty where nothing can be read."""
        try:
            return self._output.read_text("utf-8", errors="replace")
        except OSError:
            return ""

    @property
    def waitables(self) -> list[Any]:
        """For `multiprocessing.connection.wait`: ready when there is news."""
        return [self._connection, self._process.sentinel]

    def news(self) -> Iterator[str | Ending]:
        """The messages since the last call; the last of a trial is an `Ending`."""
        assert self._spec is not None
        alive = self._process.is_alive()  # before the pipe is read: what it sent before it died counts
        try:
            while self._connection.poll():
                message = self._connection.recv()
                self._begun = self._begun or message == BEGUN
                yield message
                if isinstance(message, Ending):
                    return
        except UNREADABLE:
            self._process.kill()
            alive = False
        if not alive:
            self._process.join()
            output = self._spec.directory / OUTPUT if self._begun else self._output
            yield self._death(output, self._spec.loader_workers)

    def _death(self, output: Path, loader_workers: int) -> Ending:
        """Of the process, which has ended in the middle of a trial; as `tools.execution.ending.death` has it."""
        return death(self._process.exitcode, output, loader_workers)

    def kill(self) -> None:
        """Kill the process, whatever it is doing."""
        kill_all([self])

    def _forget(self) -> None:
        self._connection.close()
        self._process.close()
        self._process = None
        if self._output != Path(os.devnull):
            self._output.unlink(missing_ok=True)


def _context() -> Any:
    """How processes are started: forked, on Linux, from a server that has imported torch and never used it.

    A process that has used torch's threads must not be forked. Elsewhere each process starts from nothing: macOS does
    not promise that its frameworks survive a fork, and Windows has none.
    """
    if sys.platform != "linux":
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED_ONCE)  # for a server that does not run yet
    return context


def start_server() -> None:
    """Start the server that forks workers, and do not wait for it: it imports torch while the caller goes on.

    Without this call, the first worker starts it. Does nothing where workers are not forked, or where it runs.
    """
    context = _context()
    if context.get_start_method() == "forkserver":
        with _interrupts_held_back():
            forkserver.ensure_running()


@dataclass(frozen=True)
class Server:
    """A server that forks processes, and that lives as long as any that it forked."""

    address: str
    key: bytes | None
    """With which Python 3.14 and later ask it."""


def running_server() -> Server | None:
    """The server that forks the processes of this one; None where there is none yet, or they are not forked."""
    own: Any = forkserver._forkserver  # type: ignore[attr-defined]
    address = own._forkserver_address
    return None if address is None else Server(address, getattr(own, "_forkserver_authkey", None))


def join_server(server: Server) -> None:
    """Let the processes of this one be forked from the server that forked it, which has imported what they need.

    Without that, it would start a server of its own, which imports torch once more.
    """
    own: Any = forkserver._forkserver  # type: ignore[attr-defined]
    own._forkserver_address = server.address
    own._forkserver_authkey = server.key
    # The module's own name for it as well: `start_server` would start another server all the same.
    forkserver.ensure_running = own.ensure_running = _running_already  # type: ignore[assignment]


def _running_already() -> None:
    """In the place of what starts a server."""


def _live(environment: Mapping[str, str], life: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """What a new process does; the server that forked it has the environment of the time when it was started."""
    os.environ.clear()
    os.environ.update(environment)
    life(*arguments)


def kill_all(workers: Iterable[WorkerProcess]) -> None:
    """Kill these processes, together. Ctrl-C and SIGTERM do not keep it from its end; they are raised after it."""
    running = [worker for worker in workers if worker._process is not None]
    if not running:
        return
    killer = threading.Thread(
        target=_kill_all, args=(running,)
    )  # interrupts are raised in the main thread only
    killer.start()
    interrupt: BaseException | None = None
    while killer.is_alive():
        try:
            killer.join()
        except BaseException as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def _kill_all(workers: list[WorkerProcess]) -> None:
    started = [worker for worker in workers if worker._process.pid is not None]
    for worker in started:
        worker._process.kill()
    for worker in started:
        worker._process.join()
    for worker in workers:
        worker._forget()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Delay Ctrl-C. Processes that are started meanwhile inherit the block, and never receive it.

    They ignore it anyway, but only once they run, and importing torch takes seconds.
    """
    resource_tracker.ensure_running()  # which unblocks SIGINT when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _scratch_file() -> Path:
    """For what a worker writes outside of trials; nowhere if no file can be made."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="augur-worker-", suffix=".log")
    except OSError:
        return Path(os.devnull)
    os.close(descriptor)
    return Path(name)

"""A worker on a node of a Ray cluster, as the process sees it that plans the trials: like one of its own processes.

`RemoteProcess` stands for the process and for the pipe to it, so that `LocalExecutor` and `PackedExecutor`, which say
what each way of ending means, know nothing of Ray. A thread asks the actor for news (`host.py`) and puts them where a
pipe would have them.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tools.errors import AugurError, first_line
from tools.execution.devices import WorkerPlan
from tools.execution.ending import Ending
from tools.execution.on_ray.cluster import ClusterFault, import_ray
from tools.execution.on_ray.host import Host, News
from tools.execution.on_ray.sending import Sender
from tools.execution.packed import PackProcess
from tools.execution.packed_worker import Note, PackPlan
from tools.execution.worker import WAITING
from tools.execution.worker_process import WorkerProcess
from tools.files import make_folder, try_lock, write_whole
from tools.training.config import TrialSpec
from tools.training.trial_store import LOCK

_NEWS_SECONDS = 5.0
"""That an actor waits for something to happen before it answers."""
_ROOM_SECONDS = 30.0
"""That a worker waits for a node with room before that is told."""
_END_SECONDS = 15.0
"""That Ray is given to say that an actor has ended which was killed."""
_LOCK_SECONDS = 0.5
"""Between two tries to lock a trial that another process holds."""


@dataclass(frozen=True)
class Placement:
    """What a worker needs of a node, and how files reach it."""

    cpus: float
    gpus: float
    sends_files: bool | None = None
    """Whether trials' files are sent; None: where the node does not see them."""
    sender: Sender = field(default_factory=Sender)
    """Shared by the workers of an executor."""


class RayWorker(WorkerProcess):
    """One worker on whichever node has room; another actor takes the place of one that was lost."""

    def __init__(self, plan: WorkerPlan, placement: Placement) -> None:
        super().__init__(plan)
        self._placement = placement

    def _launch(self) -> None:
        self._process = self._connection = RemoteProcess(
            partial(WorkerProcess, self.plan), self._placement, self._output, lambda text: text
        )

    @property
    def waitables(self) -> list[Any]:
        """One: the end of a remote process is news too."""
        return [self._connection]

    def _death(self, output: Path, loader_workers: int) -> Ending:
        return self._process.lost or super()._death(output, loader_workers)


class RayPack(PackProcess):
    """One pack on whichever node has room."""

    def __init__(self, plan: PackPlan, placement: Placement) -> None:
        super().__init__(plan)
        self._placement = placement

    def _launch(self) -> None:
        self._process = self._connection = RemoteProcess(
            partial(PackProcess, self._pack), self._placement, self._output, lambda text: ("", Note(text))
        )

    @property
    def waitables(self) -> list[Any]:
        """As `RayWorker.waitables`."""
        return [self._connection]

    def _death(self, output: Path, loader_workers: int) -> Ending:
        return self._process.lost or super()._death(output, loader_workers)


class RemoteProcess:
    """A process on a node, and the pipe to it; has what `WorkerProcess` needs of both."""

    pid = -1

    def __init__(
        self,
        worker: Callable[[], WorkerProcess],
        placement: Placement,
        output: Path,
        told: Callable[[str], Any],
    ) -> None:
        """Asks for the actor; it comes when a node has room.

        Args:
            worker: makes what the actor keeps.
            placement: what it needs.
            output: a file for what the process wrote outside of trials, if it ends.
            told: makes a message of a text.
        """
        self._ray = import_ray()
        if not self._ray.is_initialized():
            raise ClusterFault(
                "the connection to the Ray cluster is gone: resume the study when the cluster runs"
            )
        self.exitcode: int | None = None
        self.lost: Ending | None = None
        """Where the actor was lost, with or without its node."""
        self._placement, self._output, self._told = placement, output, told
        self._sends: bool | None = placement.sends_files
        self._inbox = _Inbox()
        self._held: dict[str, tuple[TrialSpec, threading.Event]] = {}
        self._node = ""
        try:
            actor = self._ray.remote(Host).options(
                num_cpus=placement.cpus,
                num_gpus=placement.gpus,
                max_concurrency=4,
                max_restarts=0,
                scheduling_strategy="SPREAD",
            )
            self._host = actor.remote(worker)
        except Exception as error:  # Ray raises many kinds where the connection broke
            raise ClusterFault(
                f"the Ray cluster takes no workers ({type(error).__name__}: {first_line(error)}): resume the study "
                "when it runs"
            ) from error
        self._thread = threading.Thread(target=self._follow, name="ray-worker", daemon=True)
        self._thread.start()

    # what a pipe has

    def send(self, message: Any) -> None:
        """Hand over a trial; from a thread of its own, because its files, or its lock, may take time."""
        threading.Thread(target=self._send, args=(message,), name="ray-send", daemon=True).start()

    def poll(self, seconds: float = 0) -> bool:
        """Whether there is a message, or there will be none any more."""
        return self._inbox.has_news

    def recv(self) -> Any:
        """The next message; EOFError after the last one."""
        return self._inbox.take()

    def fileno(self) -> int:
        """Ready to be read when there is news."""
        return self._inbox.fileno()

    def close(self) -> None:
        """The pipe, and the process, which has ended."""
        self._inbox.close()

    # what a process has

    def is_alive(self) -> bool:
        """Whether the actor, and the process that it keeps, are there, as far as is known."""
        return self._thread.is_alive()

    def kill(self) -> None:
        """End the actor, and with it its process."""
        with suppress(Exception):  # it has ended, or the cluster has
            self._ray.kill(self._host)
        for _, released in tuple(self._held.values()):
            released.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until its end is known."""
        self._thread.join(_END_SECONDS if timeout is None else timeout)

    # the threads

    def _follow(self) -> None:
        try:
            pending = self._host.receive.remote(_NEWS_SECONDS)
            ready, _ = self._ray.wait([pending], timeout=_ROOM_SECONDS)
            if not ready:
                self._inbox.put(self._told(self._no_room()))
            while True:
                news: News = self._ray.get(pending)
                self._node = news.node
                self._take(news)
                if news.exit_code is not None:
                    self.exitcode = news.exit_code
                    if news.words and self._output != Path(os.devnull):
                        self._output.write_text(news.words, encoding="utf-8")
                    return
                pending = self._host.receive.remote(_NEWS_SECONDS)
        except Exception as error:  # the node, the actor or the cluster is gone, or the disk here refuses
            self.lost = _loss(error, self._node)
        finally:
            for _, released in tuple(self._held.values()):
                released.set()
            self._inbox.end()

    def _no_room(self) -> str:
        needs = f"{self._placement.cpus:g} CPU" + (
            f" and {self._placement.gpus:g} GPU" if self._placement.gpus else ""
        )
        return f"no node of the Ray cluster has room for a worker ({needs}): waiting"

    def _take(self, news: News) -> None:
        for key, files in news.changed.items():
            if key in self._held:
                _write(self._held[key][0].directory, files)
        for message in news.messages:
            ended = _ended(message)
            for key in tuple(self._held) if ended == "" else (ended,):
                if key in self._held:
                    self._held.pop(key)[1].set()
            self._inbox.put(message)

    def _send(self, message: Any) -> None:
        specs = [part for part in _parts(message) if isinstance(part, TrialSpec)]
        try:
            if not specs or not self._must_send(specs[0]):
                self._ray.get(self._host.send.remote(message))
                return
            self._send_with_files(message, specs[0])
        except AugurError as error:
            self._inbox.put(self._answer(message, specs[0], Ending("disk", str(error))))
        except Exception as error:
            if self.lost is None and self._thread.is_alive() and not _is_loss(error):
                self.lost = _loss(error, self._node)
                self.kill()

    def _answer(self, message: Any, spec: TrialSpec, ending: Ending) -> Any:
        return ending if isinstance(message, tuple) else (spec.key, ending)

    def _must_send(self, spec: TrialSpec) -> bool:
        """Whether the node of the actor does not see the trial's folder; found out once."""
        if self._sends is None:
            content = os.urandom(16)
            probe = spec.directory / f".seen-{content.hex()}"
            make_folder(spec.directory)
            probe.write_bytes(content)
            try:
                self._sends = not self._ray.get(self._host.sees.remote(str(probe.resolve()), content))
            finally:
                probe.unlink(missing_ok=True)
        return self._sends

    def _send_with_files(self, message: Any, spec: TrialSpec) -> None:
        """Hold the trial's lock here, while it is trained there."""
        released = threading.Event()
        make_folder(spec.directory)
        lock, told = try_lock(spec.directory / LOCK), False
        while lock is None:
            if not told:
                told = True
                self._inbox.put(WAITING if isinstance(message, tuple) else (spec.key, WAITING))
            if released.wait(_LOCK_SECONDS) or not self._thread.is_alive():
                return
            lock = try_lock(spec.directory / LOCK)
        try:
            self._held[spec.key] = (spec, released)
            delivery = self._placement.sender.deliver(spec, self._ray, self._host)
            self._ray.get(self._host.send.remote(message, delivery))
            released.wait()
        finally:
            self._held.pop(spec.key, None)
            lock.release()


class _Inbox:
    """Messages from one thread to another, with a descriptor that `multiprocessing.connection.wait` takes."""

    def __init__(self) -> None:
        self._messages: deque[Any] = deque()
        self._ended = self._closed = False
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._lock = threading.Lock()

    @property
    def has_news(self) -> bool:
        return bool(self._messages) or self._ended

    def put(self, message: Any) -> None:
        with self._lock:
            self._messages.append(message)
            self._wake()

    def end(self) -> None:
        with self._lock:
            self._ended = True
            self._wake()

    def take(self) -> Any:
        with self._lock:
            if not self._messages:
                raise EOFError
            message = self._messages.popleft()
            if not self._messages and not self._ended and not self._closed:
                with suppress(BlockingIOError):
                    while os.read(self._read, 4096):
                        pass
            return message

    def fileno(self) -> int:
        return self._read

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._read)
                os.close(self._write)

    def _wake(self) -> None:
        if not self._closed:
            with suppress(BlockingIOError):
                os.write(self._write, b"x")


def _parts(message: Any) -> tuple[Any, ...]:
    return message if isinstance(message, tuple) else (message,)


def _ended(message: Any) -> str | None:
    """The key of the trial that this message ends; empty where it has none, None where it ends none."""
    if isinstance(message, Ending):
        return ""
    if isinstance(message, tuple) and len(message) == 2 and isinstance(message[1], Ending):
        return message[0]
    return None


def _write(folder: Path, files: dict[str, bytes | None]) -> None:
    for name, content in files.items():
        if content is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_whole(folder / name, content)


def _is_loss(error: BaseException) -> bool:
    from ray.exceptions import RayActorError

    return isinstance(error, RayActorError)


def _loss(error: BaseException, node: str) -> Ending:
    """An actor that ended by itself, in words without addresses.

    A disk of this machine that refuses what a node sends back is no death.
    """
    from ray.exceptions import OutOfMemoryError

    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return Ending("disk", str(error))
    where = f"the Ray node {node}" if node else "a Ray node"
    text = str(error)
    if isinstance(error, OutOfMemoryError) or "memory pressure" in text:
        return Ending(
            "died", f"its worker on {where} was killed because memory ran out: try fewer execution.workers"
        )
    if "node has died" in text or "node died" in text or "node was terminated" in text:
        return Ending("died", f"{where}, on which its worker ran, was lost")
    if _is_loss(error):
        return Ending("died", f"its worker on {where} was lost")
    reason = f"{type(error).__name__}: {first_line(error)}"
    return Ending("died", f"its worker on {where} cannot be reached ({reason})")

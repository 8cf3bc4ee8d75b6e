"""Questions whose answers need MLflow, each answered by a process that is forked for it and then ends."""

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tools.errors import AugurError

_TIMEOUT = 120.0
_AGAIN = 10.0
"""Seconds for which a report or a result is not made again."""
_JOBS_KEPT = 256


@dataclass(frozen=True)
class Failed:
    """What a job says instead of an answer."""

    text: str


def result(study: str, runs_dir: Path) -> dict[str, Any]:
    """All of a study, as `agent show --json` prints it."""
    from agent.screen.terminal import silent
    from agent.studies.listing import attached, document_of

    return document_of(*attached(study, runs_dir, silent()))


def report(study: str, runs_dir: Path) -> str:
    """Write the page of a study; its file."""
    from agent.screen.terminal import silent
    from agent.studies.reporting import report_study

    report_study(study, runs_dir, silent())
    return str(runs_dir / "studies" / study / "report.html")


def note(study: str, runs_dir: Path, text: str) -> bool:
    """Add a note to the study's run in MLflow."""
    from agent.memory.reviews import add_note
    from agent.screen.terminal import silent
    from agent.studies.listing import attached

    _, tracking = attached(study, runs_dir, silent())
    add_note(tracking, text)
    return True


class Jobs:
    """Runs one job at a time, and remembers answers for a moment."""

    def __init__(self, context: Any) -> None:
        """`context` is multiprocessing's, by which processes are started."""
        self._context = context
        self._one = ThreadPoolExecutor(1, thread_name_prefix="jobs")
        self._lock = threading.Lock()
        self._known: dict[tuple[Any, ...], tuple[float, Future[Any]]] = {}

    def ask(self, job: Callable[..., Any], *arguments: Any) -> Any:
        """The answer of a job; of one that was asked a moment ago, the same.

        Raises:
            AugurError: as the job raises it, or it takes too long.
        """
        key = (job.__name__, *arguments)
        with self._lock:
            made, future = self._known.get(key, (0.0, None))
            if future is None or (future.done() and time.monotonic() - made > _AGAIN):
                while len(self._known) >= _JOBS_KEPT:
                    self._known.pop(next(iter(self._known)))
                future = self._one.submit(self._run, key, job, arguments)
                self._known[key] = (time.monotonic(), future)
        return future.result()

    def begin(self, job: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """The same without waiting, and never from memory."""
        return self._one.submit(self._run, (), job, arguments)

    def close(self) -> None:
        """Begin nothing more."""
        self._one.shutdown(wait=False, cancel_futures=True)

    def _run(self, key: tuple[Any, ...], job: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_answer, args=(theirs, job, arguments), daemon=True)
        process.start()
        theirs.close()
        try:
            if not ours.poll(_TIMEOUT):
                raise AugurError(
                    f"{job.__name__} of {arguments[0]} took more than {_TIMEOUT:g} s: try again."
                )
            found = ours.recv()
        except EOFError:
            found = Failed(
                f"{job.__name__} of {arguments[0]}: its process died; the service's output says why."
            )
        finally:
            process.kill()
            process.join()
            ours.close()
        with self._lock:
            if key in self._known:  # the time counts from the answer
                self._known[key] = (time.monotonic(), self._known[key][1])
        if isinstance(found, Failed):
            raise AugurError(found.text)
        return found


def _answer(connection: Connection, job: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        found = job(*arguments)
    except AugurError as error:
        found = Failed(str(error))
    connection.send(found)
    connection.close()
    sys.stdout.flush()

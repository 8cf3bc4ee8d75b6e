"""Starts the processes of studies, looks after them, stops them.

Nothing here is only in memory: that a study runs is in the queue before its process is started, and how it ended is in
a file before the process ends. A service that was killed therefore finds three cases, and needs no other: a process
still works on the study (it holds the lock), it has ended (the file is there), or it died (neither).
"""

import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import psutil

from agent.memory.study_file import NAME as MLFLOW_FILE
from agent.screen.exits import INTERRUPTED, TERMINATED
from agent.service import jobs
from agent.service.config import TOKEN_VARIABLE, ServiceConfig
from agent.service.queue import Entry, NoteEntry, Queue
from agent.service.session import BUSY, LOG, OUTCOME, PROCESS, Outcome, Ticket, is_held, live, outcome_of
from agent.service.types import ACTIVE
from tools.errors import AugurError, first_line
from tools.execution.worker_process import running_server
from tools.files import read_json

_EVERY = 0.5
"""Seconds between two looks; what is asked is looked at at once."""
_DEATHS = 3
"""Processes that may die one after another, while the service looks on, before a study has failed."""
_RETRIES = 3
_FIRST_RETRY, _LATER = 60.0, 5.0
"""Seconds until a study is tried again after a fault that may pass; each time so many times as long."""
_GOOD_SESSION = 600.0
"""Seconds after which a session has shown that the study can run: deaths and retries count from zero."""
_NEXT_TRY = 30.0
"""Seconds until a note is delivered again that the store did not take."""
_STOPPING = 60.0
"""Seconds that a study may take to stop, before it is killed; it then resumes from its last checkpoint."""


class Scheduler:
    """One thread that keeps `at_once` studies running."""

    def __init__(
        self,
        queue: Queue,
        config: ServiceConfig,
        context: Any,
        asked: jobs.Jobs,
        life: Callable[[Ticket], None] = live,
    ) -> None:
        """`context` is multiprocessing's, by which processes are started; `asked` delivers notes; `life` is what the
        process of a study does."""
        self._queue, self._config, self._context, self._asked = queue, config, context, asked
        self._life = life
        self._processes: dict[str, Any] = {}
        self._seen: set[str] = set()
        """Studies that this service has seen running: if they die now, that is news."""
        self._signalled: dict[tuple[str, int], float] = {}
        """(study, process) → when it was told to stop."""
        self._next_note: dict[str, float] = {}
        """Study → when its next note may be delivered."""
        self._stop, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look now: something was asked."""
        self._wake.set()

    def stop(self) -> None:
        """Interrupt every study, wait until it has stopped, and end. They resume when a service starts again."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        deadline = time.monotonic() + _STOPPING
        while (held := self._running()) and time.monotonic() < deadline:
            for name in held:
                self._tell(name)
            time.sleep(0.05)

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        said = ""
        while not self._stop.is_set():
            try:
                self._look()
                said = ""
            except Exception as error:  # a bug must not end the service: the others go on
                text = f"agent serve: {error}" if isinstance(error, AugurError) else traceback.format_exc()
                if text != said:  # it is tried twice a second
                    said = text
                    with suppress(OSError):  # the disk of the log may be the one that is full
                        print(text, file=sys.stderr, flush=True)
            self._wake.wait(_EVERY)
            self._wake.clear()

    def _look(self) -> None:
        for entry in self._queue.entries(ACTIVE):
            self._look_after(entry)
        while not self._stop.is_set() and (entry := self._queue.claim(self._config.at_once)) is not None:
            (self._config.own(entry.name) / OUTCOME).unlink(missing_ok=True)  # of an earlier session
            self._start(entry)
        self._deliver_notes()

    def _look_after(self, entry: Entry) -> None:
        if self._is_alive(entry.name):
            self._seen.add(entry.name)
            if entry.state != "running":
                self._tell(entry.name)
            return
        outcome = outcome_of(self._config.own(entry.name))
        if outcome is None:
            self._after_death(entry, self._seconds_lived(entry.name), "it was killed")
        else:
            self._after_end(entry, outcome)

    def _after_death(self, entry: Entry, seconds: float, why: str) -> None:
        """Its process, which ran for so long, is gone and did not say how the study ended."""
        if entry.state != "running":
            self._end(entry, "paused" if entry.state == "pausing" else "cancelled")
            return
        deaths = (0 if seconds > _GOOD_SESSION else entry.deaths) + (entry.name in self._seen)
        if deaths >= _DEATHS:
            log = self._config.own(entry.name) / LOG
            self._end(
                entry,
                "failed",
                f"Its process died {deaths} times in a row ({why}): too little memory is the usual reason. {log} has "
                "what it printed. Nothing is lost: resume it once the cause is fixed.",
            )
            return
        (self._config.own(entry.name) / OUTCOME).unlink(missing_ok=True)
        self._start(self._queue.begin_session(entry.name, deaths))

    def _seconds_lived(self, name: str) -> float:
        """How long the process of a study that has died had lived; 0 where it died before it said who it is."""
        known, last = read_json(self._config.own(name) / PROCESS) or {}, self._processes.get(name)
        if last is not None and last.pid != known.get("pid"):  # the file is of an earlier process
            return 0.0
        return time.time() - known.get("created", time.time())

    def _after_end(self, entry: Entry, outcome: Outcome) -> None:
        interrupted = outcome.code in (INTERRUPTED, TERMINATED)
        if outcome.code == 0:
            self._end(entry, "finished")
        elif entry.state == "cancelling":
            self._end(entry, "cancelled")
        elif interrupted and entry.state == "pausing":
            self._end(entry, "paused")
        elif interrupted:  # by a service that ended, or by the machine
            self._after_death(entry, outcome.seconds, "another program told it to stop")
        elif outcome.resumable:
            self._try_again(entry, outcome)
        else:
            self._end(entry, "failed", outcome.message)

    def _try_again(self, entry: Entry, outcome: Outcome) -> None:
        retries = 0 if outcome.seconds > _GOOD_SESSION else entry.retries
        if retries >= _RETRIES:
            self._end(entry, "failed", f"{outcome.message} (tried {retries + 1} times)")
            return
        wait = _FIRST_RETRY * _LATER**retries
        self._forget(entry.name)
        self._queue.try_again(entry.name, outcome.message, retries + 1, time.time() + wait)

    def _end(self, entry: Entry, state: Any, message: str = "") -> None:
        self._forget(entry.name)
        self._queue.end(entry.name, state, message)

    def _forget(self, name: str) -> None:
        self._seen.discard(name)
        process = self._processes.pop(name, None)
        if process is not None:
            process.join()
            process.close()
        self._signalled = {key: at for key, at in self._signalled.items() if key[0] != name}

    # ------------------------------------------------------------------ processes

    def _start(self, entry: Entry) -> None:
        self._forget(entry.name)
        own = self._config.own(entry.name)
        try:
            own.mkdir(parents=True, exist_ok=True)
            environment = {name: text for name, text in os.environ.items() if name != TOKEN_VARIABLE}
            ticket = Ticket(
                entry.name, entry.settings, self._config.runs_dir, own, environment, running_server()
            )
            process = self._context.Process(target=self._life, args=(ticket,), name=f"study {entry.name}")
            process.start()
        except OSError as error:
            message = f"Its process could not be started ({first_line(error)}); it is tried again."
            self._queue.try_again(entry.name, message, entry.retries, time.time() + _FIRST_RETRY)
            return
        self._processes[entry.name] = process
        self._seen.add(entry.name)

    def _is_alive(self, name: str) -> bool:
        process = self._processes.get(name)
        if process is not None and process.is_alive():
            return True
        if process is not None and process.exitcode == BUSY:
            # Another process, which an earlier service started, works on the study, or has just ended.
            self._forget(name)
        return is_held(self._config.own(name))

    def _running(self) -> list[str]:
        return [entry.name for entry in self._queue.entries(ACTIVE) if self._is_alive(entry.name)]

    def _tell(self, name: str) -> None:
        """Tell a study's process to stop; kill it where it does not."""
        found = self._process_of(name)
        if found is None:
            return
        key = (name, found.pid)
        first = key not in self._signalled
        told = self._signalled.setdefault(key, time.monotonic())
        with suppress(psutil.Error):
            if first:
                found.terminate()
            elif time.monotonic() - told > _STOPPING:
                found.kill()

    def _process_of(self, name: str) -> psutil.Process | None:
        known = read_json(self._config.own(name) / PROCESS)
        if known is None:
            return None
        with suppress(psutil.Error, TypeError, KeyError):
            process = psutil.Process(known["pid"])
            if abs(process.create_time() - known["created"]) < 1.0:
                return process
        return None

    # ------------------------------------------------------------------ notes

    def _deliver_notes(self) -> None:
        """Write the notes to studies that have begun, in their order, without waiting."""
        for note in self._queue.notes(delivered=False):
            began = (self._config.runs_dir / "studies" / note.name / MLFLOW_FILE).is_file()
            if began and time.monotonic() >= self._next_note.get(note.name, 0.0):
                self._next_note[note.name] = math.inf
                future = self._asked.begin(jobs.note, note.name, self._config.runs_dir, note.text)
                future.add_done_callback(partial(self._noted, note))

    def _noted(self, note: NoteEntry, future: "Future[Any]") -> None:
        failed = future.cancelled() or future.exception() is not None
        if not failed:
            self._queue.deliver(note)
        self._next_note[note.name] = time.monotonic() + (_NEXT_TRY if failed else 0.0)
        self.wake()

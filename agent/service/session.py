"""What the process of a study does: hold the study, run or resume it, and write down how that ended.

It is forked from a server that has imported everything (`warm`), and goes on where the service itself is killed.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.screen.exits import run_to_exit_code
from agent.screen.terminal import Terminal
from agent.service.events import FILE, EventLog
from agent.settings.config import StudyConfig
from agent.settings.sources import load_file
from agent.settings.table import settings
from agent.study_folder import CONFIG
from tools.errors import AugurError
from tools.execution.worker_process import Server, join_server
from tools.files import read_json, try_lock, write_json
from tools.training.types import TrialEvent

if TYPE_CHECKING:
    from agent.memory.history import IterationRecord

LOG, LOCK, OUTCOME, PROCESS = "log.txt", "lock", "outcome.json", "process.json"
"""In the service's folder of the study: what it printed; who holds it; how it ended; the process that runs it."""
BUSY = 75
"""Exit code of a process that found the study held, or ended: nothing is to be done."""
_PATIENCE = 5.0
"""Seconds to wait for the lock: the service takes it for a moment when it looks whether it is held."""


@dataclass(frozen=True)
class Ticket:
    """What a process needs to run a study."""

    study: str
    settings: str
    """All of them, as JSON."""
    runs_dir: Path
    own: Path
    """The service's folder of the study."""
    environment: dict[str, str]
    server: Server | None
    """What forks this process, and shall fork the study's workers."""


@dataclass(frozen=True)
class Outcome:
    """How a process of a study ended."""

    code: int
    """As of `agent run`: 0 done, 130 and 143 interrupted, else it failed."""
    message: str = ""
    resumable: bool = False
    """Whether it may go on once what stopped it has passed."""
    seconds: float = 0.0
    """That the process ran."""


def live(ticket: Ticket) -> None:
    """The whole life of the process; it ends with the exit code of the study."""
    with suppress(OSError):
        os.setsid()  # so that Ctrl-C at the service's terminal reaches the service alone, which then stops us
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(ticket.environment)
    lock = _patiently_locked(ticket.own / LOCK)
    if lock is None or (ticket.own / OUTCOME).exists():
        sys.exit(BUSY)
    write_json(ticket.own / PROCESS, identity())
    _print_to(ticket.own / LOG)
    if ticket.server is not None:
        join_server(ticket.server)
    outcome = _run(ticket)
    write_json(ticket.own / OUTCOME, asdict(outcome))
    sys.stdout.flush()
    sys.exit(outcome.code)


def identity() -> dict[str, Any]:
    """Of this process; its number alone may be given to another after its end."""
    import psutil

    process = psutil.Process()
    return {"pid": process.pid, "created": process.create_time()}


def outcome_of(own: Path) -> Outcome | None:
    """How the last process of a study ended; None where it did not say."""
    found = read_json(own / OUTCOME)
    try:
        return None if found is None else Outcome(**found)
    except TypeError:  # a damaged file says nothing
        return None


def is_held(own: Path) -> bool:
    """Whether a process works on the study."""
    if not own.is_dir():
        return False
    lock = try_lock(own / LOCK)
    if lock is None:
        return True
    lock.release()
    return False


def _patiently_locked(file: Path) -> Any:
    deadline = time.monotonic() + _PATIENCE
    while (lock := try_lock(file)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return lock


def _print_to(log: Path) -> None:
    """Everything that this process and its libraries print goes to `log`, after what is there."""
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(file, number)
    os.close(file)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)


def _run(ticket: Ticket) -> Outcome:
    began = time.monotonic()
    terminal = EventTerminal(EventLog(ticket.own / FILE))
    resumable = False

    def action() -> int:
        nonlocal resumable
        try:
            return _run_or_resume(ticket, terminal)
        except AugurError as error:
            resumable = error.resumable
            raise

    code = run_to_exit_code(action, terminal)
    return Outcome(code, terminal.failure, resumable, time.monotonic() - began)


def _run_or_resume(ticket: Ticket, terminal: Terminal) -> int:
    from agent.study import resume_study, run_study

    config = StudyConfig.model_validate_json(ticket.settings)
    config = config.model_copy(update={"study": ticket.study, "runs_dir": ticket.runs_dir})
    if not (ticket.runs_dir / "studies" / ticket.study / CONFIG).is_file():
        return run_study(config, terminal)
    # config.yaml hides secrets, such as a password in an address; the queue has them.
    given = {**_as_variables(config), **os.environ}
    return resume_study(ticket.study, ticket.runs_dir, terminal, lambda path: load_file(path, given))


def _as_variables(config: StudyConfig) -> dict[str, str]:
    """The settings that are texts, by the names of their variables."""
    found = {}
    for key, setting in settings().items():
        value: Any = config
        for name in key.split("."):
            value = getattr(value, name, None)
        if isinstance(value, str):
            found[setting.variable] = value
    return found


class EventTerminal(Terminal):
    """Lines as in a file, and events for whoever follows the study."""

    def __init__(self, events: EventLog) -> None:
        super().__init__()
        self._events = events
        self._events.say("session")
        self._told: dict[str, tuple[float | None, float | None]] = {}

    def opening(self, study: str, lines: Sequence[tuple[str, str]]) -> None:
        """The first lines of a study."""
        super().opening(study, lines)
        self._events.say("metric", metric=self.metric)

    def trials_begin(self, total: int, title: str) -> None:
        """`total` trials are about to start."""
        super().trials_begin(total, title)
        self._events.say("metric", metric=self.metric)
        self._events.say("phase", title=title, total=total)

    def trial_event(self, event: TrialEvent, label: str) -> None:
        """A trial has begun, trained more, or ended."""
        super().trial_event(event, label)
        if event.kind == "epoch" and event.epoch is not None:
            report = event.epoch
            self._events.say(
                "epoch",
                key=event.key,
                label=label,
                epoch=report.epoch,
                epochs=report.epochs,
                score=_finite(report.score(self.metric)),
            )
        elif event.kind == "ended" and event.result is not None:
            scores = event.result.scores
            score = None if scores is None else _finite(scores.of(self.metric))
            self._events.say("ended", key=event.key, label=label, score=score)

    def iteration_table(self, records: "Sequence[IterationRecord]") -> None:
        """All candidates so far."""
        super().iteration_table(records)
        for record in records:
            scores = (_finite(record.mean), _finite(record.std))
            if self._told.get(record.name) != scores:
                self._told[record.name] = scores
                policy = record.proposal.in_one_line()
                self._events.say("candidate", name=record.name, policy=policy, mean=scores[0], std=scores[1])

    def final(self, rows: Any, sentence: str, *more: Any, **others: Any) -> None:
        """The result."""
        super().final(rows, sentence, *more, **others)
        self._events.say("result", text=sentence)

    def _line(self, text: str) -> None:
        super()._line(text)
        self._events.say("said", text=text)


def _finite(value: float | None) -> float | None:
    return None if value is None or not abs(value) < float("inf") else float(value)

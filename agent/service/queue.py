"""The queue of studies: one SQLite file, in which every change is on the disk before it is answered.

A study is one row from its submission on. Task queues for Python take a job out of the queue when a process fetches it,
so that a killed process loses it; here a study stays until it has ended, can be paused, and is known by its name, which
no other can have: nothing is lost, and nothing runs twice. SQLite's write-ahead log lets the pages read while the
scheduler writes.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.service.types import ACTIVE, State
from tools.errors import AugurError

_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS studies (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    settings TEXT NOT NULL,
    submitted REAL NOT NULL,
    started REAL,
    ended REAL,
    sessions INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    not_before REAL,
    message TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS by_state ON studies (state, number);
CREATE TABLE IF NOT EXISTS notes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL REFERENCES studies (name),
    text TEXT NOT NULL,
    written REAL NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0
);
"""
_COLUMNS = (
    "number, name, state, settings, submitted, started, ended, sessions, deaths, retries, not_before, message"
)
_DONE = {"pause": "paused", "resume": "resumed", "cancel": "cancelled"}
_REMEDIES: dict[State, str] = {
    "pausing": "ask again when it is paused",
    "cancelling": "submit it again under another name, which reuses what it trained",
    "cancelled": "submit it again under another name, which reuses what it trained",
    "failed": "resume it once what its message says is fixed",
    "finished": "nothing of it is left to run",
}
_WAIT = 20.0
"""Seconds that a change waits for another to be written."""


class NoSuchStudy(AugurError):
    """The queue holds none of this name."""


class Conflict(AugurError):
    """What is asked does not fit the state that the study is in."""


@dataclass(frozen=True)
class Entry:
    """A study, as the queue knows it. Times are seconds since 1970."""

    number: int
    name: str
    state: State
    settings: str
    """All settings as JSON, secrets included."""
    submitted: float
    started: float | None
    ended: float | None
    sessions: int
    """Processes that were started for it."""
    deaths: int
    """Processes that died one after another without saying why."""
    retries: int
    not_before: float | None
    message: str


@dataclass(frozen=True)
class NoteEntry:
    """A note on a study."""

    number: int
    name: str
    text: str
    written: float
    delivered: bool


class Queue:
    """All studies of a service. May be used from several threads and processes."""

    def __init__(self, file: Path) -> None:
        """Open or make the file.

        Raises:
            AugurError: it cannot be read, or a later version of Augur wrote it.
        """
        self._file = file
        self._own = threading.local()
        try:
            with closing(self._connect()) as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version > _VERSION:
                    raise AugurError(
                        f"{file} was written by a later version of Augur: use that one, or another --runs-dir."
                    )
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(f"{_TABLES} PRAGMA user_version = {_VERSION};")
        except sqlite3.Error as error:
            raise self._fault(error) from error

    # ------------------------------------------------------------------ asked by people

    def add(self, name: str, settings: str) -> tuple[Entry, bool]:
        """Queue a study; the entry, and whether it is new: the same name with the same settings is the same study.

        Raises:
            Conflict: another study has the name.
        """
        with self._change() as connection:
            known = self._find(connection, name)
            if known is not None:
                if known.settings == settings:
                    return known, False
                raise Conflict(
                    f"name = {name!r}: the queue holds a study of that name with other settings. Choose another name."
                )
            connection.execute(
                "INSERT INTO studies (name, state, settings, submitted) VALUES (?, 'queued', ?, ?)",
                (name, settings, time.time()),
            )
            return self._get(connection, name), True

    def pause(self, name: str) -> Entry:
        """Let a study wait until it is resumed; one that runs is interrupted."""
        steps: dict[State, State] = {"queued": "paused", "running": "pausing", "pausing": "pausing"}
        return self._step(name, {**steps, "paused": "paused"}, "pause")

    def resume(self, name: str) -> Entry:
        """Queue a study again, from where it was."""
        with self._change() as connection:
            self._check_step(connection, name, ("paused", "failed", "queued", "running"), "resume")
            connection.execute(
                "UPDATE studies SET state = 'queued', message = '', deaths = 0, retries = 0, not_before = NULL, "
                "ended = NULL WHERE name = ? AND state IN ('paused', 'failed', 'queued')",
                (name,),
            )
            return self._get(connection, name)

    def cancel(self, name: str) -> Entry:
        """End a study for good; its files stay."""
        waiting: dict[State, State] = dict.fromkeys(("queued", "paused", "failed", "cancelled"), "cancelled")
        running: dict[State, State] = dict.fromkeys(ACTIVE, "cancelling")
        return self._step(name, {**waiting, **running}, "cancel")

    def add_note(self, name: str, text: str) -> NoteEntry:
        """Take a note, to be delivered to the study."""
        with self._change() as connection:
            self._get(connection, name)
            row = connection.execute(
                "INSERT INTO notes (name, text, written) VALUES (?, ?, ?) RETURNING number, written",
                (name, text, time.time()),
            ).fetchone()
            return NoteEntry(row[0], name, text, row[1], False)

    # ------------------------------------------------------------------ read

    def get(self, name: str) -> Entry:
        """The study of this name.

        Raises:
            NoSuchStudy: there is none.
        """
        with self._read() as connection:
            return self._get(connection, name)

    def entries(self, states: Sequence[str] = (), limit: int = -1) -> list[Entry]:
        """The studies in these states, or all; in the order of their submission; the latest `limit` of them."""
        where = f"WHERE state IN ({', '.join('?' * len(states))})" if states else ""
        with self._read() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM studies {where} ORDER BY number DESC LIMIT ?", (*states, limit)
            )
            return [Entry(*row) for row in rows][::-1]

    def counts(self) -> dict[str, int]:
        """State → studies in it."""
        with self._read() as connection:
            return dict(connection.execute("SELECT state, count(*) FROM studies GROUP BY state").fetchall())

    def waiting(self) -> list[str]:
        """Names of the studies that are queued, the next one first."""
        with self._read() as connection:
            rows = connection.execute("SELECT name FROM studies WHERE state = 'queued' ORDER BY number")
            return [name for (name,) in rows]

    def notes(self, name: str | None = None, *, delivered: bool = True) -> list[NoteEntry]:
        """The notes on one study or all; `delivered` False: only those that are not with their study yet."""
        with self._read() as connection:
            rows = connection.execute(
                "SELECT number, name, text, written, delivered FROM notes WHERE (?1 IS NULL OR name = ?1) "
                "AND (?2 OR NOT delivered) ORDER BY number",
                (name, delivered),
            )
            return [NoteEntry(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]

    # ------------------------------------------------------------------ by the scheduler

    def claim(self, at_once: int) -> Entry | None:
        """The next study, which runs from now on; None where none waits or `at_once` run already."""
        with self._change() as connection:
            active = ", ".join(f"'{state}'" for state in ACTIVE)
            (busy,) = connection.execute(f"SELECT count(*) FROM studies WHERE state IN ({active})").fetchone()
            if busy >= at_once:
                return None
            row = connection.execute(
                "UPDATE studies SET state = 'running', sessions = sessions + 1, "
                "started = coalesce(started, ?1), not_before = NULL WHERE number = (SELECT number FROM studies "
                "WHERE state = 'queued' AND coalesce(not_before, 0) <= ?1 ORDER BY number LIMIT 1) "
                f"RETURNING {_COLUMNS}",
                (time.time(),),
            ).fetchone()
            return None if row is None else Entry(*row)

    def begin_session(self, name: str, deaths: int) -> Entry:
        """Another process works on a running study, after so many that died in a row."""
        with self._change() as connection:
            connection.execute(
                "UPDATE studies SET sessions = sessions + 1, deaths = ? WHERE name = ?", (deaths, name)
            )
            return self._get(connection, name)

    def end(self, name: str, state: State, message: str = "") -> None:
        """A study has stopped running; where it is not finished, a cancel that came meanwhile holds."""
        with self._change() as connection:
            self._end(connection, name, state, message)

    def try_again(self, name: str, message: str, retries: int, not_before: float) -> None:
        """A study waits for a fault to pass; a pause or cancel that came meanwhile holds."""
        with self._change() as connection:
            if self._get(connection, name).state in ("pausing", "cancelling"):
                self._end(connection, name, "paused", message)
                return
            connection.execute(
                "UPDATE studies SET state = 'queued', message = ?, retries = ?, not_before = ? WHERE name = ?",
                (message, retries, not_before, name),
            )

    def deliver(self, note: NoteEntry) -> None:
        """A note is with its study."""
        with self._change() as connection:
            connection.execute("UPDATE notes SET delivered = 1 WHERE number = ?", (note.number,))

    # ------------------------------------------------------------------ details

    def _step(self, name: str, steps: dict[State, State], action: str) -> Entry:
        with self._change() as connection:
            before = self._check_step(connection, name, tuple(steps), action)
            after = steps[before.state]
            if after != before.state:
                ended = time.time() if after == "cancelled" else before.ended
                connection.execute(
                    "UPDATE studies SET state = ?, ended = ?, not_before = NULL WHERE name = ?",
                    (after, ended, name),
                )
            return self._get(connection, name)

    def _end(self, connection: sqlite3.Connection, name: str, state: State, message: str) -> None:
        if state != "finished" and self._get(connection, name).state == "cancelling":
            state = "cancelled"
        ended = None if state == "paused" else time.time()
        connection.execute(
            "UPDATE studies SET state = ?, message = ?, ended = ?, not_before = NULL WHERE name = ?",
            (state, message, ended, name),
        )

    def _check_step(
        self, connection: sqlite3.Connection, name: str, allowed: tuple[State, ...], action: str
    ) -> Entry:
        before = self._get(connection, name)
        if before.state not in allowed:
            raise Conflict(
                f"study {name!r} is {before.state} and cannot be {_DONE[action]}: {_REMEDIES[before.state]}."
            )
        return before

    def _get(self, connection: sqlite3.Connection, name: str) -> Entry:
        found = self._find(connection, name)
        if found is None:
            raise NoSuchStudy(
                f"study {name!r}: the queue holds none of that name. GET /api/studies lists all."
            )
        return found

    def _find(self, connection: sqlite3.Connection, name: str) -> Entry | None:
        row = connection.execute(f"SELECT {_COLUMNS} FROM studies WHERE name = ?", (name,)).fetchone()
        return None if row is None else Entry(*row)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=_WAIT, isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        """The connection of this thread: opening one takes longer than most questions."""
        try:
            if (connection := getattr(self._own, "connection", None)) is None:
                connection = self._own.connection = self._connect()
            yield connection
        except sqlite3.Error as error:
            self._own.connection = None
            raise self._fault(error) from error

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One change, whole or not at all."""
        with self._read() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _fault(self, error: sqlite3.Error) -> AugurError:
        return AugurError(
            f"{self._file}, the queue of studies, cannot be read or written ({error}): check the permissions of its "
            "folder, and free space on the disk. It must be on a disk of this machine."
        )

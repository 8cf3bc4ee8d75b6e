"""A real PostgreSQL for tests, from the system's packages, which can be killed and started again."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

PASSWORD = "p@ss/word-that-nobody-shows"
_WRITTEN = "p%40ss%2Fword-that-nobody-shows"
"""As it stands in an address."""


def _program(name: str) -> str:
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        pytest.skip(f"PostgreSQL is not installed ({name} is missing): apt-get install postgresql")
    return found


def _unprivileged() -> int | None:
    """Whom the server runs as: it refuses to run as root. None: as this user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres or nobody")


class Postgres:
    """One server with the database `augur`, on a port of this machine."""

    def __init__(self, folder: Path) -> None:
        self._data, self._user = folder / "data", _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if self._user is not None:
            for path in (folder, secret):
                os.chown(path, self._user, -1)
        how = [
            "--auth=scram-sha-256",
            "--username=augur",
            f"--pwfile={secret}",
            "--no-sync",
            "--locale=C",
            "--encoding=UTF8",
        ]
        self._run(_program("initdb"), f"--pgdata={self._data}", *how)
        self.start()
        self.sql("postgres", "CREATE DATABASE augur")

    def address(self, database: str = "augur", password: str = _WRITTEN) -> str:
        """With its password."""
        return f"postgresql://augur:{password}@127.0.0.1:{self.port}/{database}"

    @property
    def bare(self) -> str:
        """Without."""
        return f"postgresql://127.0.0.1:{self.port}/augur"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        self._process = subprocess.Popen(
            [_program("postgres"), "-D", str(self._data), "-p", str(self.port), *options],
            user=self._user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        import psycopg

        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.address("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL does not start"
                time.sleep(0.1)

    def kill(self) -> None:
        """As a machine that loses its power; it recovers when it is started again."""
        if self._process is not None:
            # Each connection has a process in a session of its own, which would go on answering for a moment.
            everybody = [
                self._process.pid,
                *(each.pid for each in psutil.Process(self._process.pid).children()),
            ]
            for pid in everybody:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def sql(self, database: str, statement: str) -> list[tuple[object, ...]]:
        """The rows of a statement."""
        import psycopg

        with psycopg.connect(self.address(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _run(self, *command: str) -> None:
        subprocess.run(command, user=self._user, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server that ends with the block."""
    pytest.importorskip("psycopg", reason="the extra augur-vision[postgres] is not installed")
    _program("initdb")
    folder = Path(tempfile.mkdtemp(prefix="augur-postgres-", dir="/tmp"))
    server: Postgres | None = None
    try:
        server = Postgres(folder)
        yield server
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)

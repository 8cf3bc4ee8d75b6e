"""The sqlite file of a store: made whole or not at all, brought up to date, found to be unusable before a study begins.

All of it happens behind one lock, `mlflow.lock` beside the file. A new file, and one with newer tables, is written
under another name and renamed, so that a process may be killed at any moment.
"""

import glob
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from agent.memory.tracking.faults import StoreError
from agent.memory.tracking.store import sqlite_uri
from tools.disk import explain
from tools.files import written_whole

_PATIENCE = 300.0
"""Seconds to wait for another process that makes or changes the tables; it takes a few."""
_BUSY_SECONDS = 10.0
_Tell = Callable[[str], None]
Tables = Literal["current", "none", "unfinished", "older", "newer"]


def prepare(file: Path, artifacts: Path, tell: _Tell, *, ours: bool, writes: bool = True) -> None:
    """Make the database `file` if it is missing, and check that it can be used.

    Args:
        file: of the store.
        artifacts: where artifacts of MLflow's first experiment would go.
        tell: is told what is changed.
        ours: whether it is the file of a runs folder, whose tables may be replaced by those of a newer MLflow.
        writes: whether it will be written to, and not only read.

    Raises:
        StoreError: it cannot be made or used; says why.
        OSError: as the system raises it.
    """
    if file.is_dir():
        raise StoreError(
            f"{file} is a folder; the MLflow database would be a file there: move the folder away."
        )
    if file.exists() and _tables(file) == "current":
        if writes:
            check_writable(file)
        return
    with locked(file, tell):
        state = _tables(file) if file.exists() else "none"
        if state == "unfinished":
            aside = _set_aside(file)
            tell(
                f"{file} was left unfinished by a process that was killed, and holds no study: it is now {aside.name}."
            )
            state = "none"
        if state == "none":
            _make(file, artifacts)
        elif state == "older":
            _upgrade(file, tell, ours)
        elif state == "newer":
            from mlflow import __version__

            raise StoreError(
                f"{file} was written by a newer MLflow than the one that is installed here "
                f"({__version__}): install that "
                "version (uv pip install --upgrade mlflow), or use another --runs-dir."
            )
        check_writable(file)


@contextmanager
def locked(file: Path, tell: _Tell = lambda text: None) -> Iterator[None]:
    """Hold the lock beside `file`, which says that its tables are being made or changed.

    Raises:
        StoreError: another process holds it for minutes.
    """
    lock = FileLock(file.with_name("mlflow.lock"))
    try:
        try:
            lock.acquire(timeout=2)
        except Timeout:
            tell(f"Waiting for another process that prepares {file} …")
            lock.acquire(timeout=_PATIENCE)
    except Timeout:
        raise StoreError(
            f"{lock.lock_file} has been held by another process for {_PATIENCE:.0f} s: end it, then try again."
        ) from None
    try:
        yield
    finally:
        lock.release()


def check_writable(file: Path) -> None:
    """Write nothing, but as a writer would.

    Raises:
        StoreError: it is locked, read-only, damaged, or on a full disk.
    """
    with _opened(file) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    from agent.memory.tracking.faults import as_store_error
    from agent.memory.tracking.store import Address

    try:
        with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            yield connection
    except sqlite3.Error as error:
        address = Address("sqlite", sqlite_uri(file), sqlite_uri(file), file.parent)
        fault = as_store_error(error, address, "open")
        assert fault is not None
        raise fault from error


def _tables(file: Path) -> Tables:
    """What state the tables of an existing database are in."""
    with _opened(file) as connection:
        names = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        rows = (
            connection.execute("SELECT version_num FROM alembic_version").fetchall()
            if ("alembic_version" in names)
            else []
        )
        studies = connection.execute("SELECT count(*) FROM runs").fetchone()[0] if "runs" in names else 0
    if not names:
        return "none"
    if not names & {"experiments", "runs", "metrics", "params", "tags", "alembic_version"}:
        raise StoreError(
            f"{file} is a database, but not one of MLflow: move it away, or use another --runs-dir."
        )
    version = rows[0][0] if len(rows) == 1 else None
    if version == _head():
        return "current"
    if not studies and (version is None or _is_known(version)):
        return "unfinished"
    return "older" if version is None or _is_known(version) else "newer"


def _script() -> "object":
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    return ScriptDirectory.from_config(_get_alembic_config(""))


def _head() -> str:
    from mlflow.store.db.utils import _get_latest_schema_revision

    return _get_latest_schema_revision()


def _is_known(version: str) -> bool:
    from alembic.util import CommandError

    try:
        return _script().get_revision(version) is not None  # type: ignore[attr-defined]
    except CommandError:
        return False


def _remove_unfinished(file: Path) -> None:
    """Delete what killed processes left of making `file`; sqlite's journals have names of their own."""
    for left in file.parent.glob(f".{glob.escape(file.name)}.*.writing*"):
        left.unlink(missing_ok=True)


def _make(file: Path, artifacts: Path) -> None:
    _remove_unfinished(file)
    with written_whole(file) as temporary:
        _open_with_mlflow(temporary, artifacts)


def _open_with_mlflow(file: Path, artifacts: Path) -> None:
    """Have MLflow make its tables and its first experiment in `file`."""
    from mlflow.store.db.utils import create_sqlalchemy_engine
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    uri = sqlite_uri(file)
    engine = SqlAlchemyStore._engine_map[uri] = create_sqlalchemy_engine(uri)
    try:
        SqlAlchemyStore(uri, artifacts.as_uri())
    finally:
        engine.dispose()
        SqlAlchemyStore._engine_map.pop(uri, None)


def _upgrade(file: Path, tell: _Tell, ours: bool) -> None:
    """Give `file` the tables of this MLflow, and keep a copy with the old ones."""
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine

    if not ours:
        raise StoreError(
            f"{file} was written by an older MLflow. Take a backup, then run: mlflow db upgrade {sqlite_uri(file)}"
        )
    kept = _free_name(file, "before-upgrade")
    _remove_unfinished(file)
    with written_whole(file) as temporary, _opened(file) as old:
        old.execute("BEGIN IMMEDIATE")  # no other process writes until the new file has taken its place
        shutil.copyfile(file, temporary)
        engine = create_sqlalchemy_engine(sqlite_uri(temporary))
        try:
            _upgrade_db(engine)
        finally:
            engine.dispose()
        shutil.copyfile(file, kept)
    tell(f"{file} was written by an older MLflow and has been upgraded; the old one is kept as {kept.name}.")


def _set_aside(file: Path) -> Path:
    aside = _free_name(file, "unfinished")
    try:
        file.rename(aside)
    except OSError as error:
        raise StoreError(explain(error, file)) from error
    return aside


def _free_name(file: Path, word: str) -> Path:
    number = 1
    while (name := file.with_name(f"{file.name}.{word}-{number}")).exists():
        number += 1
    return name


def register_engine(uri: str) -> None:
    """Open the database once for all of MLflow's stores in this process.

    MLflow itself would make the folder of the escaped path first, and try to open a broken file for minutes.
    """
    from mlflow.store.db.utils import create_sqlalchemy_engine
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if uri not in SqlAlchemyStore._engine_map:
        SqlAlchemyStore._engine_map[uri] = create_sqlalchemy_engine(uri)

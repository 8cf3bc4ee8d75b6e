"""Where LangGraph keeps where a study stands: a file in its folder, or the team's PostgreSQL database."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from agent.memory.study_file import ONE_WAY, StudyFileGone
from agent.settings.config import TrackingConfig
from tools.errors import AugurError
from tools.files import read_json, written_whole

CHECKPOINT = "checkpoint.db"
PLACE = "checkpoint.json"
"""In a study's folder: in which database, and under which name, its checkpoints are, where that is not the file."""
EARLIER_CHECKPOINTS = "checkpoints.db"
"""In the runs folder: where the checkpoints of all its studies were kept by version 0.1.0."""


def may_hold_checkpoint(folder: Path, runs_dir: Path) -> bool:
    """Whether there is a place in which the study's checkpoints can be."""
    return any(
        file.exists() for file in (folder / CHECKPOINT, folder / PLACE, runs_dir / EARLIER_CHECKPOINTS)
    )


def place_of(folder: Path) -> str:
    """Where the study's checkpoints are, as a person may read it."""
    known = read_json(folder / PLACE)
    return (
        str(known["database"])
        if isinstance(known, dict) and "database" in known
        else str(folder / CHECKPOINT)
    )


@contextmanager
def checkpointer(
    folder: Path, runs_dir: Path, study: str, tracking: TrackingConfig, tell: Callable[[str], None]
) -> Iterator[Any]:
    """LangGraph's checkpoints of the study.

    A study stays where it began: in its file, or in the database that its folder names.

    Args:
        folder: the study's own.
        runs_dir: where it lies.
        study: its name.
        tracking: says in which database new studies are, how patient to be, and how often to try again.
        tell: is told while the database does not answer.

    Raises:
        AugurError: the file, or the database, cannot be read or written; resumable, once it can.
    """
    is_begun = may_hold_checkpoint(folder, runs_dir)
    if (folder / PLACE).exists() or (tracking.checkpoints is not None and not is_begun):
        from agent.memory.checkpoints.team import team_checkpointer

        with team_checkpointer(folder / PLACE, study, tracking, tell) as saver:
            yield saver
        return
    from langgraph.checkpoint.sqlite import SqliteSaver

    file = folder / CHECKPOINT
    try:
        if not file.exists():
            _import_earlier(runs_dir / EARLIER_CHECKPOINTS, file, study)
        with closing(sqlite3.connect(file, check_same_thread=False, timeout=20)) as connection:
            saver = SqliteSaver(connection)
            saver.setup()
            yield saver
    except sqlite3.Error as error:
        raise _checkpoint_fault(error, file) from error


def _checkpoint_fault(error: sqlite3.Error, file: Path) -> AugurError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StudyFileGone(
            f"{file}, which says where the study stands, is damaged ({error}). Restore it from a backup, or {ONE_WAY}."
        )
    fault = AugurError(
        f"{file} cannot be read or written ({error}): check the permissions of its folder, and free space on the disk."
    )
    fault.resumable = True
    return fault


def _import_earlier(source: Path, file: Path, study: str) -> None:
    """Take the study's checkpoints over from the file that all studies once shared."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    if not source.exists():
        return
    with written_whole(file) as temporary, closing(sqlite3.connect(temporary)) as connection:
        SqliteSaver(connection).setup()
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("ATTACH ? AS earlier", (str(source),))
        for table in ("checkpoints", "writes"):
            old, new = (
                {row[1] for row in connection.execute(f"PRAGMA {schema}.table_info({table})")}
                for schema in ("earlier", "main")
            )
            columns = ", ".join(sorted(old & new))
            connection.execute(
                f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM earlier.{table} WHERE thread_id = ?",
                (study,),
            )
        connection.commit()

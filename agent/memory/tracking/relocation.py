"""A runs folder that was moved, copied or restored: MLflow writes down where artifacts lie, as absolute addresses.

When the store of a runs folder is opened, the addresses that begin with the folder's earlier place are given its
present one, in a single transaction.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from agent.memory.tracking.database import locked
from agent.memory.tracking.faults import StoreError

_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("trace_tags", "value"),
    ("trace_info", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("inputs", "source"),
)
"""Tables and columns in which MLflow keeps addresses of artifacts; not every version has all of them."""


def relocate(
    file: Path, artifacts: Path, tell: Callable[[str], None], running: Callable[[], Sequence[str]]
) -> None:
    """Make the addresses in the database `file` those of `artifacts`, the folder beside it.

    Args:
        file: of a runs folder.
        artifacts: the absolute path of its artifacts.
        tell: is told of a change.
        running: names of the folder's studies that other processes are running now.

    Raises:
        StoreError: they have to change, but the file cannot be written to, or studies are running.
    """
    present = artifacts.as_uri()
    if not _earlier_places(file, present):
        return
    if names := running():
        raise StoreError(
            f"{artifacts.parent} was {_earlier_places(file, present)[0]} when its studies wrote there, "
            f"and {', '.join(names)} "
            "is running: use the path under which it was started, or wait until it has ended."
        )
    with locked(file):
        for place in _earlier_places(file, present):
            _replace(file, place, present)
            old = Path(unquote(urlsplit(place).path)).parent
            tell(
                f"The runs folder was moved from {old} to {artifacts.parent}: MLflow's addresses now say so."
            )


def artifact_location(artifacts: Path, experiment: str) -> str:
    """The address of an experiment's artifacts."""
    return f"{artifacts.as_uri()}/{quote(quote(experiment, safe=''), safe='')}"


def _earlier_places(file: Path, present: str) -> list[str]:
    """Addresses of artifact folders, other than `present`, that the experiments of a study were given."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
    places = []
    for name, location in rows:
        folder = quote(quote(name, safe=""), safe="")
        # The first experiment is MLflow's own: it is made with the store, and its folder is its number.
        for ending in (f"/{folder}", "/0" if name == "Default" else f"/{folder}"):
            place = (location or "").removesuffix(ending)
            is_ours = place != location and place.startswith("file://") and place.endswith("/artifacts")
            if is_ours and place != present and place not in places and not _is_same(place, present):
                places.append(place)
    return places


def _is_same(place: str, present: str) -> bool:
    """Whether both are one folder, through a link or another mount: then either address works."""
    old, new = (Path(unquote(urlsplit(uri).path)) for uri in (place, present))
    try:
        return old.samefile(new)
    except OSError:
        return False


def _replace(file: Path, old: str, new: str) -> None:
    try:
        with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for table, column in _COLUMNS:
                known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
                if column in known:
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                        (new, len(old) + 1, len(old) + 1, f"{old}/"),
                    )
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{file} says that its artifacts are in {unquote(urlsplit(old).path)}; they were moved, and this cannot be "
            f"changed there ({error}). Make the file writable, or move the folder back."
        ) from error

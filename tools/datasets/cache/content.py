"""The SHA-256 of each image, remembered so that an unchanged file is read only once."""

import errno
import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from tools.datasets.cache.always import AlwaysSource
from tools.datasets.folder.source import FolderSource
from tools.datasets.types import Source
from tools.disk import DiskError, disk_error
from tools.errors import AugurError
from tools.files import sha256_of

_BATCH = 1_024
"""Files recorded at once: each time waits for the disk, and a kill loses at most this many."""
_THREADS = 8
_DISK = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
}
"""What sqlite calls a disk that refuses → what the system calls it."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of one image: `sha256` (32 bytes), or the reason why they cannot be used."""

    sha256: bytes | None
    size: int
    reason: str = ""


class ContentIndex:
    """A small sqlite file: (path, size, mtime, ctime) → SHA-256. Safe for several processes, and can be deleted.

    Its folder must exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def contents(self, source: Source, files: Sequence[str]) -> Iterator[Content]:
        """The content of each file, in order; unknown files are read in threads, a bounded number at a time.

        Raises:
            AugurError: the index itself cannot be used.
            DiskError: the disk is full, read-only or failing.
        """
        if isinstance(source, AlwaysSource):
            for found in self.contents(source.inner, files):
                yield found if found.sha256 is None else replace(found, sha256=source.content(found.sha256))
            return
        if not isinstance(source, FolderSource):
            yield from (_hash_bytes(source, file) for file in files)
            return
        try:
            with closing(self._connect()) as database, ThreadPoolExecutor(_THREADS) as threads:
                remaining = iter(files)
                while batch := list(islice(remaining, _BATCH)):
                    yield from self._batch(database, threads, [source.path(file) for file in batch])
        except sqlite3.Error as error:
            if refused := self._refusal(error):
                raise refused from error
            raise AugurError(
                f"the index of image hashes {self._file} cannot be used ({error}). Delete it and "
                "run again: it is only there to save time."
            ) from error

    def _refusal(self, error: sqlite3.Error) -> DiskError | None:
        """The error where the disk is at fault, and not what is in the index."""
        number = _DISK.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if number is None:
            return None
        return disk_error(OSError(number, os.strerror(number), str(self._file)), self._file)

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._file, timeout=60)
        database.execute(
            "CREATE TABLE IF NOT EXISTS content "
            "(path BLOB PRIMARY KEY, size INTEGER, mtime INTEGER, ctime INTEGER, sha256 BLOB) WITHOUT ROWID"
        )
        return database

    def _batch(
        self, database: sqlite3.Connection, threads: ThreadPoolExecutor, paths: list[Path]
    ) -> Iterator[Content]:
        # The state is read before the file: a file that changes meanwhile no longer matches it.
        states = [_state(path) for path in paths]
        known = [self._known(database, path, state) for path, state in zip(paths, states, strict=True)]
        unknown = [path for path, content in zip(paths, known, strict=True) if content is None]
        hashed = dict(zip(unknown, threads.map(_hash_file, unknown), strict=True))
        with database:
            database.executemany(
                "REPLACE INTO content VALUES (?, ?, ?, ?, ?)",
                [
                    (os.fsencode(path.absolute()), *state, hashed[path].sha256)
                    for path, state in zip(paths, states, strict=True)
                    if state is not None and path in hashed and hashed[path].sha256 is not None
                ],
            )
        for path, content in zip(paths, known, strict=True):
            yield content if content is not None else hashed[path]

    @staticmethod
    def _known(
        database: sqlite3.Connection, path: Path, state: tuple[int, int, int] | None
    ) -> Content | None:
        if state is None:
            return None
        row = database.execute(
            "SELECT sha256 FROM content WHERE path = ? AND size = ? AND mtime = ? AND ctime = ?",
            (os.fsencode(path.absolute()), *state),
        ).fetchone()
        return Content(row[0], state[0]) if row else None


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    # The time of the last status change exposes a rewritten file even if its modification time was reset.
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _hash_file(path: Path) -> Content:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for whoever writes into it
            return Content(None, 0, "no regular file (a pipe, a socket, a device or a folder)")
        digest, size = bytes.fromhex(sha256_of(path)), path.stat().st_size
    except OSError as error:
        return Content(None, 0, f"cannot be read: {error.strerror}")
    return Content(digest, size) if size else Content(None, 0, "empty file")


def _hash_bytes(source: Source, file: str) -> Content:
    try:
        data = source.read(file)
    except OSError as error:
        return Content(None, 0, f"cannot be read: {error.strerror or error}")
    return Content(hashlib.sha256(data).digest(), len(data)) if data else Content(None, 0, "empty file")

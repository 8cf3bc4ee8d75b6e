"""Sets in the store: opened, listed, and removed to make room. Light: imports no torch, no Pillow."""

import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from tools.aga.store.disk_space import disk_usage
from tools.aga.store.pieces import (
    KNOWN,
    PIECES,
    PLAN,
    SETS,
    SUFFIX,
    WORK,
    lock_file,
    locked_store,
    set_folder,
)
from tools.disk import DiskError
from tools.files import DamagedFile, read_checked_json, read_json, sha256_of, try_lock
from tools.training.synthetic import DESCRIPTION, LABELS, PIXELS, SOURCES

DIGESTS = "digests"
"""Key in set.json: file → SHA-256. Sets of versions that wrote none are believed where they can be read."""
PROVENANCE = "provenance.parquet"
_DIGESTED = (PIXELS, LABELS, SOURCES, PROVENANCE, "sources.parquet", "backgrounds.parquet", PIECES)


@dataclass(frozen=True)
class GeneratedSet:
    """A finished set."""

    key: str
    folder: Path
    """What a trial is given, with `key` (`tools.training.synthetic.Synthetic`)."""
    images: int
    """Accepted ones: those in `pixels.npy`."""
    gates: dict[str, dict[str, int]]
    """For each gate how many it 'passed' and 'refused': sources, backgrounds or composites, whichever it judges; and,
    where there are any, how many were 'not_checked', because it cannot judge them."""
    skipped: dict[str, int]
    """Sources that were skipped before any gate: 'no subject'."""
    provenance: Path
    without: tuple[str, ...] = ()
    """Classes that the set has no image of, because no source of theirs could be used; of later sets only."""
    by_class: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of each other class how many 'training' images there are, how many of the sources are 'usable', and how many
    synthetic 'images' the set has; of later sets only."""


def open_finished(root: Path, key: str) -> GeneratedSet | None:
    """A set of the store, which now counts as just used; None where it is not finished.

    Its files are compared with the digests that its description has of them, once in a session.

    Raises:
        DamagedFile: a file of it is torn, missing or was changed: `discard` it, and make it again.
    """
    folder = set_folder(root, key)
    try:
        about = read_checked_json(folder / DESCRIPTION)
    except FileNotFoundError:
        return None
    _check(folder, key, about)
    with suppress(OSError):
        os.utime(folder / DESCRIPTION)
    if (folder / WORK).exists():
        # A process was killed after the set was finished and before it had cleared up.
        shutil.rmtree(folder / WORK, ignore_errors=True)
    try:
        return GeneratedSet(
            key,
            folder,
            about["images"],
            about["gates"],
            about["skipped"],
            folder / PROVENANCE,
            tuple(about.get("without", ())),
            about.get("by_class", {}),
        )
    except KeyError as error:
        raise DamagedFile(folder / DESCRIPTION, f"it lacks {error}") from error


def discard(root: Path, key: str) -> None:
    """Make a damaged set count as unfinished, under the lock of whoever makes it again."""
    (set_folder(root, key) / DESCRIPTION).unlink(missing_ok=True)


def digests_of(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of a set that are read after it is finished."""
    return {name: sha256_of(folder / name) for name in _DIGESTED}


def _check(folder: Path, key: str, about: dict[str, Any]) -> None:
    if about.get("key", key) != key:
        raise DamagedFile(folder / DESCRIPTION, f"it is of the set {about['key'][:12]}")
    for name, expected in about.get(DIGESTS, {}).items():
        file = folder / name
        try:
            status = file.stat()
        except FileNotFoundError as error:
            raise DamagedFile(file, "it is gone") from error
        if _digest(file, status.st_size, status.st_mtime_ns) != expected:
            raise DamagedFile(file, f"its content does not fit the digest in {DESCRIPTION}")


@lru_cache(maxsize=4096)
def _digest(file: Path, size: int, modified: int) -> str:
    return sha256_of(file)


@dataclass(frozen=True)
class StoredSet:
    """A set that is on disk."""

    key: str
    folder: Path
    finished: bool
    being_written: bool
    images: int
    """Synthetic images; for an unfinished set, the most that it will have."""
    bytes: int
    """Of its own files: masks and backgrounds belong to all sets."""
    used: float
    """When it was last worked on, finished or used, in seconds since 1970."""
    about: dict[str, Any]
    """Content of its set.json; empty for an unfinished set."""


def list_sets(root: Path) -> list[StoredSet]:
    """All sets, finished or not, the most recently used first."""
    found = []
    for folder in (root / SETS).glob("*/"):
        about = read_json(folder / DESCRIPTION)
        expected = about or read_json(folder / WORK / PLAN) or {}
        # Removed by another process meanwhile: it is no longer in the store.
        with suppress(FileNotFoundError):
            used = (folder / DESCRIPTION if about else folder / WORK).stat().st_mtime
            found.append(
                StoredSet(
                    key=folder.name,
                    folder=folder,
                    finished=about is not None,
                    being_written=_is_locked(folder),
                    images=expected.get("images", 0),
                    bytes=disk_usage(folder),
                    used=used,
                    about=about or {},
                )
            )
    return sorted(found, key=lambda each: (-each.used, each.key))


def prune(root: Path, keep: Collection[str], down_to: int = 0) -> int:
    """Remove sets, the least recently used first, then masks and backgrounds that no remaining set refers to.

    A set that is being written is never removed, and while there is one, neither is any mask or background. A finished
    set that is removed can be made again, to the last byte.

    Args:
        root: folder of the store.
        keep: keys of the sets that stay.
        down_to: stop as soon as the store takes no more than this many bytes.

    Returns:
        The bytes that were freed.
    """
    if not root.is_dir():
        return 0
    before = taken = disk_usage(root)
    with locked_store(root):
        stored = list_sets(root)
        left = []
        for each in reversed(stored):
            if each.key in keep or each.being_written or taken <= down_to:
                left.append(each)
            else:
                taken -= _remove(each.folder)
        kept = {each.key for each in left}
        _forget_requests(root, kept)
        for sheet in (root / SETS).glob("*.png"):
            if sheet.stem not in kept:
                sheet.unlink()
        if not any(each.being_written for each in left):
            _prune_pieces(root, left, taken, down_to)
    return before - disk_usage(root)


def _prune_pieces(root: Path, left: list[StoredSet], taken: int, down_to: int) -> None:
    referred = {piece for each in left for piece in _references(each.folder)}
    unused = [
        file
        for kind in SUFFIX
        for file in (root / kind).glob("*/*")
        if file.relative_to(root).as_posix() not in referred
    ]
    for file in sorted(unused, key=lambda file: (file.stat().st_mtime, file.name)):
        if taken <= down_to:
            return
        taken -= file.stat().st_size
        file.unlink()


def _references(folder: Path) -> set[str]:
    """The pieces that a set was made from (so far), as paths within the store."""
    finished = read_json(folder / PIECES)
    if finished is not None:
        return set(finished["pieces"])
    records = [read_json(file) or {} for file in (folder / WORK).glob("*.json")]
    return {piece for record in records for piece in record.get("pieces", ())}


def _is_locked(folder: Path) -> bool:
    try:
        lock = try_lock(lock_file(folder))
    except DiskError:  # in a folder that nobody can write to
        return False
    if lock is None:
        return True
    lock.release()
    return False


def _remove(folder: Path) -> int:
    """Remove a set; the bytes that were freed. Its set.json goes first: a set that is half removed is not finished."""
    size = disk_usage(folder)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        lock_file(folder).unlink(missing_ok=True)
    return size - disk_usage(folder)


def _forget_requests(root: Path, keys: set[str]) -> None:
    for file in (root / KNOWN).glob("*.json"):
        known = read_json(file)
        if known is None or known.get("set") not in keys:
            file.unlink(missing_ok=True)

"""Where generated things are kept: one folder, shared by every study, that can be killed at any moment.

    masks/AB/KEY.png          a subject's mask; the box and its score are in the PNG's text
    backgrounds/AB/KEY.png    a background
    sightings/AB/KEY.json     what the detector saw on a background
    sets/KEY/                 a set of synthetic images; finished when it has set.json
    sets/KEY.lock             held by the process that writes it
    known/KEY.json            which set an earlier, equal request came to

A key is a SHA-256 over everything that the thing depends on, so nothing is ever changed, only made or removed. Every
file is written under another name in its set's work folder and renamed when it is whole. `prune` is the only one that
removes (`sets.py`); while it runs, no set can be taken up.
"""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock, Timeout

from tools.errors import AugurError
from tools.files import allocate_array, sync

Piece = Literal["masks", "backgrounds", "sightings"]

ABOUT, WORK = "set.json", "work"
_SUFFIX: dict[Piece, str] = {"masks": "png", "backgrounds": "png", "sightings": "json"}
SETS, KNOWN, STORE_LOCK = "sets", "known", "store.lock"
PLAN, PIECES = "plan.json", "pieces.json"
_POLL = 0.1
"""Seconds between two looks whether another process has finished the set."""


class DiskFullError(AugurError):
    """There is no room, or no more than `aga.max_disk_gib` allows. What is finished stays finished."""

    resumable = True


def key_of(**parts: object) -> str:
    """Hex SHA-256 of what JSON makes of `parts`, in any order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def piece_file(root: Path, kind: Piece, key: str) -> Path:
    """Where a mask, background or sighting is, or would be."""
    return root / kind / key[:2] / f"{key}.{_SUFFIX[kind]}"


def set_folder(root: Path, key: str) -> Path:
    """Where a set is, or would be."""
    return root / SETS / key


def known_file(root: Path, request: str) -> Path:
    """Where the key of the set is written that a request came to."""
    return root / KNOWN / f"{request}.json"


class PixelRows:
    """An .npy file of images that is filled row by row, in any order and by several processes, without mapping it.

    Written, not mapped: a full disk is then an error with a name, where a mapping would end the process.
    """

    def __init__(self, file: Path, count: int, side: int) -> None:
        self.file, self.count = file, count
        self.shape = (side, side, 3)
        self._bytes = side * side * 3

    def create(self) -> None:
        """Make the file at its full size, unless it is there."""
        allocate_array(self.file, (self.count, *self.shape), np.dtype("u1"))

    def write(self, row: int, pixels: np.ndarray) -> None:
        """Put an image, uint8 (S, S, 3), into its place."""
        with self.file.open("r+b") as opened:
            opened.seek(-(self.count - row) * self._bytes, os.SEEK_END)
            opened.write(pixels.tobytes())

    def read(self, row: int) -> np.ndarray:
        """The image, uint8 (S, S, 3)."""
        with self.file.open("rb") as opened:
            opened.seek(-(self.count - row) * self._bytes, os.SEEK_END)
            return np.frombuffer(opened.read(self._bytes), np.uint8).reshape(self.shape)

    def to_disk(self) -> None:
        """Return when the system has it on the disk."""
        sync(self.file)


@contextmanager
def writing_set(root: Path, key: str) -> Iterator[Path]:
    """The set's folder, this process being the only one that writes it; waits while another does.

    Raises:
        AugurError: the folder cannot be made.
    """
    folder = set_folder(root, key)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AugurError(
            f"the folder {root} for generated images cannot be made ({error.strerror}): choose another --runs-dir"
        ) from error
    lock = FileLock(f"{folder}.lock")
    while True:
        # The store's lock is never held while waiting: only while nobody prunes is a set taken up.
        with FileLock(root / STORE_LOCK), suppress(Timeout):
            lock.acquire(timeout=0)
        if lock.is_locked:
            break
        time.sleep(_POLL)
    try:
        yield folder
    finally:
        lock.release()


@contextmanager
def full_disk_named(folder: Path, needed: int) -> Iterator[None]:
    """Turns the system's refusal to write into an error that says how much was needed and where.

    Raises:
        DiskFullError: the disk or the quota is full.
        AugurError: the folder cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"the disk is full: the images that are being made need {_size(needed)} in {folder}, and "
                f"{_size(shutil.disk_usage(folder).free)} are free. Nothing finished is lost: make room (`agent "
                "generate --prune` removes what no study uses), or choose another --runs-dir, and run again."
            ) from error
        # Not where a tool failed on a file of its own: a model that may not be read, say.
        ours = error.filename is not None and Path(error.filename).is_relative_to(folder)
        if ours and error.errno in (errno.EACCES, errno.EROFS, errno.EIO, errno.EPERM, errno.EFBIG):
            raise AugurError(
                f"{error.filename or folder} cannot be written ({error.strerror}): check the disk and its "
                "permissions, or choose another --runs-dir. Nothing finished is lost."
            ) from error
        raise


def check_room(root: Path, needed: int, max_gib: float) -> None:
    """Refuses to begin what would not fit.

    Args:
        needed: bytes still to be written, at most.
        max_gib: that the whole of `root` may take.

    Raises:
        DiskFullError: it would not fit on the disk, or take `root` above `max_gib`.
    """
    with full_disk_named(root, needed):
        root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise DiskFullError(
            f"the images to be made need up to {_size(needed)} in {root}, and its disk has {_size(free)} free: make "
            "room, choose another --runs-dir, or make fewer (a smaller scale or aga.pool)"
        )
    taken = disk_usage(root)
    if taken + needed > max_gib * 2**30:
        raise DiskFullError(
            f"the images to be made need up to {_size(needed)}, and {root} already takes {_size(taken)} of the "
            f"{max_gib:g} GiB it may (aga.max_disk_gib): remove what is no longer used with `agent generate "
            "--prune`, or allow more"
        )


def _size(count: float) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def disk_usage(folder: Path) -> int:
    """Bytes of all files in the folder."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                total += (Path(place) / name).stat().st_size
    return total


def mark_used(folder: Path) -> None:
    """Note that a finished set was used just now, for `prune` to take others first."""
    with suppress(OSError):
        os.utime(folder / ABOUT)

"""Where generated things are kept: one folder, shared by every study, that can be killed at any moment.

    masks/AB/KEY.png          a subject's mask; the box and its score are in the PNG's text
    backgrounds/AB/KEY.png    a background
    sightings/AB/KEY.json     what the detector saw on a background
    cutouts/AB/KEY.json       what a network recognised in a cut-out
    sets/KEY/                 a set of synthetic images; finished when it has set.json
    sets/KEY.lock             held by the process that writes it
    sets/KEY.png              its contact sheet, by `agent generate`
    known/KEY.json            which set an earlier, equal request came to

A key is a SHA-256 over everything that the thing depends on, so nothing is ever changed, only made or removed. Every
file is written under another name in its set's work folder and renamed when it is whole. Only `prune` (`sets.py`)
removes anything; while it runs, no process can begin a set.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import BaseFileLock

from tools.disk import disk_errors_explained
from tools.files import allocate_array, locked, sync, try_lock

_log = logging.getLogger(__name__)

Piece = Literal["masks", "backgrounds", "sightings", "cutouts"]

SUFFIX: dict[Piece, str] = {"masks": "png", "backgrounds": "png", "sightings": "json", "cutouts": "json"}
SETS, KNOWN, STORE_LOCK = "sets", "known", "store.lock"
WORK, PLAN, PIECES = "work", "plan.json", "pieces.json"
_POLL = 0.1
"""Seconds between two checks whether another process has finished the set."""


def key_of(**parts: object) -> str:
    """Hex SHA-256 of what JSON makes of `parts`, in any order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def piece_file(root: Path, kind: Piece, key: str) -> Path:
    """Where a piece is, or would be."""
    return root / kind / key[:2] / f"{key}.{SUFFIX[kind]}"


def set_folder(root: Path, key: str) -> Path:
    """Where a set is, or would be."""
    return root / SETS / key


def known_file(root: Path, request: str) -> Path:
    """Where the key of the set is written that a request came to."""
    return root / KNOWN / f"{request}.json"


class PixelRows:
    """An .npy file of images that is filled row by row, in any order and by several processes, without mapping it.

    Written, not mapped: a full disk is then an error, where a mapping would end the process.
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
        DiskError: the folder or its lock cannot be made.
    """
    folder = set_folder(root, key)
    with disk_errors_explained(root):
        folder.parent.mkdir(parents=True, exist_ok=True)
    told = False
    # The store's lock is not held while waiting; it only keeps a set from being begun while the store is pruned.
    while (lock := _lock_unless_pruned(root, folder)) is None:
        if not told:
            _log.info(
                "Another process makes these synthetic images: waiting for it (it holds %s.lock).", folder
            )
            told = True
        time.sleep(_POLL)
    try:
        yield folder
    finally:
        lock.release()


def locked_store(root: Path) -> AbstractContextManager[None]:
    """Hold the store: in this block, no process begins a set, and none removes any."""
    waits = f"Another process makes room in {root}: waiting for it (it holds {root / STORE_LOCK})."
    return locked(root / STORE_LOCK, lambda: _log.info(waits))


def _lock_unless_pruned(root: Path, folder: Path) -> BaseFileLock | None:
    with locked_store(root):
        return try_lock(lock_file(folder))


def lock_file(folder: Path) -> Path:
    """The lock of the set in `folder`."""
    return Path(f"{folder}.lock")

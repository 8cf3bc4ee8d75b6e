"""Copies on a node that does not see the runs folder: images, once for the node; trials, each while it runs.

The driver is whoever plans the trials. It keeps the trials' folders and holds their locks. What changes in a trial's
folder on the node goes back with the next answer, its checkpoint first, so that the log of epochs is never behind it.
"""

import io
import os
import shutil
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import BaseFileLock

from tools.files import locked, make_folder, try_lock, write_whole
from tools.training.config import TrialSpec
from tools.training.trial_store import LOCK

CHECKPOINT = "checkpoint.pt"
"""As `tools.training.checkpoint` has it, which imports torch; this process does not."""
_UNUSED_SECONDS = 7 * 24 * 3600.0
"""After which a folder of images that no trial read is deleted."""


@dataclass(frozen=True)
class Delivery:
    """What a trial needs on a node besides its images."""

    files: dict[str, bytes]
    """Of the trial's folder."""
    cache: tuple[str, str]
    """(digest of a placed folder, path of the view in it)."""
    synthetic: str | None = None
    """Digest of the placed set."""


class NodeFiles:
    """The copies of one actor; images are shared with the others of the node."""

    def __init__(self) -> None:
        self._placed = node_folder() / "placed"
        self.work, self._held = _own_folder()
        """For what only this actor needs; deleted by the next one, since an actor is killed when it is not needed."""
        self._trials: dict[str, Path] = {}
        self._seen: dict[str, dict[str, tuple[int, int]]] = {}
        self._lock = threading.Lock()

    def holds(self, digest: str) -> bool:
        """Whether a folder of this content is here."""
        return (self._placed / digest).is_dir()

    def place(self, digest: str, parts: Iterable[bytes]) -> None:
        """Unpack an archive, unless another actor has."""
        make_folder(self._placed)
        with locked(self._placed / f"{digest}.lock"):
            if self.holds(digest):
                return
            _delete_unused(self._placed)
            unfinished = self._placed / f".{digest}"
            shutil.rmtree(unfinished, ignore_errors=True)
            with tarfile.open(mode="r|", fileobj=_Joined(parts)) as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]
                archive.extractall(unfinished, filter="data")
            unfinished.rename(self._placed / digest)

    def accept(self, message: Any, delivery: Delivery) -> Any:
        """`message`, a trial or a tuple with one, with paths on this node, where the trial's files are from now on."""
        with self._lock:
            if isinstance(message, TrialSpec):
                return self._moved(message, delivery)
            return tuple(
                self._moved(part, delivery) if isinstance(part, TrialSpec) else part for part in message
            )

    def _moved(self, spec: TrialSpec, delivery: Delivery) -> TrialSpec:
        for name, done in tuple(self._trials.items()):
            if not self._seen.get(name):  # its last files were taken
                shutil.rmtree(done, ignore_errors=True)
        folder = self.work / spec.key
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        for name, content in delivery.files.items():
            write_whole(folder / name, content)
        digest, view = delivery.cache
        os.utime(self._placed / digest)
        changes: dict[str, Any] = {"directory": folder, "cache": self._placed / digest / view, "trunk": None}
        if spec.synthetic is not None and delivery.synthetic is not None:
            placed = self._placed / delivery.synthetic
            os.utime(placed)
            changes["synthetic"] = spec.synthetic.model_copy(update={"folder": placed})
        self._trials[spec.key], self._seen[spec.key] = folder, _listing(folder)
        return spec.model_copy(update=changes)

    def changed(self) -> dict[str, dict[str, bytes | None]]:
        """Trial → file → content, of what changed since the last call; None for a file that is gone."""
        with self._lock:
            return {key: found for key, folder in self._trials.items() if (found := self._new(key, folder))}

    def _new(self, key: str, folder: Path) -> dict[str, bytes | None]:
        before, now = self._seen[key], _listing(folder)
        found: dict[str, bytes | None] = {}
        for name in sorted(now, key=lambda name: name != CHECKPOINT):
            if now[name] != before.get(name):
                try:
                    found[name] = (folder / name).read_bytes()
                except FileNotFoundError:
                    continue
        found.update({name: None for name in before if name not in now})
        self._seen[key] = now
        return found


class _Joined(io.RawIOBase):
    """Reads parts as one stream."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:  # pyright: ignore[reportIncompatibleMethodOverride]
        """So many bytes, or fewer at the end."""
        while len(self._rest) < size and (part := next(self._parts, None)) is not None:
            self._rest += part
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def node_folder() -> Path:
    """On this node, for this user alone."""
    return Path(tempfile.gettempdir()) / f"augur-node-{_user()}"


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _own_folder() -> tuple[Path, BaseFileLock]:
    """A new folder for this process, and its lock, which ends with the process; those of dead processes are deleted."""
    node_folder().mkdir(mode=0o700, exist_ok=True)
    if node_folder().stat().st_uid != _user():
        raise PermissionError(
            f"{node_folder()} belongs to another user: delete it, or set TMPDIR for the node"
        )
    parent = node_folder() / "work"
    parent.mkdir(exist_ok=True)
    for left in parent.glob("*.lock"):
        if (lock := try_lock(left)) is not None:
            shutil.rmtree(left.with_suffix(""), ignore_errors=True)
            left.unlink(missing_ok=True)
            lock.release()
    folder = Path(tempfile.mkdtemp(dir=parent))
    lock = try_lock(folder.with_suffix(".lock"))
    assert lock is not None, "nobody else knows the name"
    return folder, lock


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """File → (size, time of its last change), without locks and files that are being written."""
    found = {}
    for entry in os.scandir(folder):
        if entry.name.startswith(".") or entry.name == LOCK or not entry.is_file():
            continue
        try:
            status = entry.stat()
        except FileNotFoundError:
            continue
        found[entry.name] = (status.st_size, status.st_mtime_ns)
    return found


def _delete_unused(placed: Path) -> None:
    for folder in placed.iterdir():
        if folder.is_dir() and folder.stat().st_mtime < time.time() - _UNUSED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)

"""Copies on a node that does not see the runs folder: images, once for the node; trials, each while it runs.

The driver is whoever plans the trials. It keeps the trials' folders and holds their locks. What changes in a trial's
folder on the node goes back with the next answer, its checkpoint first, so that the log of epochs is never behind it.
"""

import getpass
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

from tools.files import locked, make_folder, write_whole
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
        self._work: Path | None = None
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

    def accept(self, message: tuple[Any, ...], delivery: Delivery) -> tuple[Any, ...]:
        """`message` with the trial's paths on this node, where its files are from now on."""
        with self._lock:
            if self._work is None:
                make_folder(node_folder())
                self._work = Path(tempfile.mkdtemp(prefix=f"work-{os.getpid()}-", dir=node_folder()))
            return tuple(
                self._moved(part, delivery, self._work) if isinstance(part, TrialSpec) else part
                for part in message
            )

    def _moved(self, spec: TrialSpec, delivery: Delivery, work: Path) -> TrialSpec:
        for name, done in tuple(self._trials.items()):
            if not self._seen.get(name):  # its last files were taken
                shutil.rmtree(done, ignore_errors=True)
        folder = work / spec.key
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
    return Path(tempfile.gettempdir()) / f"augur-node-{getpass.getuser()}"


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

"""What is sent to a node that does not see the runs folder: packed once, and handed over by Ray's object store."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.errors import ConfigurationError
from tools.execution.on_ray.node_files import Delivery
from tools.training.config import TrialSpec
from tools.training.trial_store import LOCK

_PART = 32 * 2**20
"""Bytes of an object in the store."""
_SENT = {"cache", "directory", "synthetic", "trunk"}
"""Fields of a trial whose folders are sent; a trunk that only saves time is left out."""


class Sender:
    """Packs folders of images, each once, whatever the number of nodes."""

    def __init__(self) -> None:
        self._packed: dict[str, list[Any]] = {}
        self._lock = threading.Lock()

    def deliver(self, spec: TrialSpec, ray: Any, host: Any) -> Delivery:
        """What `spec` needs on the node of `host`, where its images are placed if they are not there yet.

        Raises:
            ConfigurationError: it needs a file that is not sent.
        """
        if reason := unsendable(spec):
            raise ConfigurationError(
                f"a node of the Ray cluster does not see the runs folder, and {reason} is not sent to nodes: put the "
                "runs folder and your own files on a file system that all nodes share, or use execution.kind=local"
            )
        pixels = spec.cache.parent.parent  # see tools.datasets.cache.read
        view = spec.cache.relative_to(pixels)
        cache = self._placed([*_files(pixels), *_files(spec.cache)], pixels, ray, host)
        synthetic = None
        if spec.synthetic is not None:
            folder = spec.synthetic.folder
            synthetic = self._placed(_files(folder), folder, ray, host)
        files = {file.name: file.read_bytes() for file in _files(spec.directory) if file.name != LOCK}
        return Delivery(files, (cache, str(view)), synthetic)

    def _placed(self, files: list[Path], root: Path, ray: Any, host: Any) -> str:
        """The digest of these files, which are on the node when this returns."""
        digest = _digest(files, root)
        with self._lock:
            if ray.get(host.holds.remote(digest)):
                return digest
            if digest not in self._packed:
                self._packed[digest] = [ray.put(part) for part in _archive(files, root)]
            ray.get(host.place.remote(digest, self._packed[digest]))
        return digest


def unsendable(spec: TrialSpec) -> str:
    """What a trial reads that is no image and not its own, in words; empty where there is nothing."""
    if spec.model.named.is_code:
        return f"the code of the model {spec.model.name}"
    if spec.model.weights_file is not None:
        return f"the weights file {spec.model.weights_file}"
    if "own_transform" in spec.policy:
        return "a transform of your own"
    if spec.has_foreign_trunk:
        return "what cheap trials begin with (search.candidates above 1)"
    for name, value in spec.model_dump(exclude=_SENT).items():
        if file := next(_paths(value), None):
            return f"{file} (of the trial's {name})"
    return ""


def _paths(value: Any) -> Iterator[Path]:
    """All paths in the fields of a trial."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _paths(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _paths(each)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))


def _digest(files: list[Path], root: Path) -> str:
    """Of names, sizes and times: content that changes has another digest, and none is read for it."""
    digest = hashlib.sha256(str(root.resolve()).encode())
    for file in files:
        status = file.stat()
        digest.update(f"{file.relative_to(root)}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _archive(files: list[Path], root: Path) -> Iterator[bytes]:
    """A tar archive of `files`, named from `root`, in parts."""
    parts = _Parts()
    with tarfile.open(mode="w|", fileobj=parts, bufsize=_PART) as archive:
        for file in files:
            archive.add(file, str(file.relative_to(root)))
            yield from parts.taken()
    yield from parts.taken()


class _Parts(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        """Called by the archive."""
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> list[bytes]:
        """What was written since the last call."""
        found, self._parts = self._parts, []
        return found

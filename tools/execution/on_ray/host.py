"""What runs on a node of a Ray cluster: an actor that keeps one worker process and passes messages on.

The process is the one that trains on a single machine (`worker_process.py`, or a pack's, `packed.py`), so that a trial
comes to the same numbers, and a crash is told in the same words. It ends with its actor, and the actor ends with the
process that asked for it. Where the node does not see the runs folder, the actor also keeps copies: `node_files.py`.
"""

import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tools.execution.on_ray.node_files import Delivery, NodeFiles
from tools.execution.worker_process import WorkerProcess


@dataclass(frozen=True)
class News:
    """What happened on a node since it was last asked."""

    node: str
    messages: tuple[Any, ...] = ()
    """Of the worker process, in order."""
    exit_code: int | None = None
    """Of the worker process, once it has ended."""
    words: str = ""
    """What it wrote outside of trials, where it has ended."""
    changed: dict[str, dict[str, bytes | None]] = field(default_factory=dict)
    """Trial → name of a file → its content, or None where it was deleted; only where files are sent."""


class Host:
    """The actor. Its methods are called side by side: `send` while `receive` waits."""

    def __init__(self, worker: Callable[[], WorkerProcess]) -> None:
        """Starts the process that `worker` makes."""
        # or every process that is forked here would run Ray's own main module, and import Ray
        vars(sys.modules["__main__"]).pop("__file__", None)
        self._files = NodeFiles()
        tempfile.tempdir = str(self._files.work)  # what is left there is deleted
        self._worker = worker()
        self._worker.start()

    def sees(self, file: str, content: bytes) -> bool:
        """Whether this node has `file` with that content: then it shares the file system of whoever wrote it."""
        try:
            with open(file, "rb") as opened:
                return opened.read() == content
        except OSError:
            return False

    def holds(self, digest: str) -> bool:
        """Whether a folder of this content was placed on this node."""
        return self._files.holds(digest)

    def place(self, digest: str, parts: list[Any]) -> None:
        """Put a folder on this node, once for all actors: its archive in parts, which lie in the object store."""
        from tools.execution.on_ray.cluster import import_ray

        ray = import_ray()
        self._files.place(digest, (ray.get(part) for part in parts))

    def send(self, message: Any, delivery: Delivery | None = None) -> None:
        """Hand a message to the process; where files are sent, with those of its trial."""
        if delivery is not None:
            message = self._files.accept(message, delivery)
        self._worker.send(message)

    def receive(self, seconds: float) -> News:
        """What happened, waiting so long for something to happen."""
        messages, exit_code = self._worker.heard(seconds)
        changed = self._files.changed()  # after the messages: what a message speaks of is there
        words = "" if exit_code is None else self._worker.words()
        return News(socket.gethostname(), tuple(messages), exit_code, words, changed)


def environment_of_node(device: str) -> dict[str, str]:
    """As `tools.training.hardware.environment`, of the node that this runs on."""
    from tools.training.hardware import environment

    return environment(device)

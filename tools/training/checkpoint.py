"""A half-trained trial on disk, from which training resumes exactly as if it had never stopped.

Holds weights, optimizer state and results so far, but no random state: `seeds.py` needs none. The file ends in the
SHA-256 of all that comes before; torch, and versions that wrote no digest, read it all the same.
"""

import hashlib
import io
import logging
import time
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from tools.files import remove_unfinished, written_whole

CHECKPOINT = "checkpoint.pt"

LARGEST_SHARE = 0.02
"""Share of the training time that may be spent on writing checkpoints, at most."""

_WRITING_SPEED = 500e6
"""Bytes per second, assumed until the first checkpoint has been timed."""

_MARK = b"\nsha256:"
_TAIL = len(_MARK) + hashlib.sha256().digest_size

_log = logging.getLogger(__name__)


class Checkpoint:
    """The checkpoint of one trial, written at the end of an epoch.

    Where epochs are long, every epoch has one. Where an epoch takes hardly longer than writing its checkpoint
    (ResNet18 with AdamW: 134 MB), epochs are skipped so that writing takes at most `LARGEST_SHARE` of the time. A
    kill then loses a few seconds of work, at most 1 / `LARGEST_SHARE` times the time of one writing.
    """

    def __init__(self, directory: Path, key: str, name: str = CHECKPOINT, trials: int = 1) -> None:
        """Of `key`, in the file `name`; one of so many `trials` that wait for each other's checkpoints."""
        self._file = directory / name
        self._key = key
        self._trials = trials
        self._cost: float | None = None
        self._last = time.monotonic()

    def load(self, device: str) -> dict[str, Any] | None:
        """What `save` was given, tensors on `device`; None where there is nothing that can be believed."""
        try:
            data = self._file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            digested = data[-_TAIL:].startswith(_MARK)
            if digested:
                content_end = len(data) - _TAIL
                if hashlib.sha256(memoryview(data)[:content_end]).digest() != data[-_TAIL + len(_MARK) :]:
                    raise ValueError("its content does not fit its digest")
            content = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
            if content.get("digested", False) and not digested:
                raise ValueError("its digest is gone")
        except Exception as error:  # torch raises many kinds for a damaged file
            _log.warning("%s is damaged (%s): this trial starts from its first epoch", self._file, error)
            return None
        if content.get("key") != self._key:
            _log.warning("%s belongs to another trial: this one starts from its first epoch", self._file)
            return None
        return content["state"]

    def save_if_due(self, state: dict[str, Any], model: nn.Module) -> bool:
        """Replace the checkpoint if enough time has passed since the last one; returns whether it did.

        Args:
            state: tensors and plain values only, so that it can be read without running code.
            model: its size gives an estimate of how long the first writing takes.
        """
        cost = self._cost
        if cost is None:
            cost = 3 * sum(p.numel() * p.element_size() for p in model.parameters()) / _WRITING_SPEED
        started = time.monotonic()
        if started - self._last < cost * self._trials / LARGEST_SHARE:
            return False
        self.save(state)
        self._last = time.monotonic()
        self._cost = self._last - started
        return True

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint; `state` as in `save_if_due`."""
        # torch's own checksums would take most of the time; a SHA-256 of the whole takes a tenth
        checksum = torch.serialization.get_crc32_options()
        torch.serialization.set_crc32_options(False)
        try:
            with written_whole(self._file) as temporary, temporary.open("wb") as opened:
                hashing = _Hashing(opened)
                content = {"key": self._key, "digested": True, "state": state}
                torch.save(content, hashing)  # pyright: ignore[reportArgumentType]
                opened.write(_MARK + hashing.digest.digest())
        finally:
            torch.serialization.set_crc32_options(checksum)

    def remove(self) -> None:
        """Delete the checkpoint, and what a kill left half-written of one."""
        self._file.unlink(missing_ok=True)
        remove_unfinished(self._file)


class _Hashing:
    """A file for torch.save that hashes what it writes. Written by Python, so that an error is the system's own."""

    def __init__(self, opened: BinaryIO) -> None:
        self._opened = opened
        self.digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._opened.write(data)

    def flush(self) -> None:
        self._opened.flush()

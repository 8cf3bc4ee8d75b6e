"""A half-trained trial on disk, from which it goes on exactly as if it had never stopped.

Holds weights, optimizer state and results so far, but no random state: `seeds.py` needs none.
"""

import logging
import os
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

CHECKPOINT = "checkpoint.pt"

LARGEST_SHARE = 0.02
"""Of the training time, that may go into writing checkpoints."""

_WRITING_SPEED = 500e6
"""Bytes a second, assumed until the first checkpoint has been timed."""

_log = logging.getLogger(__name__)


class Checkpoint:
    """The checkpoint of one trial, written at the end of an epoch.

    Where epochs are long, of every epoch. Where an epoch takes hardly longer than writing its checkpoint
    (ResNet18 with AdamW: 134 MB), of every so many epochs that writing costs at most `LARGEST_SHARE` of the time; a
    kill then takes back a few seconds of work, never more than 1 / `LARGEST_SHARE` times one writing.
    """

    def __init__(self, directory: Path, key: str) -> None:
        self._file = directory / CHECKPOINT
        self._key = key
        self._cost: float | None = None
        self._last = time.monotonic()

    def load(self, device: str) -> dict[str, Any] | None:
        """What `save` was given, tensors on `device`; None where there is nothing (readable) to go on from."""
        try:
            content = torch.load(self._file, map_location=device, weights_only=True)
        except FileNotFoundError:
            return None
        except Exception as error:  # torch raises many kinds for a damaged file
            _log.warning("%s is damaged (%s): this trial starts from its first epoch", self._file, error)
            return None
        if content.get("key") != self._key:
            _log.warning("%s is of another trial: this one starts from its first epoch", self._file)
            return None
        return content["state"]

    def save_if_due(self, state: dict[str, Any], model: nn.Module) -> bool:
        """Replaces the checkpoint where writing it is worth its time; returns whether it did.

        Args:
            state: tensors and plain values only, so that it can be read without running code.
            model: by its size the cost of the first writing is guessed.
        """
        cost = self._cost
        if cost is None:
            cost = 3 * sum(p.numel() * p.element_size() for p in model.parameters()) / _WRITING_SPEED
        started = time.monotonic()
        if started - self._last < cost / LARGEST_SHARE:
            return False
        unfinished = self._file.with_suffix(".writing")
        # the checksum would take longer than everything else; a torn file fails to load without it, too
        checksum = torch.serialization.get_crc32_options()
        torch.serialization.set_crc32_options(False)
        try:
            torch.save({"key": self._key, "state": state}, unfinished)
        finally:
            torch.serialization.set_crc32_options(checksum)
        os.replace(unfinished, self._file)
        self._last = time.monotonic()
        self._cost = self._last - started
        return True

    def remove(self) -> None:
        """Nothing is left to go on from."""
        self._file.unlink(missing_ok=True)
        self._file.with_suffix(".writing").unlink(missing_ok=True)

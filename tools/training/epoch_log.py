"""epochs.jsonl, and where in an epoch a trial is: how it tells other processes, even if it is killed. Light: no torch.

The file is only appended to. An epoch that was lost in a kill and trained again by a later session has two lines, equal
except for their seconds; the last one counts as the epoch, and the seconds of both count as spent. A line ends in a
checksum of its own; one that does not fit it tells nothing and is left out. Lines of versions without are believed.
"""

import json
import logging
import os
import time
import zlib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.files import write_whole
from tools.training.types import EpochReport

EPOCHS = "epochs.jsonl"
STEP = "step.txt"
"""Where in its epoch a running trial is; for people who wait, and for nothing else."""
_EVERY = 1.0
"""Seconds between two such reports."""

_CHECK = "crc32"

_log = logging.getLogger(__name__)


class EpochLog:
    """Writes the log of one trial; one writer at a time."""

    def __init__(self, directory: Path) -> None:
        """Opens the log in the trial's `directory`, removing an unfinished line that a kill left, and damaged ones."""
        self._file = directory / EPOCHS
        if not self._file.exists():
            return
        lines = self._file.read_bytes().split(b"\n")
        whole = [line for line in lines[:-1] if _parsed(line) is not None]
        if damaged := len(lines) - 1 - len(whole):
            _log.warning(
                "%s is damaged: %d of its lines, reports of epochs, are removed", self._file, damaged
            )
        if damaged or lines[-1]:
            write_whole(self._file, b"".join(line + b"\n" for line in whole))

    def append(self, report: EpochReport) -> None:
        """Adds one line, visible to readers on return.

        Raises:
            OSError: as the system raises it; what was written of the line is removed when the log is next opened.
        """
        fields = asdict(report)
        line = json.dumps({**fields, _CHECK: _checksum(fields)}).encode() + b"\n"
        with self._file.open("ab") as stream:
            stream.write(line)


class EpochTail:
    """Follows the log of one trial that another process writes."""

    def __init__(self, directory: Path) -> None:
        """Starts at the first epoch, whichever session trained it; the log need not exist yet."""
        self._file = directory / EPOCHS
        self._number = -1
        self._offset = 0
        self.last = 0
        """The last epoch that was passed on."""

    def new(self) -> list[EpochReport]:
        """Epochs finished since the last call, each once and in order."""
        reports = []
        for report in self._new_lines():
            if report.epoch > self.last:
                self.last = report.epoch
                reports.append(report)
        return reports

    def _new_lines(self) -> list[EpochReport]:
        try:
            with self._file.open("rb") as stream:
                number = os.fstat(stream.fileno()).st_ino
                if number != self._number:  # written again without its damaged lines
                    self._number, self._offset = number, 0
                stream.seek(self._offset)
                whole = stream.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        if not whole:
            return []
        self._offset += len(whole) + 1
        return [report for line in whole.split(b"\n") if (report := _parsed(line)) is not None]


class StepLog:
    """Reports now and then where in an epoch a trial is. It may be lost at any time: nothing is decided by it."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / STEP
        self._told = time.monotonic()

    def tell(self, epoch: int, part: float) -> None:
        """`part` (0..1) of an epoch, counted from 1, is trained; written once a second at most."""
        now = time.monotonic()
        if now - self._told >= _EVERY:
            self._told = now
            with suppress(OSError):
                self._file.write_text(f"{epoch - 1 + part:.3f}\n", encoding="utf-8")

    def close(self) -> None:
        """The trial has ended."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)


class StepTail:
    """Follows a `StepLog` that another process writes."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / STEP
        self._read, self._last = time.monotonic(), time.time()

    def new(self) -> float | None:
        """Epochs that are trained, such as 2.4, where that was written since the last call; read once a second."""
        now = time.monotonic()
        if now - self._read < _EVERY:
            return None
        self._read = now
        try:
            written = self._file.stat().st_mtime
            if written <= self._last:
                return None
            self._last = written
            return float(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not there, or just being written
            return None


def _parsed(line: bytes) -> EpochReport | None:
    """The report of a line, or None where the line is damaged."""
    try:
        fields = json.loads(line)
        if fields.pop(_CHECK, None) not in (None, _checksum(fields)):
            return None
        return EpochReport(**fields)
    except (ValueError, TypeError, AttributeError):
        return None


def _checksum(fields: dict[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(fields, sort_keys=True).encode()):08x}"


def read_epochs(directory: Path) -> tuple[EpochReport, ...]:
    """The epochs that the trial in `directory` has finished, each once, from the first."""
    latest = {report.epoch: report for report in EpochTail(directory)._new_lines()}
    return tuple(latest[epoch] for epoch in sorted(latest))


def seconds_spent(directory: Path) -> float:
    """Training time of the trial in `directory` over all sessions; epochs that were trained twice count twice."""
    return sum(report.seconds for report in EpochTail(directory)._new_lines())

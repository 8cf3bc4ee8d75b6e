"""epochs.jsonl: how a trial reports its progress to other processes, even if it is killed. Light: no torch.

The file is only appended to. An epoch that was lost in a kill and trained again by a later session has two lines, equal
except for their seconds; the last one counts as the epoch, and the seconds of both count as spent.
"""

import json
from dataclasses import asdict
from pathlib import Path

from tools.training.types import EpochReport

EPOCHS = "epochs.jsonl"


class EpochLog:
    """Writes the log of one trial; one writer at a time."""

    def __init__(self, directory: Path) -> None:
        """Opens the log in the trial's `directory`, removing an unfinished line that a kill left."""
        self._file = directory / EPOCHS
        if self._file.exists():
            whole = self._file.read_bytes().rpartition(b"\n")
            with self._file.open("r+b") as stream:
                stream.truncate(len(whole[0]) + len(whole[1]))

    def append(self, report: EpochReport) -> None:
        """Adds one line, visible to readers on return."""
        with self._file.open("ab") as stream:
            stream.write(json.dumps(asdict(report)).encode() + b"\n")


class EpochTail:
    """Follows the log of one trial that another process writes."""

    def __init__(self, directory: Path) -> None:
        """Starts at the first epoch, whichever session trained it; the log need not exist yet."""
        self._file = directory / EPOCHS
        self._offset = 0
        self._last = 0

    def new(self) -> list[EpochReport]:
        """Epochs finished since the last call, each once and in order."""
        reports = []
        for report in self._new_lines():
            if report.epoch > self._last:
                self._last = report.epoch
                reports.append(report)
        return reports

    def _new_lines(self) -> list[EpochReport]:
        try:
            with self._file.open("rb") as stream:
                stream.seek(self._offset)
                whole = stream.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return []
        if not whole:
            return []
        self._offset += len(whole) + 1
        return [EpochReport(**json.loads(line)) for line in whole.split(b"\n")]


def read_epochs(directory: Path) -> tuple[EpochReport, ...]:
    """The epochs that the trial in `directory` has finished, each once, from the first."""
    latest = {report.epoch: report for report in EpochTail(directory)._new_lines()}
    return tuple(latest[epoch] for epoch in sorted(latest))


def seconds_spent(directory: Path) -> float:
    """Training time of the trial in `directory` over all sessions; epochs that were trained twice count twice."""
    return sum(report.seconds for report in EpochTail(directory)._new_lines())

"""The folder of a set while it is made: the record of every shard that is done, and scratch space.

A shard that has a record is done; one without is made again. All records go when the set is finished.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.aga.gates.gates import GateResult
from tools.aga.store.pieces import WORK
from tools.files import read_json, write_json

SHARD = 64
"""Items that are recorded together: what a kill can cost at most, apart from what is in the store already."""


@dataclass(frozen=True)
class WorkFolder:
    """Paths and records of an unfinished set."""

    set_folder: Path

    @property
    def path(self) -> Path:
        """The folder of the records."""
        return self.set_folder / WORK

    @property
    def scratch(self) -> Path:
        """Where files are while they are written."""
        return self.path / "scratch"

    def prepare(self) -> None:
        """Make the folder; remove what a process that was killed left half written (nobody else writes here)."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)

    def remove(self) -> None:
        """Remove the folder with all records."""
        shutil.rmtree(self.path, ignore_errors=True)

    def record(self, step: str, shard: int) -> Path:
        """The file that says what a step made of a shard."""
        return self.path / f"{step}-{shard:05d}.json"

    def is_done(self, step: str, shard: int) -> bool:
        """Whether a shard has its record."""
        return read_json(self.record(step, shard)) is not None

    def recorded(self, step: str, shard: int, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The record of a shard; made and written where there is none."""
        file = self.record(step, shard)
        record = read_json(file)
        if record is None:
            record = make()
            write_json(file, record, self.scratch)
        return record

    def records(self) -> Iterator[dict[str, Any]]:
        """All records of all steps."""
        for file in sorted(self.path.glob("*.json")):
            yield read_json(file) or {}


def to_record(item: Any) -> dict[str, Any]:
    """What a record holds of a subject or a background; the results of its gates are called 'verdicts' there."""
    record = asdict(item)
    record["verdicts"] = record.pop("gates")
    return record


def from_record(record: dict[str, Any]) -> dict[str, Any]:
    """The opposite of `to_record`, as keyword arguments."""
    fields = dict(record)
    fields["gates"] = tuple(GateResult(**each) for each in fields.pop("verdicts"))
    return fields

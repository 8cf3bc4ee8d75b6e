"""How results are put to people: the table of iterations, and a word on each candidate."""

from collections.abc import Sequence

from agent.memory.candidate import REFERENCE
from agent.memory.history import IterationRecord
from agent.screen.terminal import Row


def table_rows(records: Sequence[IterationRecord]) -> list[Row]:
    """The table of iterations as the terminal and the report show it."""
    return [
        Row(
            number=str(record.number) if record.number else "",
            name=record.name,
            policy=record.proposal.in_one_line(),
            mean=record.mean,
            std=record.std,
            gain=record.gain,
            interval=record.gain_interval,
            verdict=verdict(record),
        )
        for record in records
    ]


def verdict(record: IterationRecord) -> str:
    """A word on a candidate."""
    if record.name == REFERENCE:
        return "reference"
    if record.mean is None:
        return "failed"
    if record.within_noise is None:
        return ""
    if record.within_noise:
        return "within noise"
    return "better" if (record.gain or 0.0) > 0 else "worse"

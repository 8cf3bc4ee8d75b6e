"""Which entries of a prompt set led to backgrounds that the gates refused: what its author can do better next time."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_SETS = {"instructions": "caption_instruction", "settings": "caption_setting", "times": "caption_time"}
"""Set of a proposal → column of backgrounds.parquet."""
_LEAST_SHARE = 0.5
"""An entry is named if at least this share of its backgrounds were refused."""


@dataclass(frozen=True)
class RefusedEntry:
    """An entry, and the backgrounds that were made from it."""

    set: str
    """'instructions', 'settings' or 'times'."""
    entry: str
    refused: int
    tried: int


def refused_entries(folder: Path, most: int = 6) -> list[RefusedEntry]:
    """The entries most of whose backgrounds were refused, the most often refused first.

    Args:
        folder: of a finished set.
        most: entries that are returned.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "backgrounds.parquet", columns=[*_SETS.values(), "accepted"])
    accepted = table["accepted"].to_pylist()
    found = []
    for name, column in _SETS.items():
        entries = table[column].to_pylist()
        tried = Counter(entries)
        refused = Counter(entry for entry, passed in zip(entries, accepted, strict=True) if not passed)
        found += [RefusedEntry(name, entry, count, tried[entry]) for entry, count in refused.items()]
    worst = [each for each in found if each.refused >= _LEAST_SHARE * each.tried]
    return sorted(worst, key=lambda each: (-each.refused, -each.refused / each.tried))[:most]

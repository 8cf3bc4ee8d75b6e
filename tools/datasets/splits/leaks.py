"""The same thing more than once: a group or a picture in two splits (a leak), one picture under two labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tools.datasets.types import SPLITS, Card, Record, Split
from tools.errors import DataError

NAMED = 20
"""So many files are named in a message; the rest are counted."""

OnLeak = Literal["stop", "drop", "move"]

_PROTECTED: dict[Split, int] = {"test": 0, "validation": 1, "train": 2}
"""What a leak spoils most comes first: there its images stay."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records (by position) that show the same picture. `how` says what is known of it."""

    one: int
    other: int
    how: str


def clear_groups(
    records: Sequence[Record], on_leak: OnLeak, place: str
) -> tuple[list[Record], tuple[str, ...]]:
    """Make sure that no group is in two splits.

    Args:
        records: with the splits that are to be used.
        on_leak: `stop`; `drop` the images of the less protected splits; or `move` them to the most protected one.
        place: what is being looked at, for the message.

    Returns:
        The records that may be used, and what is to be said about the others.

    Raises:
        DataError: a group is in two splits and `on_leak` is 'stop'; names them.
    """
    homes: dict[str, set[Split]] = {}
    for record in records:
        homes.setdefault(record.group, set()).add(record.split)
    crossing: dict[str, Split] = {group: _home(splits) for group, splits in homes.items() if len(splits) > 1}
    if not crossing:
        return list(records), ()
    if on_leak == "stop":
        first: dict[tuple[str, Split], str] = {}
        for record in records:
            first.setdefault((record.group, record.split), record.file)
        lines = [
            f"  {group}: "
            + " and ".join(f"{first[group, split]} ({split})" for split in SPLITS if split in homes[group])
            for group in list(crossing)[:NAMED]
        ]
        raise DataError(
            f"in {place}, groups (images of one patient or source) are in more than one split, so scores "
            "would be too good:\n" + "\n".join([*lines, *_more(len(crossing))]) + "\nPut each group in one "
            "split, or use --data.on_leak drop to keep each in one split only (test before validation before train), "
            "or --data.on_leak move to move it there as a whole."
        )
    return _resolved(
        records,
        {
            position: crossing[record.group]
            for position, record in enumerate(records)
            if record.group in crossing
        },
        on_leak,
        "its group (patient, source) is",
    )


def clear_pairs(
    records: Sequence[Record], pairs: Sequence[Pair], on_leak: OnLeak, card: Card
) -> tuple[list[Record], tuple[str, ...]]:
    """Make sure that no picture is in two splits.

    Args:
        records: with the splits that are to be used.
        pairs: which records show the same picture.
        on_leak: as in `clear_groups`.
        card: for the messages.

    Returns:
        The records that may be used, and what is to be said about them and the others.

    Raises:
        DataError: a picture is in two splits and `on_leak` is 'stop'; the pairs are named.
    """
    crossing = [pair for pair in pairs if records[pair.one].split != records[pair.other].split]
    if crossing and on_leak == "stop":
        raise DataError(_leak_message(records, crossing, card))
    homes: dict[int, Split] = {}
    for part in _components(pairs):
        splits: set[Split] = {records[position].split for position in part}
        if len(splits) > 1:
            homes |= dict.fromkeys(part, _home(splits))
    cleared, notes = _resolved(records, homes, on_leak, "the same picture is")
    within = len({max(pair.one, pair.other) for pair in pairs} - homes.keys())
    more = []
    if within:
        more.append(f"{within} images show the same picture as another in the same split")
    contradictions = [pair for pair in pairs if records[pair.one].label != records[pair.other].label]
    if contradictions:
        shown = "; ".join(describe(records, pair, card) for pair in contradictions[:3])
        more.append(f"warning: {len(contradictions)} images have two different labels, such as {shown}")
    return cleared, (*notes, *more)


def _home(splits: set[Split]) -> Split:
    return min(splits, key=_PROTECTED.__getitem__)


def _resolved(
    records: Sequence[Record], homes: dict[int, Split], on_leak: OnLeak, why: str
) -> tuple[list[Record], tuple[str, ...]]:
    """The records, with those that are not in their home split dropped or moved there."""
    strays = {position for position, home in homes.items() if records[position].split != home}
    if not strays:
        return list(records), ()
    if on_leak == "move":
        moved = [
            replace(record, split=homes[position]) if position in strays else record
            for position, record in enumerate(records)
        ]
        note = f"{len(strays)} images moved because {why} in another split too"
        return moved, (f"{note} (to test before validation before train)",)
    kept = [record for position, record in enumerate(records) if position not in strays]
    note = f"{len(strays)} images dropped because {why} in another split too"
    return kept, (f"{note} (kept in test before validation before train)",)


def _components(pairs: Sequence[Pair]) -> Iterator[list[int]]:
    """Positions that are tied to each other, directly or through others."""
    parent: dict[int, int] = {}

    def root(position: int) -> int:
        while parent.setdefault(position, position) != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    for pair in pairs:
        parent[root(pair.one)] = root(pair.other)
    parts: dict[int, list[int]] = {}
    for position in parent:
        parts.setdefault(root(position), []).append(position)
    yield from parts.values()


def _more(count: int) -> list[str]:
    return [f"  … and {count - NAMED} more"] if count > NAMED else []


def describe(records: Sequence[Record], pair: Pair, card: Card) -> str:
    """Both files of a pair with their splits and classes, and what is known of them."""
    one, other = (
        f"{each.file} ({each.split}, {card.classes[each.label]})"
        for each in (records[pair.one], records[pair.other])
    )
    return f"{one} = {other}" if pair.how == EXACT else f"{one} ≈ {other}: {pair.how}"


EXACT = "the same bytes"


def _leak_message(records: Sequence[Record], crossing: Sequence[Pair], card: Card) -> str:
    lines = [f"  {describe(records, pair, card)}" for pair in crossing[:NAMED]]
    exact = sum(pair.how == EXACT for pair in crossing)
    kinds = [f"{exact} byte for byte" if exact else "", f"{len(crossing) - exact} by their look"]
    said = " and ".join(kind for kind in kinds if kind and not kind.startswith("0"))
    looks = (
        " Where they only look alike and are different pictures, --data.leak_guard exact compares bytes only."
        if exact < len(crossing)
        else ""
    )
    return (
        f"{len(crossing)} pairs of images of {card.name} in different splits are the same picture ({said}), so its "
        "scores would be too good:\n"
        + "\n".join([*lines, *_more(len(crossing))])
        + "\nGive both the same split (a "
        "manifest.csv with columns file,label,split does it), delete one of them, or use --data.on_leak drop to keep "
        "each in one split only (test before validation before train), or --data.on_leak move to move all copies "
        f"there.{looks}"
    )

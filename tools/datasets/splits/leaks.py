"""Leaks: a group or a picture in two splits."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tools.datasets.splits.connected import connected_parts
from tools.datasets.types import SPLITS, Card, Record, Split
from tools.errors import DataError
from tools.text import counted

NAMED = 20
"""At most this many files are named in a message; the rest are counted."""

EXACT = "the same bytes"
"""`Pair.how` of two files with equal bytes."""

OnLeak = Literal["stop", "drop", "move"]

_PROTECTED: dict[Split, int] = {"test": 0, "validation": 1, "train": 2}
"""Leaked images are kept in the split with the lowest number, where a leak does most harm."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records (by position) that show the same picture. `how` says in words what they share."""

    one: int
    other: int
    how: str


def resolve_group_leaks(
    records: Sequence[Record], on_leak: OnLeak, place: str
) -> tuple[list[Record], tuple[str, ...]]:
    """Make sure that no group is in two splits.

    Args:
        records: with the splits that are to be used.
        on_leak: `stop`; `drop` the images of the less protected splits; or `move` them to the most protected one.
        place: where the data set is, for the message.

    Returns:
        The records that may be used, and notes about the others.

    Raises:
        DataError: a group is in two splits and `on_leak` is 'stop'; the groups are named.
    """
    splits_of: dict[str, set[Split]] = {}
    for record in records:
        splits_of.setdefault(record.group, set()).add(record.split)
    crossing: dict[str, Split] = {
        group: _kept_in(splits) for group, splits in splits_of.items() if len(splits) > 1
    }
    if not crossing:
        return list(records), ()
    if on_leak == "stop":
        first: dict[tuple[str, Split], str] = {}
        for record in records:
            first.setdefault((record.group, record.split), record.file)
        lines = [
            f"  {group}: "
            + " and ".join(
                f"{first[group, split]} ({split})" for split in SPLITS if split in splits_of[group]
            )
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
        "the same group (patient, source) is",
    )


def resolve_image_leaks(
    records: Sequence[Record], pairs: Sequence[Pair], on_leak: OnLeak, card: Card
) -> tuple[list[Record], tuple[str, ...]]:
    """Make sure that no picture is in two splits, without dividing a group.

    Args:
        records: with the splits that are to be used, no group in two of them.
        pairs: which records show the same picture.
        on_leak: `stop`; `drop` the images of the less protected splits; or `move` them to the most protected one, their
            groups with them.
        card: for the messages.

    Returns:
        The records that may be used, and notes about them and the others.

    Raises:
        DataError: a picture is in two splits and `on_leak` is 'stop'; the pairs are named.
    """
    crossing = [pair for pair in pairs if records[pair.one].split != records[pair.other].split]
    if crossing and on_leak == "stop":
        raise DataError(_leak_message(records, crossing, card))
    kept_in: dict[int, Split] = {}
    for part in connected_parts([(pair.one, pair.other) for pair in pairs]):
        splits: set[Split] = {records[position].split for position in part}
        if len(splits) > 1:
            kept_in |= dict.fromkeys(part, _kept_in(splits))
    why = "the same picture is"
    if on_leak == "move":
        cleared, notes = _moved(records, _inseparable(records, pairs, kept_in), kept_in, why)
    else:
        cleared, notes = _resolved(records, kept_in, on_leak, why)
    within = len({max(pair.one, pair.other) for pair in pairs} - kept_in.keys())
    more = []
    if within:
        more.append(
            f"{counted(within, 'image shows', 'images show')} the same picture as another in the same split"
        )
    return cleared, (*notes, *more)


def _inseparable(
    records: Sequence[Record], pairs: Sequence[Pair], leaked: Mapping[int, Split]
) -> dict[int, Split]:
    """The split of everything that cannot be parted from leaked records: their groups, other copies of the pictures
    in these, the groups of those, and so on."""
    first: dict[str, int] = {}
    together = [(first.setdefault(record.group, at), at) for at, record in enumerate(records)]
    together += [(pair.one, pair.other) for pair in pairs]
    found: dict[int, Split] = {}
    for part in connected_parts(together):
        if not leaked.keys().isdisjoint(part):
            found |= dict.fromkeys(part, _kept_in({records[at].split for at in part}))
    return found


def _kept_in(splits: set[Split]) -> Split:
    return min(splits, key=_PROTECTED.__getitem__)


def _resolved(
    records: Sequence[Record], kept_in: Mapping[int, Split], on_leak: OnLeak, why: str
) -> tuple[list[Record], tuple[str, ...]]:
    """The records, with those outside the split in which they are kept dropped or moved there."""
    if on_leak == "move":
        return _moved(records, kept_in, kept_in, why)
    strays = {position for position, split in kept_in.items() if records[position].split != split}
    if not strays:
        return list(records), ()
    kept = [record for position, record in enumerate(records) if position not in strays]
    note = f"{counted(len(strays), 'image')} dropped because {why} in another split too"
    return kept, (f"{note} (kept in test before validation before train)",)


def _moved(
    records: Sequence[Record], to: Mapping[int, Split], leaked: Container[int], why: str
) -> tuple[list[Record], tuple[str, ...]]:
    """The records in the splits that `to` gives by position. Those that are not `leaked` only go along with them."""
    moved = [replace(record, split=to.get(position, record.split)) for position, record in enumerate(records)]
    strays = [position for position, split in to.items() if records[position].split != split]
    if not strays:
        return moved, ()
    others = [position for position in strays if position not in leaked]
    note = f"{counted(len(strays) - len(others), 'image')} moved because {why} in another split too"
    if others:
        groups = counted(len({records[position].group for position in others}), "group")
        note += f", and {counted(len(others), 'other image')} of {groups} (patients, sources) with them"
    return moved, (f"{note} (to test before validation before train)",)


def _more(count: int) -> list[str]:
    return [f"  … and {count - NAMED} more"] if count > NAMED else []


def describe(records: Sequence[Record], pair: Pair, card: Card) -> str:
    """Both files of a pair with their splits and classes, and what they share."""
    one, other = (
        f"{each.file} ({each.split}, {card.label_name(each.label)})"
        for each in (records[pair.one], records[pair.other])
    )
    return f"{one} = {other}" if pair.how == EXACT else f"{one} ≈ {other}: {pair.how}"


def _leak_message(records: Sequence[Record], crossing: Sequence[Pair], card: Card) -> str:
    lines = [f"  {describe(records, pair, card)}" for pair in crossing[:NAMED]]
    exact = sum(pair.how == EXACT for pair in crossing)
    kinds = [f"{exact} byte for byte" if exact else "", f"{len(crossing) - exact} by their appearance"]
    said = " and ".join(kind for kind in kinds if kind and not kind.startswith("0"))
    looks = (
        " If they are different pictures that only look alike, use --data.leak_guard exact to compare bytes only."
        if exact < len(crossing)
        else ""
    )
    return (
        f"{counted(len(crossing), 'pair')} of images of {card.name} in different splits "
        f"{'is' if len(crossing) == 1 else 'are'} the same picture ({said}), so its scores would be too good:\n"
        + "\n".join([*lines, *_more(len(crossing))])
        + "\nGive both the same split (a "
        "manifest.csv with columns file,label,split does it), delete one of them, or use --data.on_leak drop to keep "
        "each in one split only (test before validation before train), or --data.on_leak move to move all copies "
        f"there, and their groups with them.{looks}"
    )

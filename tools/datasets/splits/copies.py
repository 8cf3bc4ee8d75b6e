"""Pictures that are there more than once, when some of their records are removed.

Pairs do not list every two copies: n equal files are n - 1 pairs with the first of them, a near-duplicate is paired
with the first of its equal copies, and where very many pictures are alike, their pairs only just connect them
(`picture_pairs.py`). So a record that is removed must not take its pairs with it: what it connected is connected again.

That holds for near-duplicates too. If A is like B and B is like C, the three are one picture to the guard, though A and
C were not found alike; without B they still are. Otherwise few labels could keep an image that all labels drop, and a
leak could hide behind an image that is not used. `data.leak_guard exact` is the way out for pictures that only look
alike.
"""

from collections.abc import Mapping, Sequence

from tools.datasets.splits.connected import connected_parts, missing_links
from tools.datasets.splits.leaks import EXACT, Pair
from tools.datasets.types import Record


def equal_parts(pairs: Sequence[Pair]) -> list[list[int]]:
    """The records (by position) with equal bytes, in ascending lists of those that are equal."""
    return connected_parts([(pair.one, pair.other) for pair in pairs if pair.how == EXACT])


def pairs_among(pairs: Sequence[Pair], records: Sequence[Record], now_at: Mapping[int, int]) -> list[Pair]:
    """The pairs among those records that are left; what was connected stays connected.

    Args:
        pairs: of all `records`, by position.
        records: before some were removed.
        now_at: the new position of each record that is left, by its position in `records`.

    Returns:
        By new positions: the pairs that are left, those of removed records with an equal copy in their place, and
        one for each further part that only removed records connected. Without removals, `pairs` as they are.
    """
    if len(now_at) == len(records):
        return [Pair(now_at[pair.one], now_at[pair.other], pair.how) for pair in pairs]
    stand_in = _equal_copies_left(pairs, now_at)
    whole = [(stand_in.get(pair.one, pair.one), stand_in.get(pair.other, pair.other)) for pair in pairs]
    how_of: dict[tuple[int, int], str] = {}
    for (one, other), pair in zip(whole, pairs, strict=True):
        if one != other and one in now_at and other in now_at:
            how_of.setdefault((one, other), pair.how)
    for link in missing_links(whole, list(how_of), now_at):
        through = records[link.through].file
        how_of[link.one, link.other] = f"alike through images that are not used, such as {through}"
    return [Pair(now_at[one], now_at[other], how) for (one, other), how in how_of.items()]


def _equal_copies_left(pairs: Sequence[Pair], now_at: Mapping[int, int]) -> dict[int, int]:
    """The first equal copy that is left, for each removed record that has one."""
    found: dict[int, int] = {}
    for part in equal_parts(pairs):
        if left := [at for at in part if at in now_at]:
            found |= dict.fromkeys((at for at in part if at not in now_at), left[0])
    return found

"""Copies of a picture stay one picture when some of them are removed."""

from hypothesis import given
from hypothesis import strategies as st

from tools.datasets.splits.connected import connected_parts
from tools.datasets.splits.copies import equal_parts, pairs_among
from tools.datasets.splits.leaks import EXACT, Pair
from tools.datasets.types import Record

ALIKE = "the same picture, mirrored"
COUNT = 12
RECORDS = [Record(f"{at:02d}.png", 0, "train", f"{at}") for at in range(COUNT)]


def left(pairs: list[Pair], *removed: int) -> set[Pair]:
    """The pairs among the records without `removed`, by their old positions."""
    kept = [at for at in range(COUNT) if at not in removed]
    found = pairs_among(pairs, RECORDS, {before: now for now, before in enumerate(kept)})
    return {Pair(kept[pair.one], kept[pair.other], pair.how) for pair in found}


def test_without_removals_the_pairs_are_as_they_were():
    pairs = [Pair(0, 5, EXACT), Pair(0, 3, EXACT), Pair(3, 5, EXACT), Pair(3, 1, ALIKE)]
    assert pairs_among(pairs, RECORDS, {at: at for at in range(COUNT)}) == pairs


def test_equal_copies_are_paired_without_the_first_of_them():
    star = [Pair(2, at, EXACT) for at in (4, 6, 8)]
    assert left(star, 2) == {Pair(4, 6, EXACT), Pair(4, 8, EXACT)}
    assert left(star, 6) == {Pair(2, 4, EXACT), Pair(2, 8, EXACT)}
    assert left(star, 2, 4, 8) == set()


def test_a_near_duplicate_is_paired_with_the_copy_that_is_left():
    pairs = [Pair(0, 4, EXACT), Pair(0, 7, ALIKE), Pair(7, 9, EXACT)]
    assert left(pairs, 0) == {Pair(4, 7, ALIKE), Pair(7, 9, EXACT)}
    assert left(pairs, 0, 7) == {Pair(4, 9, ALIKE)}
    assert left(pairs, 0, 4) == {Pair(7, 9, EXACT)}


def test_what_was_alike_through_a_removed_picture_still_is_and_it_is_named():
    (pair,) = left([Pair(1, 2, ALIKE), Pair(2, 3, ALIKE)], 2)
    assert (pair.one, pair.other) == (1, 3)
    assert pair.how == "alike through images that are not used, such as 02.png"


def test_pictures_that_are_still_connected_get_no_further_pairs():
    triangle = [Pair(1, 2, ALIKE), Pair(2, 3, ALIKE), Pair(1, 3, ALIKE)]
    assert left(triangle, 2) == {Pair(1, 3, ALIKE)}


PLACES = st.integers(0, COUNT - 1)


@given(
    st.lists(st.builds(Pair, PLACES, PLACES, st.sampled_from([EXACT, ALIKE]))),
    st.lists(st.sets(PLACES, max_size=COUNT // 2), max_size=3),
)
def test_whatever_is_removed_and_in_however_many_steps_the_rest_is_connected_as_before(pairs, steps):
    removed: set[int] = set()
    found, equal = list(pairs), equal_parts(pairs)
    kept = list(range(COUNT))
    for step in steps:
        removed |= step
        before, kept = kept, [at for at in kept if at not in removed]
        now_at = {then: kept.index(at) for then, at in enumerate(before) if at in kept}
        found = pairs_among(found, [RECORDS[at] for at in before], now_at)
    assert len(found) <= len(pairs)
    back = [Pair(kept[pair.one], kept[pair.other], pair.how) for pair in found]
    assert joined([(pair.one, pair.other) for pair in back], removed) == joined(
        [(pair.one, pair.other) for pair in pairs], removed
    )
    assert joined([(pair.one, pair.other) for pair in back if pair.how == EXACT], removed) == {
        part for part in (frozenset(set(each) - removed) for each in equal) if len(part) > 1
    }


def joined(pairs: list[tuple[int, int]], removed: set[int]) -> set[frozenset[int]]:
    """The parts that pairs connect, of what is not removed."""
    parts = (frozenset(set(part) - removed) for part in connected_parts(pairs))
    return {part for part in parts if len(part) > 1}

"""A picture in two splits is moved without dividing a group: whatever cannot be parted from it goes along."""

from hypothesis import given
from hypothesis import strategies as st

from tests.tools.datasets.images import card
from tools.datasets.splits.leaks import EXACT, Pair, resolve_image_leaks
from tools.datasets.types import SPLITS, Record

ORDER = "(to test before validation before train)"


def patient(name: str, split, count: int = 3) -> list[Record]:
    """Images NAME0, NAME1, … of one group in one split."""
    return [Record(f"{name}{number}", number % 2, split, f"patient {name}") for number in range(count)]


RECORDS = [
    *patient("a", "train"),
    *patient("b", "train"),
    *patient("c", "train"),
    *patient("v", "validation"),
    *patient("t", "test"),
]
AT = {record.file: at for at, record in enumerate(RECORDS)}


def moved(*same: tuple[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Where the images are that are not where they were, and the notes."""
    pairs = [Pair(AT[one], AT[other], EXACT) for one, other in same]
    records, notes = resolve_image_leaks(RECORDS, pairs, "move", card())
    assert [record.file for record in records] == list(AT)
    changed = (new for new, old in zip(records, RECORDS, strict=True) if new.split != old.split)
    return {record.file: record.split for record in changed}, notes


def test_a_patient_is_moved_with_the_image_that_leaks():
    where, notes = moved(("a1", "t0"))
    assert where == dict.fromkeys(("a0", "a1", "a2"), "test")
    assert notes == (
        "1 image moved because the same picture is in another split too, and 2 other images of 1 group (patients, "
        f"sources) with them {ORDER}",
    )


def test_a_patient_who_shares_a_picture_with_a_moved_patient_is_moved_too():
    where, notes = moved(("a0", "t0"), ("a2", "b1"))
    assert where == dict.fromkeys(("a0", "a1", "a2", "b0", "b1", "b2"), "test")
    assert notes[0].endswith(f"5 other images of 2 groups (patients, sources) with them {ORDER}")


def test_a_patient_goes_where_another_image_of_the_moved_ones_has_to_be():
    where, _ = moved(("a0", "v0"), ("v1", "t1"))
    assert where == dict.fromkeys(("a0", "a1", "a2", "v0", "v1", "v2"), "test")


def test_copies_within_a_split_move_nobody():
    where, notes = moved(("a0", "b0"))
    assert where == {}
    assert notes == ("1 image shows the same picture as another in the same split",)


def test_an_image_that_is_a_group_of_its_own_is_moved_alone():
    records = [Record(f"{at}", at % 2, "train" if at < 3 else "test", f"{at}") for at in range(6)]
    found, notes = resolve_image_leaks(records, [Pair(1, 4, EXACT)], "move", card())
    assert [record.split for record in found] == ["train", "test", "train", "test", "test", "test"]
    assert notes == (f"1 image moved because the same picture is in another split too {ORDER}",)


def test_dropping_leaves_the_other_images_of_a_patient_where_they_are():
    records, _ = resolve_image_leaks(RECORDS, [Pair(AT["a1"], AT["t0"], EXACT)], "drop", card())
    assert records == [record for record in RECORDS if record.file != "a1"]


@given(
    st.lists(st.sampled_from(SPLITS), min_size=6, max_size=6),
    st.lists(st.integers(0, 5), min_size=12, max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=8),
)
def test_after_moving_neither_a_picture_nor_a_group_is_in_two_splits(split_of, group_of, same):
    records = [Record(f"{at}", 0, split_of[group], f"{group}") for at, group in enumerate(group_of)]
    pairs = [Pair(one, other, EXACT) for one, other in same]
    found, _ = resolve_image_leaks(records, pairs, "move", card())
    assert len({record.group for record in found}) == len({(record.group, record.split) for record in found})
    assert all(found[one].split == found[other].split for one, other in same)
    protected = {"train": 0, "validation": 1, "test": 2}
    assert all(protected[new.split] >= protected[old.split] for new, old in zip(found, records, strict=True))

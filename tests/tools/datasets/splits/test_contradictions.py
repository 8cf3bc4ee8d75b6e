"""One picture under two labels: warned of, left out, or a reason to stop."""

from pathlib import Path

import pytest

from tests.tools.datasets.images import card, fill, photo
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.splits.contradictions import resolve_contradictions
from tools.datasets.splits.leaks import Pair
from tools.datasets.types import Record
from tools.errors import DataError


def built(root: Path, **settings) -> CachedDataset:
    config = DataConfig(path=root, **settings)
    return build_cache(open_dataset(config), config, 16, root.parent / "cache")


@pytest.fixture
def root(tmp_path) -> Path:
    """Classes `yes` and `no`, 10 images each."""
    return fill(tmp_path / "data", {"yes": 10, "no": 10})


def copied(root: Path, count: int, to: str, **options) -> None:
    """The first images of `yes`, once more in the class `to`."""
    (root / to).mkdir(exist_ok=True)
    for number in range(count):
        photo(1 + number).save(root / to / f"copy{number}.png", **options)


def test_a_class_that_copies_the_others_stops(root):
    copied(root, 10, "all")
    with pytest.raises(DataError) as stopped:
        built(root)
    said = str(stopped.value)
    assert (
        "10 of the 10 images of class all, 10 of the 10 images of class yes are in another class as well"
        in said
    )
    assert "--data.on_two_labels drop" in said


def test_copies_saved_otherwise_count_too(root):
    copied(root, 6, "no", compress_level=0)
    with pytest.raises(DataError, match="6 of the 10 images of class yes"):
        built(root)


def test_a_few_are_warned_of_and_used(root):
    copied(root, 2, "no")
    data = built(root)
    (warning,) = data.warnings
    assert warning.startswith("4 images show a picture that has two different labels, such as ")
    assert sum(sum(data.class_counts(split).values()) for split in ("train", "validation", "test")) == 22


def test_they_can_be_kept(root):
    copied(root, 10, "all")
    (warning,) = built(root, on_two_labels="keep").warnings
    assert "10 of the 10 images of class all" in warning


def test_they_can_be_left_out_of_every_split(root):
    copied(root, 2, "no")
    data = built(root, on_two_labels="drop")
    used = {split: data.class_counts(split) for split in ("train", "validation", "test")}
    assert {name: sum(of[name] for of in used.values()) for name in ("yes", "no")} == {"yes": 8, "no": 10}
    assert "these images are left out" in data.warnings[0]


def test_of_a_class_that_consists_of_them_nothing_is_left(root):
    copied(root, 10, "all")
    with pytest.raises(DataError, match="all"):
        built(root, on_two_labels="drop")


def used(data: CachedDataset) -> set[str]:
    return {*data.split("train").files, *data.split("validation").files, *data.open_test().files}


def test_all_equal_copies_are_left_out_whichever_of_them_is_the_contradiction(root):
    for place in ("yes/same1.png", "yes/same2.png", "no/same3.png", "no/same4.png"):
        photo(900).save(root / place)
    data = built(root, on_two_labels="drop", leak_guard="exact")
    assert not any("same" in file for file in used(data))
    assert data.warnings[0].startswith("4 images show a picture that has two different labels")


def test_all_equal_copies_of_a_picture_that_is_like_one_of_another_class_are_left_out(root):
    for place in ("yes/same1.png", "yes/same2.png"):
        photo(900).save(root / place)
    photo(900).save(root / "no" / "again.png", compress_level=0)
    data = built(root, on_two_labels="drop")
    assert not any("same" in file or "again" in file for file in used(data))
    assert data.warnings[0].startswith("3 images show a picture that has two different labels")


def test_what_is_like_the_other_class_only_through_a_third_picture_is_used():
    records = [Record(f"{at}", label, "train", f"{at}") for at, label in enumerate((0, 0, 1, 1))]
    chain = [Pair(0, 1, "alike"), Pair(1, 2, "alike")]
    assert resolve_contradictions(records, chain, "drop", card())[0] == [0, 3]


def test_a_class_that_copies_the_others_several_times_stops(root):
    (root / "all").mkdir()
    for number in range(4):
        for again in range(3):
            photo(1 + number).save(root / "all" / f"copy{number}-{again}.png")
    with pytest.raises(DataError, match="12 of the 12 images of class all"):
        built(root)

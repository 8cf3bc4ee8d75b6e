"""One picture under two labels: warned of, left out, or a reason to stop."""

from pathlib import Path

import pytest

from tests.tools.datasets.images import fill, photo
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
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

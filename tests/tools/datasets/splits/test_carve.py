"""Carved splits are stratified, group-safe, seeded, and complete."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.datasets.splits.carve import carve_splits
from tools.errors import DataError


def alone(labels):
    return [f"image {number}" for number in range(len(labels))]


def test_each_class_is_divided_by_the_fractions():
    labels = [0] * 200 + [1] * 40
    splits = carve_splits(labels, alone(labels), 0.2, 0.1, seed=0)
    assert Counter(zip(labels, splits, strict=True)) == {
        (0, "train"): 140,
        (0, "validation"): 40,
        (0, "test"): 20,
        (1, "train"): 28,
        (1, "validation"): 8,
        (1, "test"): 4,
    }


def test_without_a_test_fraction_only_validation_is_carved():
    labels = [0, 1] * 20
    assert Counter(carve_splits(labels, alone(labels), 0.25, 0, seed=0)) == {"train": 30, "validation": 10}


def test_the_seed_decides():
    labels = [0, 1] * 50
    one, again, other = (carve_splits(labels, alone(labels), 0.2, 0.2, seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_the_order_of_listing_does_not_matter():
    labels = [0, 1] * 30
    groups = alone(labels)
    order = np.random.default_rng(0).permutation(len(labels))
    straight = dict(zip(groups, carve_splits(labels, groups, 0.2, 0.2, 0), strict=True))
    shuffled_groups = [groups[i] for i in order]
    shuffled = carve_splits([labels[i] for i in order], shuffled_groups, 0.2, 0.2, 0)
    assert dict(zip(shuffled_groups, shuffled, strict=True)) == straight


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), min_size=12, max_size=60),
    seed=st.integers(0, 100),
)
def test_no_group_crosses_and_every_class_is_in_every_split(sizes, seed):
    sizes = sizes + [(label, 1) for label in range(3) for _ in range(3)]
    labels = [label for label, size in sizes for _ in range(size)]
    groups = [f"patient {number}" for number, (_, size) in enumerate(sizes) for _ in range(size)]
    splits = carve_splits(labels, groups, 0.15, 0.15, seed)
    home = {}
    for group, split in zip(groups, splits, strict=True):
        assert home.setdefault(group, split) == split
    assert set(zip(labels, splits, strict=True)) == {
        (label, split) for label in range(3) for split in ("train", "validation", "test")
    }


def test_groups_of_unequal_size_come_near_the_fractions():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 12, 120)
    groups = [f"patient {number}" for number, size in enumerate(sizes) for _ in range(size)]
    labels = [number % 2 for number, size in enumerate(sizes) for _ in range(size)]
    counts = Counter(carve_splits(labels, groups, 0.15, 0.15, seed=0))
    for split in ("validation", "test"):
        assert counts[split] / len(labels) == pytest.approx(0.15, abs=0.02)


def test_a_group_larger_than_the_rest_stays_in_train():
    groups = ["hospital"] * 90 + [f"patient {number}" for number in range(10)] + alone([1] * 20)
    labels = [0] * 100 + [1] * 20
    splits = carve_splits(labels, groups, 0.05, 0.05, seed=3)
    assert set(splits[:90]) == {"train"}


def test_three_images_of_a_class_are_one_for_each_split():
    labels = [0] * 50 + [1] * 3
    assert sorted(carve_splits(labels, alone(labels), 0.15, 0.15, seed=0)[50:]) == [
        "test",
        "train",
        "validation",
    ]


def test_a_class_with_too_few_groups_is_named():
    labels = [0] * 20 + [1] * 4
    groups = [*alone([0] * 20), "a", "a", "b", "b"]
    with pytest.raises(DataError, match=r"class 'rare' has 4 images in 2 groups; .* at least 3 groups"):
        carve_splits(labels, groups, 0.15, 0.15, 0, class_names=["common", "rare"])


def test_images_of_other_classes_in_its_groups_are_not_counted_as_a_class_s_own():
    labels = [0, 0, 0, 1, 0, 0, 0, 1, *[1] * 8]
    groups = ["a"] * 4 + ["b"] * 4 + alone([1] * 8)
    with pytest.raises(DataError, match="class 'rare' has 6 images in 2 groups; to be in"):
        carve_splits(labels, groups, 0.15, 0.15, 0, class_names=["rare", "common"])
    shared = [0, 1, 1, *labels]
    with pytest.raises(
        DataError, match="has 7 images in 3 groups, and most of the images in 2 of these; to be"
    ):
        carve_splits(shared, ["c"] * 3 + groups, 0.15, 0.15, 0, class_names=["rare", "common"])


def test_a_class_of_single_images_is_told_without_groups():
    labels = [0] * 20 + [1] * 2
    needed = "class 'rare' has 2 images; to be in train, validation and test it needs at least 3. Add images"
    with pytest.raises(DataError, match=needed):
        carve_splits(labels, alone(labels), 0.15, 0.15, 0, class_names=["common", "rare"])


def test_fractions_that_leave_no_training_images_are_refused():
    with pytest.raises(DataError, match="sum must be below 1"):
        carve_splits([0, 1] * 10, alone([0, 1] * 10), 0.6, 0.4, 0)

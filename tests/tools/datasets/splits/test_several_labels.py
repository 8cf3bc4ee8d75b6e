"""Splits and folds of images with several labels: every label has its share of every part, groups stay whole."""

import numpy as np
import pytest

from tools.datasets.splits.folds import cut_into_parts
from tools.datasets.splits.several_labels import carve_several, fold_several
from tools.datasets.types import Split
from tools.errors import DataError

SHARES: dict[Split, float] = {"validation": 0.15, "test": 0.15}
NAMES = ("common", "usual", "seldom", "rare")


def drawn(count: int = 600, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    labels = (rng.random((count, 4)) < [0.5, 0.2, 0.05, 0.015]).astype(np.uint8)
    labels[:3, 3] = 1
    return labels, [f"group {number}" for number in rng.integers(0, count // 2, count)]


def test_every_label_has_its_share_of_every_split():
    labels, groups = drawn()
    splits = np.array(carve_several(labels, groups, SHARES, 0, NAMES))
    for name, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        there = splits == name
        assert there.mean() == pytest.approx(share, abs=0.02)
        for label in range(3):
            assert labels[there, label].sum() / labels[:, label].sum() == pytest.approx(share, abs=0.06)
        assert labels[there, 3].any()
        none = ~labels.any(axis=1)
        assert (none & there).sum() / none.sum() == pytest.approx(share, abs=0.05)


def test_no_group_is_divided_and_the_order_of_the_images_does_not_matter():
    labels, groups = drawn()
    splits = carve_several(labels, groups, SHARES, 3, NAMES)
    assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
    order = np.random.default_rng(1).permutation(len(groups))
    again = carve_several(labels[order], [groups[at] for at in order], SHARES, 3, NAMES)
    assert again == [splits[at] for at in order]
    assert carve_several(labels, groups, SHARES, 4, NAMES) != splits


def test_a_label_that_went_along_with_rarer_ones_is_named_with_what_helps():
    labels = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 1], [1, 1, 1], [1, 1, 0]], dtype=np.uint8)
    with pytest.raises(
        DataError, match=r"label 'seldom' would be on no image in the test .*data\.split_seed"
    ):
        carve_several(labels, list("abcde"), SHARES, 0, ("usual", "common", "seldom"))


def test_fractions_that_leave_no_training_images_are_refused():
    labels, groups = drawn()
    with pytest.raises(
        DataError, match=r"data\.validation_fraction 0\.6 and data\.test_fraction 0\.4 leave no"
    ):
        carve_several(labels, groups, {"validation": 0.6, "test": 0.4}, 0, NAMES)


def test_a_label_in_as_few_groups_as_there_are_splits_is_in_each():
    labels, groups = drawn()
    labels[:, 3] = 0
    for number, at in enumerate((10, 20, 30)):
        labels[at, 3], groups[at] = 1, f"only {number}"
    splits = carve_several(labels, groups, SHARES, 0, NAMES)
    assert {splits[at] for at in (10, 20, 30)} == {"train", "validation", "test"}
    labels[30, 3] = 0
    with pytest.raises(DataError, match=r"'rare' is on 2 images in 2 groups; .* leave out its column"):
        carve_several(labels, groups, SHARES, 0, NAMES)


def test_folds_hold_out_each_image_once():
    labels, groups = drawn()
    held = np.array([fold_several(labels, groups, part, 3, 0, NAMES) for part in (1, 2, 3)])
    assert (held.sum(axis=0) == 1).all()
    assert (held.mean(axis=1) > 0.3).all()
    with pytest.raises(DataError, match="600 folds need each label in 600 groups"):
        fold_several(labels, groups, 1, 600, 0, NAMES)


def test_folds_over_seeds_share_out_every_label_and_keep_groups_whole():
    labels, groups = drawn()
    parts = cut_into_parts(labels, groups, 4)
    assert len(set(zip(groups, parts.tolist(), strict=True))) == len(set(groups))
    for part in range(4):
        assert labels[parts == part, 0].sum() / labels[:, 0].sum() == pytest.approx(0.25, abs=0.03)
        assert labels[parts == part, 3].any()
    renamed = [f"g{group}" for group in groups]
    assert (cut_into_parts(labels, renamed, 4) == parts).all(), "only which are equal matters"

from collections import Counter

import numpy as np
import pytest

from tools.datasets.splits.folds import NEVER, cut_into_parts, fold_count


def cut(labels: list[int], groups: list[str], parts: int) -> list[int]:
    return cut_into_parts(np.array(labels), groups, parts).tolist()


def singles(count: int) -> list[str]:
    return [f"image {number}" for number in range(count)]


@pytest.mark.parametrize(("images", "parts"), [(60, 5), (61, 5), (7, 3), (200, 9)])
def test_every_part_has_its_share_of_every_class(images: int, parts: int):
    labels = [number % 3 for number in range(images)]
    found = Counter(zip(labels, cut(labels, singles(images), parts), strict=True))
    for label in range(3):
        counts = [found[label, part] for part in range(parts)]
        assert max(counts) - min(counts) <= 1
        assert sum(counts) == labels.count(label)
    sizes = Counter(part for (_, part), count in found.items() for _ in range(count))
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_no_group_is_divided_and_sizes_are_balanced_all_the_same():
    generator = np.random.default_rng(4)
    groups = [f"patient {number}" for number in range(40) for _ in range(int(generator.integers(1, 9)))]
    labels = [int(name.split()[1]) % 2 for name in groups]
    parts = cut(labels, groups, 5)
    assert all(
        len({part for part, name in zip(parts, groups, strict=True) if name == group}) == 1
        for group in groups
    )
    sizes = Counter(parts)
    assert min(sizes.values()) > 0.85 * max(sizes.values())


def test_the_cut_depends_on_the_order_of_images_and_on_nothing_else():
    labels = [number % 2 for number in range(30)]
    groups = [f"g{number // 2}" for number in range(30)]
    renamed = [f"another {name}" for name in groups]
    assert cut(labels, groups, 4) == cut(labels, renamed, 4)
    # a trial's key names a fold by its number: these images must stay where they are in every version
    assert cut(labels[:12], singles(12), 3) == [0, 0, 1, 1, 2, 2, 2, 1, 0, 0, 1, 2]


def test_images_of_one_class_are_not_held_out_in_the_order_in_which_they_are_listed():
    parts = cut([0] * 100, singles(100), 4)
    assert parts[:8] != [0, 1, 2, 3, 0, 1, 2, 3]
    assert len(set(parts[:25])) == 4


def test_a_rare_class_is_in_as_many_parts_as_it_has_groups():
    labels = [0] * 30 + [1] * 3
    parts = cut(labels, singles(33), 5)
    assert len(set(parts[30:])) == 3


def test_the_only_group_of_a_class_is_never_held_out():
    parts = cut([0] * 10 + [1, 1, 2], [*singles(10), "one patient", "one patient", "one patient"], 3)
    assert parts[10:] == [NEVER] * 3
    assert set(parts[:10]) == {0, 1, 2}


def test_one_part_is_everything():
    assert cut([0, 1, 1], singles(3), 1) == [0, 0, 0]


def test_there_are_as_many_folds_as_validation_splits_fit_into_both():
    assert fold_count(1399, 301) == 6
    assert fold_count(850, 150) == 7
    assert fold_count(800, 200) == 5
    assert fold_count(100, 200) == 2

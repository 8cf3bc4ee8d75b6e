"""Pictures in two splits or under two labels, when a data set is decoded: refused, dropped, moved, told."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.datasets.cached import built, changed, with_bytes
from tests.tools.datasets.images import encode, in_memory, photo, write_csv
from tools.datasets.types import Dataset
from tools.errors import DataError


def test_an_image_in_two_splits_stops_the_run_and_the_pair_is_named(tmp_path):
    dataset = in_memory()
    with pytest.raises(DataError) as error:
        built(with_bytes(dataset, {"009": dataset.source.read("000")}), tmp_path)
    assert "1 pair of images of made in different splits is the same picture (1 byte for byte)" in str(
        error.value
    )
    assert "000 (train, a) = 009 (test, b)" in str(error.value)
    assert "--data.on_leak drop" in str(error.value)


@pytest.mark.parametrize("why", ["setting", "known"])
def test_leaks_are_dropped_from_all_but_one_split_where_that_is_asked_for(tmp_path, why):
    dataset = in_memory()
    leaking = with_bytes(dataset, {"000": dataset.source.read("008"), "005": dataset.source.read("008")})
    leaking = replace(leaking, known_leaks=why == "known")
    cached = built(leaking, tmp_path, on_leak="drop" if why == "setting" else "stop")
    assert cached.split("train").files == ["001", "002", "003"]
    assert cached.split("validation").files == ["004", "006", "007"]
    assert cached.open_test().files == ["008", "009", "010", "011"]
    assert any(
        note.startswith("2 images dropped because the same picture is in another split")
        for note in cached.notes
    )


def with_three_copies(*changes: bytes) -> Dataset:
    """Eight images of each class to train on, of which 000 and 002 and the test image 032 show one picture.

    Args:
        changes: the bytes of these three, where they are not equal.
    """
    dataset = in_memory(16)
    same = changes or [dataset.source.read("000")] * 3
    return with_bytes(dataset, dict(zip(("000", "002", "032"), same, strict=True)))


def without(dataset: Dataset, file: str, root: Path) -> Path:
    """A file of splits that lists all images but one."""
    splits = root / "splits.csv"
    write_csv(
        splits,
        [("file", "split"), *((each.file, each.split) for each in dataset.records if each.file != file)],
    )
    return splits


@pytest.mark.parametrize("unlisted", ["000", "002"])
def test_a_copy_in_the_test_split_is_found_without_the_copy_that_a_file_of_splits_leaves_out(
    tmp_path, unlisted
):
    dataset = with_three_copies()
    published = replace(dataset, published=dataset)
    with pytest.raises(DataError, match=r"\(1 byte for byte\)"):
        built(published, tmp_path, splits=without(dataset, unlisted, tmp_path))


def test_near_duplicates_are_found_without_the_equal_copy_that_is_left_out(tmp_path):
    again = encode(photo(0), compress_level=0)
    dataset = with_three_copies(encode(photo(0)), encode(photo(0)), again)
    published = replace(dataset, published=dataset)
    with pytest.raises(DataError, match=r"002 \(train, a\) ≈ 032 \(test, a\): the same picture, saved"):
        built(published, tmp_path, 64, splits=without(dataset, "000", tmp_path))


@pytest.mark.parametrize("seed", range(8, 12))
def test_few_labels_never_hide_a_copy_in_the_test_split(tmp_path, seed):
    dataset = with_three_copies()
    few = {"fraction": 0.5, "split_seed": seed}
    cached = built(replace(dataset, published=dataset), tmp_path, on_leak="drop", **few)
    assert not {"000", "002"} & set(cached.split("train").files)
    assert "032" in cached.open_test().files


def test_a_patient_is_moved_with_a_copy_of_a_test_image(tmp_path):
    dataset = with_three_copies()
    for number in (1, 2, 3):
        dataset = changed(dataset, number, group="patient")
    cached = built(replace(dataset, published=dataset), tmp_path, on_leak="move")
    assert {"000", "001", "002", "003", "032"} <= set(cached.open_test().files)
    assert cached.notes[0].startswith(
        "2 images moved because the same picture is in another split too, and 2 other images of 1 group"
    )


def test_copies_within_a_split_are_counted(tmp_path):
    dataset = in_memory()
    cached = built(with_bytes(dataset, {"002": dataset.source.read("000")}), tmp_path)
    assert cached.notes == ("1 image shows the same picture as another in the same split",)


def test_an_image_with_two_labels_is_warned_of(tmp_path):
    dataset = in_memory()
    cached = built(with_bytes(dataset, {"001": dataset.source.read("000")}), tmp_path)
    assert cached.warnings == (
        "2 images show a picture that has two different labels, such as 000 (train, a) = 001 (train, b)",
    )
    assert cached.notes == ("1 image shows the same picture as another in the same split",)

"""Which image is in which split: folds, few labels, files of splits, groups that cross."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.datasets.images import MemorySource, card, fill, write_csv
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.splits.assign import assign_splits
from tools.datasets.types import Dataset, Record
from tools.errors import AugurError, ConfigurationError, DataError


def made(groups: list[int], labels: list[int], missing=("validation", "test"), **fields) -> Dataset:
    """A data set without pixels: image i of group `groups[i]`."""
    records = tuple(
        Record(f"{at:03d}", label, "train", f"patient {group}")
        for at, (group, label) in enumerate(zip(groups, labels, strict=True))
    )
    return Dataset(card(), records, MemorySource({}), missing=tuple(missing), **fields)


PATIENTS = made([at // 3 for at in range(120)], [at // 3 % 2 for at in range(120)])


def files(dataset: Dataset, split: str) -> set[str]:
    return {record.file for record in dataset.records if record.split == split}


def groups(dataset: Dataset, split: str) -> set[str]:
    return {record.group for record in dataset.records if record.split == split}


def test_images_that_are_alike_stay_together_where_a_leaking_group_was_dropped():
    leaking = (Record("000", 0, "train", "shared"), Record("001", 0, "test", "shared"))
    others = tuple(Record(f"{at:03d}", at % 2, "train", f"{at}") for at in range(2, 62))
    tested = tuple(Record(f"{at}", at % 2, "test", f"{at}") for at in (900, 901))
    dataset = Dataset(card(), (*leaking, *others, *tested), MemorySource({}), missing=("validation",))
    same = [(at, at + 2) for at in range(2, 58, 4)]
    divided = assign_splits(dataset, DataConfig(on_leak="drop"), same)
    split_of = {record.file: record.split for record in divided.records}
    assert "000" not in split_of
    for one, other in same:
        assert split_of[f"{one:03d}"] == split_of[f"{other:03d}"]


def test_images_that_were_alike_through_a_dropped_one_stay_together():
    leaking = (Record("000", 0, "train", "shared"), Record("001", 0, "test", "shared"))
    others = tuple(Record(f"{at:03d}", at % 2, "train", f"{at}") for at in range(2, 62))
    tested = tuple(Record(f"{at}", at % 2, "test", f"{at}") for at in (900, 901))
    dataset = Dataset(card(), (*leaking, *others, *tested), MemorySource({}), missing=("validation",))
    star = [(0, at) for at in (4, 14, 24, 34)]
    for seed in range(8):
        divided = assign_splits(dataset, DataConfig(on_leak="drop", split_seed=seed), star)
        split_of = {record.file: record.split for record in divided.records}
        assert "000" not in split_of
        assert len({split_of[file] for file in ("004", "014", "024", "034")}) == 1


# folds


def test_the_folds_are_validation_once_each_and_share_the_test_split():
    folds = [assign_splits(PATIENTS, DataConfig(fold=f"{part}/5")) for part in range(1, 6)]
    assert len({frozenset(files(fold, "test")) for fold in folds}) == 1
    held = Counter(file for fold in folds for file in files(fold, "validation"))
    assert set(held.values()) == {1}
    assert held.keys() | files(folds[0], "test") == {record.file for record in PATIENTS.records}


def test_no_group_crosses_a_fold():
    for part in range(1, 6):
        fold = assign_splits(PATIENTS, DataConfig(fold=f"{part}/5"))
        assert not groups(fold, "train") & groups(fold, "validation")
        assert not groups(fold, "train") & groups(fold, "test")


def test_a_fold_divides_published_validation_and_train_and_leaves_test():
    records = [
        Record(f"{at:03d}", at % 2, ("train", "train", "validation", "test")[at % 4], f"{at}")
        for at in range(80)
    ]
    dataset = Dataset(
        card(),
        tuple(Record(r.file, at // 2 % 2, r.split, r.group) for at, r in enumerate(records)),
        MemorySource({}),
    )
    fold = assign_splits(dataset, DataConfig(fold="2/4"))
    assert files(fold, "test") == files(dataset, "test")
    assert len(files(fold, "validation")) == 15


def test_published_folds_are_used_where_their_number_is_asked_for():
    published = tuple(
        frozenset({f"{at:03d}" for at in range(start, start + 12)}) for start in range(0, 120, 12)
    )
    dataset = made(list(range(120)), [at % 2 for at in range(120)], missing=("validation",), folds=published)
    fold = assign_splits(dataset, DataConfig(fold="3/10"))
    assert files(fold, "validation") == published[2]
    assert any("as published" in note for note in fold.notes)
    other = assign_splits(dataset, DataConfig(fold="3/5"))
    assert files(other, "validation") not in [set(each) for each in published]


def test_more_folds_than_a_class_has_images_are_refused():
    few = made(list(range(40)), [1 if at < 3 else 0 for at in range(40)], missing=("validation",))
    with pytest.raises(DataError, match=r"the smallest class has 3 images\. Use fewer folds"):
        assign_splits(few, DataConfig(fold="1/5"))


@pytest.mark.parametrize("fold", ["0/5", "6/5", "1/1", "a/b", "5"])
def test_a_fold_that_is_none_is_refused(fold):
    with pytest.raises(ValueError):
        DataConfig(fold=fold)


# folds over seeds


def split_patients(**patients: list[str]) -> Dataset:
    """Ten images of each patient, of both classes; the published split of each is given."""
    records = [
        Record(f"{name}-{at}", at % 2, split, name)  # type: ignore[arg-type]
        for split, names in patients.items()
        for name in names
        for at in range(10)
    ]
    return Dataset(card(), tuple(records), MemorySource({}))


def test_with_folds_a_patient_in_train_and_validation_is_no_leak_and_counts_as_validation():
    dataset = split_patients(train=[*"abcdefg", "h"], validation=["h", "i"], test=["z"])
    with pytest.raises(DataError, match="more than one split"):
        assign_splits(dataset, DataConfig())
    pooled = assign_splits(dataset, DataConfig(folds="on"))
    assert groups(pooled, "validation") == {"h", "i"}
    assert groups(pooled, "train") == set("abcdefg")
    assert len(pooled.records) == len(dataset.records), "no image is lost"
    assert any("10 training images count as validation" in note for note in pooled.notes)


def test_with_folds_pictures_that_are_alike_are_one_group_within_and_across_train_and_validation():
    dataset = split_patients(train=list("abcdef"), validation=["h"], test=["z"])
    at = {record.file: number for number, record in enumerate(dataset.records)}
    alike = [(at["a-0"], at["b-0"]), (at["c-1"], at["h-1"]), (at["d-0"], at["z-0"])]
    pooled = assign_splits(dataset, DataConfig(folds="on"), alike)
    group_of = {record.file: record.group for record in pooled.records}
    assert group_of["a-5"] == group_of["b-5"]
    assert files(pooled, "validation") == {f"{name}-{at}" for name in "ch" for at in range(10)}
    assert group_of["d-0"] != group_of["z-0"], "a picture that is also a test image is a leak as ever"


def test_with_folds_a_patient_of_the_test_split_leaks_as_ever():
    dataset = split_patients(train=[*"abc", "z"], validation=["h"], test=["z"])
    with pytest.raises(DataError, match="more than one split"):
        assign_splits(dataset, DataConfig(folds="on"))


def test_a_validation_split_that_cannot_be_told_from_the_training_images_is_refused_with_the_remedy():
    dataset = split_patients(train=list("abcd"), validation=list("abc"), test=["z"])
    with pytest.raises(DataError, match=r"30 of 40 training images.*data\.folds off"):
        assign_splits(dataset, DataConfig(folds="on"))


@pytest.mark.parametrize("few", [{"fraction": 0.5}, {"per_class": 3}, {"fold": "1/5"}])
def test_folds_over_seeds_take_all_images(few):
    with pytest.raises(ValueError, match=rf"data\.folds on .* data\.{next(iter(few))}"):
        DataConfig(folds="on", **few)


# few labels


@given(st.floats(0.05, 1), st.floats(0.05, 1), st.integers(0, 5))
def test_a_smaller_fraction_lies_within_a_larger_one(one, other, seed):
    small, large = (
        files(assign_splits(PATIENTS, DataConfig(fraction=share, split_seed=seed)), "train")
        for share in sorted((one, other))
    )
    assert small <= large


def test_few_per_class_lie_within_more_and_are_that_many():
    two, five = (assign_splits(PATIENTS, DataConfig(per_class=count)) for count in (2, 5))
    assert Counter(record.label for record in two.records if record.split == "train") == {0: 2, 1: 2}
    assert files(two, "train") < files(five, "train")


def test_few_labels_leave_validation_and_test_as_they_are():
    whole, few = assign_splits(PATIENTS, DataConfig()), assign_splits(PATIENTS, DataConfig(fraction=0.2))
    assert files(few, "validation") == files(whole, "validation")
    assert files(few, "test") == files(whole, "test")
    assert any(note.startswith("few labels: ") for note in few.notes)


def test_few_labels_come_from_few_groups():
    few = assign_splits(PATIENTS, DataConfig(per_class=6))
    assert len(groups(few, "train")) == 4, "six images of each class, three of a patient"


def test_which_labels_are_few_is_the_seeds():
    one, again, other = (
        files(assign_splits(PATIENTS, DataConfig(per_class=5, split_seed=seed)), "train")
        for seed in (1, 1, 2)
    )
    assert one == again != other


def test_more_labels_than_there_are_is_refused_with_how_many_there_are():
    with pytest.raises(DataError, match=r"class 'a' has only \d+ training images: use at most \d+"):
        assign_splits(PATIENTS, DataConfig(per_class=1000))


def test_a_fraction_and_a_number_are_not_both_given():
    with pytest.raises(ValueError, match="give one"):
        DataConfig(fraction=0.5, per_class=3)


# images that are alike


def test_alike_images_are_carved_into_one_split_through_chains():
    dataset = made(list(range(60)), [at % 2 for at in range(60)])
    chain = [(0, 10), (10, 20), (20, 30), (30, 40)]
    for seed in range(8):
        carved = assign_splits(dataset, DataConfig(split_seed=seed), chain)
        assert len({carved.records[at].split for at in (0, 10, 20, 30, 40)}) == 1


def test_alike_images_are_kept_in_one_fold():
    dataset = made(list(range(60)), [at % 2 for at in range(60)], missing=("validation",))
    for part in range(1, 4):
        fold = assign_splits(dataset, DataConfig(fold=f"{part}/3"), [(4, 44)])
        assert fold.records[4].split == fold.records[44].split


# a file of splits


@pytest.fixture
def folder(tmp_path) -> Path:
    return fill(tmp_path / "images", {"a": 12, "b": 12})


def test_the_splits_of_a_study_can_be_used_again(folder, tmp_path):
    from tools.datasets.cache.build import build_cache

    config = DataConfig(path=folder, split_seed=3)
    first = build_cache(open_dataset(config), config, 8, tmp_path / "cache")
    again_config = DataConfig(path=folder, splits=first.splits_file, split_seed=99)
    again = build_cache(open_dataset(again_config), again_config, 8, tmp_path / "cache")
    assert again.fingerprint == first.fingerprint
    assert again.split("validation").files == first.split("validation").files


def test_a_file_of_splits_is_a_manifest_too(folder, tmp_path):
    from tools.datasets.cache.build import build_cache

    config = DataConfig(path=folder)
    cached = build_cache(open_dataset(config), config, 8, tmp_path / "cache")
    (folder / "manifest.csv").write_bytes(cached.splits_file.read_bytes())
    again = build_cache(open_dataset(config), config, 8, tmp_path / "cache")
    assert again.fingerprint == cached.fingerprint


def test_images_that_the_file_does_not_list_are_left_out_and_counted(folder, tmp_path):
    rows = [
        (f"{name}/{at:04d}.png", split) for name in "ab" for at, split in enumerate(("train", "val", "test"))
    ]
    write_csv(tmp_path / "splits.csv", [("file", "split"), *rows])
    dataset = open_dataset(DataConfig(path=folder, splits=tmp_path / "splits.csv"))
    assert Counter(record.split for record in dataset.records) == {"train": 2, "validation": 2, "test": 2}
    assert any("18 images that it does not list are not used" in note for note in dataset.notes)


def test_a_file_of_splits_may_write_paths_in_another_form(folder, tmp_path):
    forms = ("./{}/0000.png", "{}\\0001.png", "x/../{}/0002.png")
    rows = [
        (form.format(name), split)
        for name in "ab"
        for form, split in zip(forms, ("train", "val", "test"), strict=True)
    ]
    write_csv(tmp_path / "splits.csv", [("file", "split"), *rows])
    dataset = open_dataset(DataConfig(path=folder, splits=tmp_path / "splits.csv"))
    assert Counter(record.split for record in dataset.records) == {"train": 2, "validation": 2, "test": 2}
    write_csv(tmp_path / "splits.csv", [("file", "split"), *rows, ("a/0000.png", "test")])
    with pytest.raises(DataError, match=r"line 8: the file 'a/0000\.png' is listed twice"):
        open_dataset(DataConfig(path=folder, splits=tmp_path / "splits.csv"))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("file", "split"), ("a/none.png", "train")], r"line 2: the data set has no file 'a/none.png'"),
        (
            [("file", "split"), ("a/0000.png", "practice")],
            r"line 2: unknown split 'practice'.*train",
        ),
        (
            [("file", "split"), *[("a/0000.png", "train")] * 2],
            r"line 3: the file 'a/0000.png' is listed twice",
        ),
        ([("name", "split"), ("a/0000.png", "train")], r"has no column file.*name, split"),
        ([("file", "split")], r"lists no images"),
    ],
)
def test_a_wrong_line_is_named(folder, tmp_path, rows, said):
    write_csv(tmp_path / "splits.csv", rows)
    with pytest.raises(DataError, match=said):
        open_dataset(DataConfig(path=folder, splits=tmp_path / "splits.csv"))


def test_a_file_of_splits_that_is_not_there_is_named(folder):
    with pytest.raises(DataError, match=r"data\.splits: nowhere\.csv cannot be read: No such file"):
        open_dataset(DataConfig(path=folder, splits=Path("nowhere.csv")))


def test_a_study_whose_splits_were_published_names_each_image_once(folder, tmp_path):
    from tools.datasets.cache.build import build_cache

    config = DataConfig(path=folder)
    cached = build_cache(open_dataset(config), config, 8, tmp_path / "cache")
    with cached.splits_file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len({row["file"] for row in rows}) == len(rows) == 24
    assert {row["label"] for row in rows} == {"a", "b"}


# groups


def crossing() -> Dataset:
    """Patient 0 is in train and test, patient 1 in train and validation."""
    splits = ["train"] * 8 + ["validation"] * 4 + ["test"] * 4
    whose = [0, 1, 2, 3, 4, 5, 6, 7, 1, 8, 9, 10, 0, 11, 12, 13]
    records = tuple(
        Record(f"{at:03d}", at % 2, split, f"patient {group}")  # type: ignore[arg-type]
        for at, (split, group) in enumerate(zip(splits, whose, strict=True))
    )
    return Dataset(card(), records, MemorySource({}))


def test_a_patient_in_two_splits_stops_the_run_by_name():
    with pytest.raises(DataError) as error:
        assign_splits(crossing(), DataConfig())
    assert "patient 0: 000 (train) and 012 (test)" in str(error.value)
    assert "patient 1: 001 (train) and 008 (validation)" in str(error.value)
    assert "--data.on_leak move" in str(error.value)


def test_a_patient_in_two_splits_is_dropped_from_the_less_protected_one():
    dataset = assign_splits(crossing(), DataConfig(on_leak="drop"))
    assert len(dataset.records) == 14
    assert files(dataset, "train") == {f"{at:03d}" for at in range(2, 8)}


def test_a_patient_in_two_splits_is_moved_to_the_most_protected_one():
    dataset = assign_splits(crossing(), DataConfig(on_leak="move"))
    assert len(dataset.records) == 16
    assert {"000", "012"} <= files(dataset, "test")
    assert {"001", "008"} <= files(dataset, "validation")
    assert any(note.startswith("2 images moved because the same group") for note in dataset.notes)


# sets of tests only


def test_a_set_of_tests_cannot_be_trained_on():
    only = Dataset(card(), (Record("0", 0, "test", "0"),), MemorySource({}), shift_of="imagenet10")
    with pytest.raises(ConfigurationError, match="--dataset imagenet10"):
        assign_splits(only, DataConfig())
    assert issubclass(ConfigurationError, AugurError)

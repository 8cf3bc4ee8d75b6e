"""The Kaggle set of brain slices, whatever its outer folder is called."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.tools.datasets.images import fill
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset
from tools.errors import DataError

CLASSES = ("AD", "CONTROL", "PD")


def slices(path: Path, **settings) -> Dataset:
    return open_dataset(DataConfig(dataset="alzheimer-parkinson", path=path, **settings))


def replica(root: Path, prefix: str = "", names: tuple[str, ...] = CLASSES) -> Path:
    counts = {
        f"{prefix}{split}/{name}": number for split, number in (("train", 20), ("test", 5)) for name in names
    }
    return fill(root, counts, suffix=".jpg")


@pytest.mark.parametrize("outer", ["", "dataset/", "Alzheimer 3 class/dataset/data/"])
def test_the_folder_of_the_splits_is_found_and_validation_carved_from_train(tmp_path, outer):
    dataset = slices(replica(tmp_path, outer), validation_fraction=0.25)
    assert Counter((r.split, r.label) for r in dataset.records) == {
        (split, label): number
        for split, number in (("train", 15), ("validation", 5), ("test", 5))
        for label in range(3)
    }
    assert all(r.file.startswith("test/") for r in dataset.records if r.split == "test")


def test_classes_have_names_for_people_in_the_order_of_the_folders(tmp_path):
    dataset = slices(replica(tmp_path))
    assert dataset.card.classes == ("Alzheimer's disease", "control", "Parkinson's disease")
    assert {(r.file.split("/")[1], r.label) for r in dataset.records} == {
        ("AD", 0),
        ("CONTROL", 1),
        ("PD", 2),
    }
    assert not dataset.card.ordinal
    assert len(dataset.card.superclasses) == 3


def test_class_folders_may_differ_in_case(tmp_path):
    replica(tmp_path)
    for name, other in zip(CLASSES, ("ad", "Control", "Pd"), strict=True):
        (tmp_path / "test" / name).rename(tmp_path / "test" / other)
    assert Counter(r.label for r in slices(tmp_path).records if r.split == "test") == {0: 5, 1: 5, 2: 5}


def test_the_leak_that_cannot_be_checked_is_said_with_every_number(tmp_path):
    warnings = slices(replica(tmp_path)).card.warnings
    assert any("leakage" in warning and "slices of one brain" in warning for warning in warnings)


def test_two_places_that_fit_are_named(tmp_path):
    replica(tmp_path, "first/")
    replica(tmp_path, "second/dataset/")
    with pytest.raises(DataError, match=r"(?s)found 2 times.*first\n.*second/dataset\n.*--data .*first"):
        slices(tmp_path)


def test_other_splits_beside_it_do_not_count(tmp_path):
    replica(tmp_path, "dataset/")
    replica(tmp_path, "birds/", ("jay", "wren"))
    assert len(slices(tmp_path).records) == 75


def test_a_class_that_is_none_of_the_three_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"MCI.*ad, control, pd"):
        slices(replica(tmp_path, names=(*CLASSES, "MCI")))


def test_a_class_without_test_images_is_named(tmp_path):
    replica(tmp_path)
    shutil.rmtree(tmp_path / "test/PD")
    with pytest.raises(DataError, match="no image of class Parkinson's disease in test"):
        slices(tmp_path)


def test_other_files_are_not_used_and_counted(tmp_path):
    replica(tmp_path)
    (tmp_path / "train/AD/Thumbs.db").write_bytes(b"no image")
    dataset = slices(tmp_path)
    assert len(dataset.records) == 75
    assert "1 file is no image of a class and not used" in dataset.notes


@pytest.mark.parametrize("there", [False, True])
def test_what_is_missing_is_said_with_where_which_layout_and_how_to_get_it(tmp_path, monkeypatch, there):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "data/alzheimer-parkinson"
    if there:
        fill(place, {"train/AD": 1, "train/PD": 1})
    with pytest.raises(DataError) as error:
        open_dataset(DataConfig(dataset="alzheimer-parkinson"))
    text = str(error.value)
    assert f"was not found in {place}, which {'holds train' if there else 'does not exist'}" in text
    assert "{train,test}/{AD,CONTROL,PD}/*.jpg" in text
    assert "kaggle datasets download -d farjanakabirsamanta/alzheimer-diseases-3-class" in text
    assert "--data PATH" in text


def test_a_slice_in_both_published_splits_stays_in_test(shared_data, tmp_path_factory):
    root = tmp_path_factory.mktemp("slices")
    classes = ("benign", "malignant", "normal")
    for name, scan in zip(CLASSES, classes, strict=True):
        files = sorted((shared_data / "busi3/train" / scan).glob("*.jpg"))[:15]
        for at, file in enumerate(files):
            folder = root / "outer" / ("train" if at < 10 else "test") / name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / f"{name}_{at}.jpg")
    shutil.copy(root / "outer/test/PD/PD_12.jpg", root / "outer/train/PD/again.jpg")
    config = DataConfig(validation_fraction=0.2)
    cached = build_cache(slices(root, validation_fraction=0.2), config, 16, tmp_path_factory.mktemp("cache"))
    kept = len(cached.split("train")) + len(cached.split("validation"))
    assert (kept, len(cached.open_test())) == (30, 15)
    assert any(note.startswith("1 image dropped") for note in cached.notes)

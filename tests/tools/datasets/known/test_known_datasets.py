"""APTOS and melanoma in the layouts in which they are downloaded."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.tools.datasets.images import fill, photo, write_csv
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset
from tools.errors import DataError


def aptos(path: Path, **settings) -> Dataset:
    return open_dataset(DataConfig(dataset="aptos", path=path, **settings))


def melanoma(path: Path, **settings) -> Dataset:
    return open_dataset(DataConfig(dataset="melanoma", path=path, **settings))


def table(root: Path, file: str, folder: str, count: int, seed: int, extra=()) -> None:
    """A table of `count` images with grades 0 to 4 in turn, and the images."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        code = f"{seed + number:012x}"
        photo(seed + number).save(root / folder / f"{code}.png")
        rows.append((code, number % 5))
    write_csv(root / file, [("id_code", "diagnosis"), *rows, *extra])


@pytest.fixture
def competition(tmp_path) -> Path:
    table(tmp_path, "train.csv", "train_images", 100, seed=0)
    write_csv(tmp_path / "test.csv", [("id_code",), ("0005cfc8afb6",)])
    fill(tmp_path, {"test_images": 1}, seed=5000)
    return tmp_path


@pytest.fixture
def repackaged(tmp_path) -> Path:
    table(tmp_path, "train_1.csv", "train_images/train_images", 20, seed=0)
    table(tmp_path, "valid.csv", "val_images/val_images", 10, seed=100)
    table(tmp_path, "test.csv", "test_images/test_images", 10, seed=200, extra=[("", "")] * 7)
    return tmp_path


def test_the_competition_has_validation_and_test_carved_from_its_labelled_images(competition):
    dataset = aptos(competition, validation_fraction=0.2, test_fraction=0.2)
    assert Counter(r.split for r in dataset.records) == {"train": 60, "validation": 20, "test": 20}
    assert all(r.file.startswith("train_images/") for r in dataset.records)
    assert "the competition's test images have no labels and are not used" in dataset.notes


def test_the_repackaged_splits_are_kept(repackaged):
    dataset = aptos(repackaged)
    assert Counter((r.split, r.file.split("/")[0]) for r in dataset.records) == {
        ("train", "train_images"): 20,
        ("validation", "val_images"): 10,
        ("test", "test_images"): 10,
    }


def test_empty_rows_are_skipped_and_counted(repackaged):
    assert "7 empty rows of test.csv skipped" in aptos(repackaged).notes


def test_grades_that_were_saved_as_fractions_are_read(repackaged):
    text = (repackaged / "test.csv").read_text().replace(",3", ",3.0")
    (repackaged / "test.csv").write_text(text)
    assert Counter(r.label for r in aptos(repackaged).records if r.split == "test") == dict.fromkeys(
        range(5), 2
    )


@pytest.mark.parametrize("grade", ["5", "", "2.5", "mild", "nan"])
def test_a_row_without_a_grade_is_named(competition, grade):
    with (competition / "train.csv").open("a") as opened:
        opened.write(f"abc,{grade}\n")
    with pytest.raises(
        DataError, match=r"train\.csv, line 102: expected an id and a grade from 0 to 4, found 'abc'"
    ):
        aptos(competition)


def test_grades_are_ordinal_and_have_names(competition):
    card = aptos(competition).card
    assert card.ordinal
    assert card.classes == ("no DR", "mild", "moderate", "severe", "proliferative DR")
    assert card.modality == "fundus"


def test_images_that_a_table_lists_in_vain_are_named(repackaged):
    (repackaged / "val_images/val_images/000000000066.png").unlink()
    with pytest.raises(DataError, match=r"1 of the 40 images .* missing: .*val_images/000000000066\.png"):
        aptos(repackaged)


def test_an_image_in_two_published_splits_stays_in_test(repackaged, tmp_path_factory):
    shutil.copy(
        repackaged / "test_images/test_images/0000000000c8.png",
        repackaged / "train_images/train_images/000000000004.png",
    )
    dataset = aptos(repackaged)
    cached = build_cache(dataset, DataConfig(), 8, tmp_path_factory.mktemp("cache"))
    assert (len(cached.split("train")), len(cached.open_test())) == (19, 10)
    assert any(note.startswith("1 image dropped") for note in cached.notes)


@pytest.mark.parametrize("name", ["aptos", "melanoma"])
def test_what_is_missing_is_said_with_where_which_layout_and_how_to_get_it(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        open_dataset(DataConfig(dataset=name))
    text = str(error.value)
    assert f"was not found in {tmp_path / 'data' / name}, which does not exist" in text
    assert {"aptos": "train_1.csv, valid.csv, test.csv", "melanoma": "{train,test}/{Benign,Malignant}"}[
        name
    ] in text
    assert "kaggle datasets download -d" in text
    assert "--data PATH" in text


def test_what_is_there_instead_is_said(tmp_path):
    fill(tmp_path, {"something": 1})
    with pytest.raises(DataError, match="which holds something"):
        aptos(tmp_path)


def test_without_a_path_it_is_looked_for_in_data(competition, tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    (home / "data").mkdir()
    shutil.copytree(competition, home / "data" / "aptos")
    monkeypatch.chdir(home)
    assert len(open_dataset(DataConfig(dataset="aptos")).records) == 100


@pytest.mark.parametrize(
    ("prefix", "names"),
    [("", ("Benign", "Malignant")), ("melanoma_cancer_dataset/", ("benign", "malignant"))],
)
def test_both_melanoma_layouts_have_validation_carved_from_train(tmp_path, prefix, names):
    folders = {f"{prefix}{split}/{name}": n for split, n in (("train", 20), ("test", 5)) for name in names}
    dataset = melanoma(fill(tmp_path, folders), validation_fraction=0.25)
    assert dataset.card.classes == ("benign", "malignant")
    assert Counter((r.split, r.label) for r in dataset.records) == {
        ("train", 0): 15,
        ("train", 1): 15,
        ("validation", 0): 5,
        ("validation", 1): 5,
        ("test", 0): 5,
        ("test", 1): 5,
    }
    assert all("test/" in r.file for r in dataset.records if r.split == "test")


def test_a_class_that_is_neither_benign_nor_malignant_is_refused(tmp_path):
    folders = {
        f"{split}/{name}": 5 for split in ("train", "test") for name in ("Benign", "Malignant", "Nevus")
    }
    with pytest.raises(DataError, match=r"Nevus.*benign, malignant"):
        melanoma(fill(tmp_path, folders))

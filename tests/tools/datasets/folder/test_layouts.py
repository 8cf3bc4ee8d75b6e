"""Folders as people really have them: what is believed, what is asked, and that each flag that is offered works."""

import re
import shlex
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.tools.datasets.images import fill, photo, write_csv
from tools.datasets.config import DataConfig
from tools.datasets.folder.layout import label_in_name
from tools.datasets.folder.split_names import split_names
from tools.datasets.registry import open_published
from tools.datasets.types import Dataset
from tools.errors import ConfigurationError, DataError

ab = ("a", "b")


def opened(root: Path, **settings) -> Dataset:
    return open_published(DataConfig(path=root, **settings))


def counts(dataset: Dataset) -> dict[tuple[str, str], int]:
    return dict(Counter((r.split, dataset.card.classes[r.label]) for r in dataset.records))


def asked(root: Path, **settings) -> str:
    with pytest.raises(DataError, match="it is not clear what the classes of") as caught:
        opened(root, **settings)
    return str(caught.value)


def offered(text: str) -> list[dict[str, str]]:
    """The settings that the flags of an error stand for."""
    flags = [shlex.split(line) for line in text.splitlines() if line.startswith("  --data")]
    assert all(len(words) == 2 for words in flags), flags
    return [{name.removeprefix("--data").removeprefix(".") or "path": value} for name, value in flags]


# names of splits


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        ("training_set test_set", "train test"),
        ("seg_train seg_test seg_pred", "train test -"),
        ("TrainSet valSet testImages", "train validation test"),
        ("train_data images_val train_masks", "train validation -"),
        ("fruits-360_Training fruits-360_Test test-multiple_fruits", "train test -"),
        ("train2017 val2017 test1", "train validation test"),
        ("trainset validset", "train validation"),
        ("TRAIN Valid Testing", "train validation test"),
        ("bus car train", "- - train"),
        ("contest protest trainers", "- - -"),
        ("train_station bus_stop", "- -"),
    ],
)
def test_split_folders_are_known_by_many_names(names, splits):
    found = split_names(names.split())
    assert [found.get(name, "-") for name in names.split()] == splits.split()


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("form", ["{}ing_set", "seg_{}", "images_{}", "{}_data", "My{}Images"])
def test_split_folders_of_any_name_are_splits_and_it_is_said(tmp_path, form, wrapped):
    train, test = (form.format(name) for name in ("train", "test"))
    if form.startswith("My"):
        train, test = "MyTrainImages", "MyTestImages"
    for place in (train, test):
        fill(tmp_path, {f"{place}/{place if wrapped else ''}/{name}": 2 for name in ("cats", "dogs")})
    dataset = opened(tmp_path)
    assert counts(dataset) == {(s, c): 2 for s in ("train", "test") for c in ("cats", "dogs")}
    assert dataset.missing == ("validation",)
    assert any(f"{train} is train" in note for note in dataset.notes)


def test_an_unlabeled_part_is_named_with_its_images_and_left_out(tmp_path):
    fill(tmp_path, {f"seg_{s}/seg_{s}/{c}": 2 for s in ("train", "test") for c in ab})
    fill(tmp_path, {"seg_pred/seg_pred": 3})
    dataset = opened(tmp_path)
    assert len(dataset.records) == 8
    assert "folders beside the splits are not used: seg_pred (3 images)" in dataset.notes


@pytest.mark.parametrize("place", ["test", "test/test"])
def test_a_test_without_class_folders_is_left_out_and_test_is_carved(tmp_path, place):
    fill(tmp_path, {"train/a": 3, "train/b": 3, place: 4})
    dataset = opened(tmp_path)
    assert dataset.missing == ("validation", "test")
    assert any("test (4 images)" in note for note in dataset.notes)


def test_a_further_folder_of_the_same_classes_is_named_as_a_possible_split(tmp_path):
    fill(tmp_path, {f"{s}/{c}": 2 for s in ("training", "validation", "evaluation") for c in ab})
    (note,) = opened(tmp_path).notes
    assert note.endswith("evaluation (4 images of the same classes: rename it if it is a split)")


# one folder too many


@pytest.mark.parametrize("outer", ["archive", "archive/Dataset", "My Data/v1/images"])
@pytest.mark.parametrize("inner", [("covid", "normal"), ("train/a", "train/b", "test/a", "test/b")])
def test_an_outer_folder_is_passed_through_and_it_is_said(tmp_path, outer, inner):
    fill(tmp_path, {f"{outer}/{place}": 3 for place in inner})
    dataset = opened(tmp_path)
    assert len(dataset.records) == 3 * len(inner)
    assert dataset.card.name == tmp_path.name
    assert all((tmp_path / record.file).is_file() for record in dataset.records)
    assert f"the images are in {tmp_path / outer}, the only folder in {tmp_path}" in dataset.notes


def test_a_manifest_or_card_in_the_outer_or_the_inner_folder_is_found(tmp_path):
    fill(tmp_path, {"archive/images": 4})
    rows = [(f"images/{n:04d}.png", "xy"[n % 2]) for n in range(4)]
    write_csv(tmp_path / "archive/manifest.csv", [("file", "label"), *rows])
    (tmp_path / "archive/dataset.yaml").write_text("title: Inner")
    dataset = opened(tmp_path)
    assert [record.file for record in dataset.records] == [f"archive/{file}" for file, _ in rows]
    assert dataset.card.title == "Inner"


def test_class_folders_around_a_folder_of_their_images_are_classes(tmp_path):
    fill(tmp_path, {"COVID/images": 3, "Normal/images": 3})
    assert counts(opened(tmp_path)) == {("train", "COVID"): 3, ("train", "Normal"): 3}


# what is asked


@pytest.mark.parametrize(
    ("folders", "likeliest"),
    [
        (("sick/p1", "sick/p2", "well/p1", "well/p2"), "class/group"),
        (("p1/sick", "p1/well", "p2/sick", "p2/well"), "group/class"),
        (("train/sick/p1", "train/sick/p2", "train/well/p1", "train/well/p2"), "split/class/group"),
        (("fold1/p1", "fold1/p2", "fold2/p1", "fold2/p2"), "group/class"),
    ],
)
def test_folders_that_number_people_are_offered_as_groups_first(tmp_path, folders, likeliest):
    fill(tmp_path, dict.fromkeys(folders, 3))
    with pytest.raises(DataError) as error:
        opened(tmp_path)
    flags = [line.strip() for line in str(error.value).splitlines() if "--data.layout" in line]
    assert flags[0] == f"--data.layout {likeliest}"


def _ham(root: Path) -> None:
    fill(root, {"HAM_part_1": 0, "HAM_part_2": 0})
    rows = []
    for n in range(12):
        photo(n).save(root / f"HAM_part_{1 + n // 6}" / f"ISIC_{n:04d}.jpg")
        rows.append((f"HAM_{n // 2}", f"ISIC_{n:04d}", ("nv", "mel", "bkl")[n % 3], "histo"))
    write_csv(root / "HAM_metadata.csv", [("lesion_id", "image_id", "dx", "dx_type"), *rows])


def _cats_and_dogs(root: Path) -> None:
    fill(root, {"train": 0, "test1": 0})
    for n in range(6):
        photo(n).save(root / "train" / f"{('cat', 'dog')[n % 2]}.{n}.jpg")
        photo(n + 50).save(root / "test1" / f"{n}.jpg")


SHAPES = {
    "zip parts beside a table": (_ham, "--data.labels HAM_metadata.csv:image_id:dx:lesion_id", 3),
    "labels in the names of files": (_cats_and_dogs, "--data.layout split/filename", 2),
    "patients": ({f"{p}/{c}": 1 for p in range(8863, 8869) for c in "01"}, "--data.layout group/class", 2),
    "patients with one class each": (
        {f"patient{n:03d}/{'benign' if n % 2 else 'malignant'}": 2 for n in range(8)},
        "--data.layout group/class",
        2,
    ),
    "folds": ({f"fold{n}/{c}": 2 for n in range(3) for c in ab}, "--data.layout any/class", 2),
    "sites": ({f"{s}/{c}": 2 for s in ("Rome", "Oslo") for c in ab}, "--data.layout any/class", 2),
    "patients below the classes": (
        {f"{c}/pat{n}": 1 for c in ("benign", "malignant") for n in range(4)},
        "--data.layout class/group",
        2,
    ),
    "splits below the classes": (
        {f"{c}/{s}": 2 for c in ("cats", "dogs") for s in ("train", "test")},
        "--data.layout class/split",
        2,
    ),
    "patients below the splits": (
        {f"{s}/{s[:2]}{n}/{c}": 1 for s in ("train", "test") for n in range(4) for c in ab},
        "--data.layout split/group/class",
        2,
    ),
    "splits below the sites": (
        {f"{p}/{s}/{c}": 1 for p in "AB" for s in ("train", "test") for c in ("x", "y")},
        "--data.layout any/split/class",
        2,
    ),
    "a copy beside the classes": (
        {"brain_tumor_dataset/no": 2, "brain_tumor_dataset/yes": 2, "no": 2, "yes": 2},
        "--data.exclude brain_tumor_dataset",
        2,
    ),
    "a copy in an outer folder": (
        {f"PlantVillage/{p}{c}": 2 for p in ("", "PlantVillage/") for c in ab},
        "--data.exclude PlantVillage/PlantVillage",
        2,
    ),
    "a deeper copy": ({f"{p}pets/{c}": 2 for p in ("", "data/") for c in ab}, "--data.exclude data", 2),
    "masks beside images": (
        {f"{c}/{k}": 2 for c in ("COVID", "Normal") for k in ("images", "masks")},
        "--data.exclude masks",
        2,
    ),
    "folders beside train alone": (
        {f"{s}/{c}": 2 for s in ("train", "bus") for c in ("2019", "2020")},
        "--data.layout class",
        2,
    ),
    "an unlabeled test beside classes": ({"cat": 2, "dog": 2, "test": 2}, "--data.exclude test", 2),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_where_the_first_folders_may_not_be_classes_the_readings_are_shown(tmp_path, shape):
    """No reading is chosen silently; the right one is among those that are offered, and each of them works."""
    made, right, classes = SHAPES[shape]
    made(tmp_path) if callable(made) else fill(tmp_path, made)
    text = asked(tmp_path)
    assert f"\n  {right}\n" in text
    for settings in offered(text):
        dataset = opened(
            **{"root": tmp_path, **({"root": settings["path"]} if "path" in settings else settings)}
        )
        assert len(dataset.card.classes) >= 2
        if f"--data.{next(iter(settings))} {next(iter(settings.values()))}" == right:
            assert len(dataset.card.classes) == classes


def test_classes_that_sites_spell_differently_recur_too(tmp_path):
    fill(tmp_path, dict.fromkeys(("Rome/Benign", "Rome/Malignant", "Oslo/benign", "Oslo/MALIGNANT"), 2))
    assert "\n  --data.layout any/class\n" in asked(tmp_path)
    dataset = opened(tmp_path, layout="any/class", similar_labels="merge")
    assert len(dataset.card.classes) == 2


def test_the_readings_tell_classes_and_counts(tmp_path):
    _ham(tmp_path)
    text = asked(tmp_path)
    assert "HAM_metadata.csv lists 12 of the images" in text
    assert "3 classes by the column dx of HAM_metadata.csv (nv 4, mel 4, bkl 4); 12 of 12 images" in text
    assert "lesion_id keeps 6 groups together" in text
    assert "2 classes by the names of the folders (class): HAM_part_1 6, HAM_part_2 6" in text


def test_class_folders_alone_are_beyond_doubt(tmp_path):
    for name, folders in {
        "grades": {str(n): 2 for n in range(5)},
        "numbered": {"class_1": 2, "class_2": 2},
        "stages": {"Stage 1": 2, "Stage 2": 2},
        "years below": {"a/2020/spring": 2, "a/2021": 2, "b": 4},
        "vehicles": {"bus": 2, "car": 2, "train": 2},
        "patients of their own": {f"{c}/{c}{n}": 2 for c in ab for n in range(4)},
    }.items():
        dataset = opened(fill(tmp_path / name, folders))
        assert len(dataset.card.classes) == len({folder.split("/")[0] for folder in folders}), name


def test_folders_within_the_classes_may_be_patients_and_it_is_said_how_to_keep_them_together(tmp_path):
    fill(tmp_path, {f"{c}/{c}{n}": 2 for c in ab for n in range(4)})
    assert any("--data.layout class/group keeps each in one split" in note for note in opened(tmp_path).notes)
    assert len({r.group for r in opened(tmp_path, layout="class/group").records}) == 8


def test_it_is_said_within_split_folders_too(tmp_path):
    fill(tmp_path, {f"{s}/{c}/{s}{c}{n}": 2 for s in ("train", "test") for c in ab for n in range(4)})
    assert any(
        "--data.layout split/class/group keeps each in one split" in note for note in opened(tmp_path).notes
    )
    assert len({r.group for r in opened(tmp_path, layout="split/class/group").records}) == 16


def test_images_without_folders_and_without_labels_have_the_ways_to_give_labels(tmp_path):
    fill(tmp_path, {".": 4})
    assert re.search(
        r"most images \(4 of 4\) lie in no folder(.|\n)*--data\.labels(.|\n)*manifest\.csv", asked(tmp_path)
    )


# layouts as they are given


def test_patients_are_groups_in_the_layout_group_class(tmp_path):
    fill(tmp_path, {f"p{n}/{c}": 2 for n in range(9) for c in ab})
    dataset = opened(tmp_path, layout="group/class")
    assert counts(dataset) == {("train", c): 18 for c in ab}
    assert {r.group for r in dataset.records} == {f"p{n}" for n in range(9)}


def test_the_layout_class_believes_the_first_folders(tmp_path):
    fill(tmp_path, {"no/no": 2, "no/yes": 2, "yes": 4, "no": 2})
    assert counts(opened(tmp_path, layout="class")) == {("train", "no"): 6, ("train", "yes"): 4}


def test_images_above_the_last_level_are_counted(tmp_path):
    fill(tmp_path, {f"p{n}/{c}": 2 for n in range(3) for c in ab})
    photo(70).save(tmp_path / "p0" / "overview.png")
    photo(71).save(tmp_path / "overview.png")
    notes = opened(tmp_path, layout="group/class").notes
    assert "2 images outside the class folders are not used" in notes


def test_names_without_a_class_are_counted_and_named(tmp_path):
    _cats_and_dogs(tmp_path)
    dataset = opened(tmp_path, layout="split/filename")
    assert counts(dataset) == {("train", "cat"): 3, ("train", "dog"): 3}
    assert any(
        n.startswith("6 images whose names have no class are not used: test1/0.jpg") for n in dataset.notes
    )


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("cat.0.jpg", "cat"),
        ("train/cat_001.jpg", "cat"),
        ("benign (12).png", "benign"),
        ("great_pyrenees_12.jpg", "great_pyrenees"),
        ("cat12.png", "cat"),
        ("12.png", None),
        ("cat.png", None),
    ],
)
def test_the_class_in_a_name_is_what_stands_before_its_number(name, label):
    assert label_in_name(name) == label


def test_a_layout_that_finds_nothing_shows_those_that_do(tmp_path):
    fill(tmp_path, {"cat": 2, "dog": 2})
    text = asked(tmp_path, layout="group/class")
    assert "read as group/class" in text
    assert "--data.layout class\n" in text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "klass"}, "has the level 'klass'"),
        ({"layout": "class/class"}, "names a level twice"),
        ({"layout": "filename/class"}, "names a level twice, or the class twice"),
        ({"layout": "split"}, "has no class"),
        ({"layout": "class", "labels": "x.csv:a:b"}, "gives the classes, but so does data.layout"),
    ],
)
def test_a_layout_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        DataConfig(**settings)


def test_a_folder_that_is_excluded_but_not_there_is_answered_with_the_nearest(tmp_path):
    fill(tmp_path, {"cat": 2, "dog": 2, "masks": 2})
    with pytest.raises(ConfigurationError, match=r"no folder 'mask' in .*did you mean 'masks'\? Give"):
        opened(tmp_path, exclude=["mask"])
    assert opened(tmp_path, exclude=["masks/"]).card.classes == ("cat", "dog")
    (tmp_path / "cat" / "contours").mkdir()
    assert opened(tmp_path, exclude=["masks", "Contours"]).card.classes == ("cat", "dog")


@pytest.mark.parametrize(
    "settings",
    [
        {"layout": "class"},
        {"labels": "x.csv:a:b"},
        {"exclude": ["x"]},
        {"similar_labels": "merge"},
        {"missing_labels": "drop"},
    ],
)
def test_how_a_folder_is_read_is_no_setting_of_a_known_set(settings):
    with pytest.raises(ConfigurationError, match=f"data.{next(iter(settings))}: only for images of your own"):
        open_published(DataConfig(dataset="demo", **settings))

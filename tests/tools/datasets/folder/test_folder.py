"""A user's own images: layouts, manifest, card, and errors that name what is wrong."""

import os
from collections import Counter

import pytest
from PIL import Image

from tests.tools.datasets.images import encode, fill, photo, write_csv
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import dataset_names, open_dataset
from tools.errors import ConfigurationError, DataError


def open_folder(path, **settings):
    return open_dataset(DataConfig(path=path, **settings))


def counts(dataset):
    return dict(Counter((r.split, dataset.card.classes[r.label]) for r in dataset.records))


def test_a_path_alone_is_opened_as_folder(tmp_path):
    dataset = open_folder(fill(tmp_path / "pets", {"cat": 10, "dog": 10}))
    assert dataset.card.name == "pets"
    assert dataset.card.classes == ("cat", "dog")


def test_class_folders_have_validation_and_test_carved(tmp_path):
    dataset = open_folder(fill(tmp_path, {"cat": 20, "dog": 40}), validation_fraction=0.2, test_fraction=0.1)
    assert counts(dataset) == {
        ("train", "cat"): 14,
        ("validation", "cat"): 4,
        ("test", "cat"): 2,
        ("train", "dog"): 28,
        ("validation", "dog"): 8,
        ("test", "dog"): 4,
    }
    assert any("validation (20%) and test (10%) carved from 60 images" in note for note in dataset.notes)


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
def test_split_folders_are_kept(tmp_path, validation):
    fill(tmp_path, {f"{split}/{name}": 2 for split in ("Train", validation, "test") for name in "ab"})
    dataset = open_folder(tmp_path)
    assert set(counts(dataset).values()) == {2}
    assert {r.split for r in dataset.records if r.file.startswith(f"{validation}/")} == {"validation"}
    assert dataset.notes == ()


def test_validation_is_carved_from_train_where_only_test_is_given(tmp_path):
    fill(tmp_path, {"train/a": 20, "train/b": 20, "test/a": 5, "test/b": 5})
    dataset = open_folder(tmp_path, validation_fraction=0.25)
    assert Counter(r.split for r in dataset.records) == {"train": 30, "validation": 10, "test": 10}
    assert all(r.file.startswith("test/") == (r.split == "test") for r in dataset.records)


def test_test_is_carved_from_train_where_only_validation_is_given(tmp_path):
    fill(tmp_path, {"train/a": 20, "train/b": 20, "val/a": 5, "val/b": 5})
    dataset = open_folder(tmp_path, test_fraction=0.25)
    assert Counter(r.split for r in dataset.records) == {"train": 30, "validation": 10, "test": 10}


def test_a_class_may_be_called_train(tmp_path):
    dataset = open_folder(fill(tmp_path, {"bus": 4, "car": 4, "train": 4}))
    assert dataset.card.classes == ("bus", "car", "train")


def test_nested_folders_belong_to_their_class(tmp_path):
    fill(tmp_path, {"a/2020/spring": 4, "a/2021": 4, "b": 8})
    assert Counter(r.label for r in open_folder(tmp_path).records) == {0: 8, 1: 8}


def test_hidden_files_are_passed_over_and_others_counted(tmp_path):
    fill(tmp_path, {"a": 5, "b": 5, ".git/c": 3, "a/.thumbnails": 2, "__MACOSX/a": 2})
    (tmp_path / "a" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "b" / "labels.json").write_text("{}")
    photo(99).save(tmp_path / "overview.png")
    dataset = open_folder(tmp_path)
    assert len(dataset.records) == 10
    told = " ".join(dataset.notes)
    assert "2 files are not images and are not used: 1 .txt (a 1); 1 .json (b 1)" in told
    assert "keeps for itself are not used: 3 in .git, 2 in __MACOSX" in told
    assert "keeps for itself are not used: 2 in .thumbnails" in told
    assert "1 image outside the class folders is not used" in dataset.notes


def test_upper_case_suffixes_and_unicode_names_are_images(tmp_path):
    fill(tmp_path, {"жаба": 3, "蛙": 3}, suffix=".PNG")
    photo(50).save(tmp_path / "蛙" / "été – 1.JPEG")
    dataset = open_folder(tmp_path)
    assert dataset.card.classes == ("жаба", "蛙")
    assert "蛙/été – 1.JPEG" in {r.file for r in dataset.records}


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_linked_class_folders_are_followed_but_never_in_circles(tmp_path):
    fill(tmp_path / "elsewhere", {"frogs": 4})
    root = fill(tmp_path / "data", {"toad": 4})
    (root / "frog").symlink_to(tmp_path / "elsewhere" / "frogs", target_is_directory=True)
    (root / "toad" / "up").symlink_to(root / "toad", target_is_directory=True)
    assert Counter(r.label for r in open_folder(root).records) == {0: 4, 1: 4}


def test_each_image_is_its_own_group_without_a_manifest(tmp_path):
    dataset = open_folder(fill(tmp_path, {"a": 5, "b": 5}))
    assert len({r.group for r in dataset.records}) == 10


def test_exact_copies_are_carved_into_one_split(tmp_path, tmp_path_factory):
    fill(tmp_path, {"a": 30, "b": 30})
    for number in range(30):
        (tmp_path / "a" / f"copy {number}.png").write_bytes(
            (tmp_path / "a" / f"{number:04d}.png").read_bytes()
        )
    cached = build_cache(open_folder(tmp_path), DataConfig(), 8, tmp_path_factory.mktemp("cache"))
    views = (cached.split("train"), cached.split("validation"), cached.open_test())
    split = {file: view.name for view in views for file in view.files}
    assert all(split[f"a/copy {number}.png"] == split[f"a/{number:04d}.png"] for number in range(30))
    assert any(
        note.startswith("30 images show the same picture as another in the same split")
        for note in cached.notes
    )


# manifest.csv


def test_a_manifest_gives_label_split_and_group(tmp_path):
    fill(tmp_path, {"images": 6})
    rows = [
        (f"images/{n:04d}.png", "xy"[n % 2], ("train", "val", "test")[n // 2], f"p{n}", "more")
        for n in range(6)
    ]
    write_csv(tmp_path / "manifest.csv", [("file", "label", "split", "group", "source"), *rows])
    dataset = open_folder(tmp_path)
    assert [(r.file, dataset.card.classes[r.label], r.split, r.group) for r in dataset.records] == [
        (file, label, {"val": "validation"}.get(split, split), group) for file, label, split, group, _ in rows
    ]


def test_a_manifest_without_splits_has_them_carved_by_group(tmp_path):
    fill(tmp_path, {"images": 80})
    rows = [(f"images/{n:04d}.png", "xy"[n % 2], f"patient {n % 2} {n // 8}") for n in range(80)]
    write_csv(tmp_path / "manifest.csv", [("file", "label", "group"), *rows])
    dataset = open_folder(tmp_path)
    homes = {}
    for record in dataset.records:
        homes.setdefault(record.group, set()).add(record.split)
    assert len(homes) == 20
    assert all(len(splits) == 1 for splits in homes.values())
    assert {r.split for r in dataset.records} == {"train", "validation", "test"}


def test_images_that_the_manifest_does_not_list_are_counted(tmp_path):
    fill(tmp_path, {"images": 20})
    write_csv(
        tmp_path / "manifest.csv", [("file", "label"), *[(f"images/{n:04d}.png", n % 2) for n in range(18)]]
    )
    assert "2 images are not listed in manifest.csv and not used" in open_folder(tmp_path).notes


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("images/gone.png", "x", "train"), r"line 3: the file 'images/gone\.png' does not exist"),
        (("images/0001.png", " ", "train"), r"line 3: the label of 'images/0001\.png' is empty"),
        (("", "x", "train"), r"line 3: the file is empty"),
        (("images/0001.png", "x", "holdout"), r"line 3: unknown split 'holdout'.*validation"),
        (("images/0001.png", "x", ""), r"line 3: the split is empty \(1 such rows of 4\)"),
        (
            ("images/0000.png", "x", "train"),
            r"line 3: the file 'images/0000\.png' is already listed in line 2",
        ),
    ],
)
def test_a_wrong_row_of_the_manifest_is_named_by_its_line(tmp_path, row, message):
    fill(tmp_path, {"images": 4})
    others = [("images/0002.png", "y", "train"), ("images/0003.png", "y", "train")]
    table = [("file", "label", "split"), ("images/0000.png", "x", "train"), row, *others]
    write_csv(tmp_path / "manifest.csv", table)
    with pytest.raises(DataError, match=message):
        open_folder(tmp_path)


def test_a_missing_column_of_the_manifest_is_named(tmp_path):
    fill(tmp_path, {"images": 4})
    write_csv(tmp_path / "manifest.csv", [("path", "label"), ("images/0000.png", "x")])
    with pytest.raises(DataError, match=r"manifest\.csv has no column file.*path, label"):
        open_folder(tmp_path)


def test_a_manifest_in_another_encoding_is_said(tmp_path):
    fill(tmp_path, {"images": 4})
    (tmp_path / "manifest.csv").write_bytes("file,label\nimages/0000.png,fröhlich\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"manifest\.csv cannot be read as CSV in UTF-8"):
        open_folder(tmp_path)


def test_a_group_in_two_given_splits_is_named(tmp_path):
    fill(tmp_path, {"images": 4})
    rows = [("images/0000.png", "x", "train", "p1"), ("images/0001.png", "x", "test", "p1")]
    rows += [("images/0002.png", "y", "train", "p2"), ("images/0003.png", "y", "test", "p3")]
    write_csv(tmp_path / "manifest.csv", [("file", "label", "split", "group"), *rows])
    with pytest.raises(DataError, match=r"p1: images/0000\.png \(train\) and images/0001\.png \(test\)"):
        open_folder(tmp_path)


# the card


def test_without_a_card_the_facts_are_described(tmp_path):
    card = open_folder(fill(tmp_path, {"a": 10, "b": 20})).card
    assert card.modality == "unknown"
    assert "30 images of 2 classes." in card.description
    assert "24 to 24 pixels wide, 20 to 20 high" in card.description


@pytest.mark.parametrize(("side", "default"), [(28, 28), (400, 224)])
def test_the_default_image_size_never_enlarges(tmp_path, side, default):
    for number in range(8):
        place = tmp_path / "ab"[number % 2]
        place.mkdir(exist_ok=True)
        photo(number, side, side + 5).save(place / f"{number}.png")
    assert open_folder(tmp_path).card.image_size == default


def test_dataset_yaml_is_the_card(tmp_path):
    fill(tmp_path, {"high": 5, "low": 5})
    (tmp_path / "dataset.yaml").write_text(
        "name: grades\ntitle: Grades\nmodality: xray\ndescription: Knees.\nordinal: true\nclasses: [low, high]\n"
        "licence: CC0\nimage_size: 64\nwarnings: [few images]\nsuperclasses: [knee, '']\n"
    )
    dataset = open_folder(tmp_path)
    card = dataset.card
    assert (card.name, card.title, card.modality, card.description) == ("grades", "Grades", "xray", "Knees.")
    assert (card.ordinal, card.classes, card.licence, card.image_size) == (True, ("low", "high"), "CC0", 64)
    assert card.warnings == ("few images",)
    assert card.superclasses == ("knee", "")
    assert {r.label for r in dataset.records if r.file.startswith("low/")} == {0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modalty: mri", "modalty: .*Known fields: .*modality"),
        ("superclasses: [bird]", "gives 1 superclasses for 2 classes: give one for each of high, low"),
        ("modality: magic", "modality: .*'mri'"),
        ("name: [", "YAML"),
        ("classes: [low, middle]", "high, low, but low, middle are declared"),
    ],
)
def test_a_wrong_card_is_refused(tmp_path, text, message):
    fill(tmp_path, {"high": 5, "low": 5})
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        open_folder(tmp_path)


# what is not there


def test_a_missing_path_is_named_with_the_layouts(tmp_path):
    with pytest.raises(DataError, match=r"nowhere is missing(.|\n)*CLASS/\*\.jpg"):
        open_folder(tmp_path / "nowhere")


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "readme.txt").write_text("x")
    with pytest.raises(DataError, match="no images in"):
        open_folder(tmp_path)


def test_one_class_is_not_enough(tmp_path):
    with pytest.raises(DataError, match=r"one class only \(a\)"):
        open_folder(fill(tmp_path, {"a": 5}))


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_class_missing_in_a_split_is_named(tmp_path, split):
    folders = {f"{each}/{name}": 2 for each in ("train", "val", "test") for name in ("cat", "dog")}
    del folders[f"{split}/dog"]
    with pytest.raises(DataError, match=f"no image of class dog in {split}"):
        open_folder(fill(tmp_path, folders))


def test_split_folders_without_train_are_refused(tmp_path):
    with pytest.raises(DataError, match="but no train"):
        open_folder(fill(tmp_path, {"val/a": 2, "val/b": 2, "test/a": 2, "test/b": 2}))


def test_folder_needs_a_path():
    with pytest.raises(ConfigurationError, match="--data PATH"):
        open_dataset(DataConfig(dataset="folder"))


def test_an_unknown_data_set_is_answered_with_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'melanoma'"):
        open_dataset(DataConfig(dataset="melanomma"))


def test_the_names_are_those_of_the_registry():
    assert dataset_names()[:4] == ["folder", "demo", "aptos", "melanoma"]


def test_a_broken_image_does_not_stop_opening(tmp_path):
    fill(tmp_path, {"a": 5, "b": 5})
    (tmp_path / "a" / "0000.png").write_bytes(encode(Image.new("RGB", (9, 9)))[:20])
    assert len(open_folder(tmp_path).records) == 10

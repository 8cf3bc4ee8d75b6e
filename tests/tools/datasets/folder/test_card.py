"""The card of a folder: what its dataset.yaml says, and what may be said of the images without looking at the test."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.tools.datasets.images import fill, photo
from tools.datasets.config import DataConfig
from tools.datasets.folder.card_file import read_card_file, write_card_file
from tools.datasets.modality import suggested_modality
from tools.datasets.registry import open_dataset, open_published
from tools.datasets.types import Dataset
from tools.errors import ConfigurationError, DataError


def opened(root: Path, **settings) -> Dataset:
    return open_published(DataConfig(path=root, **settings))


def warned(dataset: Dataset) -> bool:
    return any("modality unknown" in warning for warning in dataset.card.warnings)


# words as they are written


@pytest.mark.parametrize("classes", ["no, yes", "0, 1", "on, off", "1.0, 2.50", "null, true"])
def test_words_that_yaml_would_convert_are_names_of_classes(tmp_path, classes):
    (tmp_path / "dataset.yaml").write_text(f"classes: [{classes}]\nordinal: false\nimage_size: 64\ntitle:\n")
    card = read_card_file(tmp_path)
    assert card.classes == classes.split(", ")
    assert (card.ordinal, card.image_size, card.title) == (False, 64, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "title: x\nmodalty: mri",
            r"dataset\.yaml, line 2: modalty: is not known \(did you mean 'modality'\?\)",
        ),
        ("title: x\nmodality: magic", r"dataset\.yaml, line 2: modality: .*'mri'"),
        ("title: x\n\nimage_size: big", r"dataset\.yaml, line 3: image_size"),
        ("title: x\nname: [", r"dataset\.yaml, line \d+ is not valid YAML"),
        ("just words", r"dataset\.yaml must consist of `field: value` lines"),
    ],
)
def test_a_wrong_field_is_named_by_its_line(tmp_path, text, message):
    (tmp_path / "dataset.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_card_file(tmp_path)


def test_what_is_written_is_read_back(tmp_path):
    fields = {"title": "A: b", "modality": "ct", "classes": ["no", "1", "ä"], "warnings": ["one", "two"]}
    write_card_file(tmp_path / "dataset.yaml", fields)
    card = read_card_file(tmp_path)
    assert {name: getattr(card, name) for name in fields} == fields


def test_a_bad_value_is_not_written(tmp_path):
    with pytest.raises(ConfigurationError, match="name"):
        write_card_file(tmp_path / "dataset.yaml", {"name": "with space"})
    assert list(tmp_path.iterdir()) == []


# the kind of images


def test_an_unknown_kind_of_images_is_a_warning_with_its_remedy(tmp_path):
    fill(tmp_path, {"a": 4, "b": 4})
    (warning,) = opened(tmp_path).card.warnings
    assert "modality unknown" in warning
    assert "--modality KIND" in warning
    assert "agent datasets init" in warning


def test_the_kind_is_said_by_a_setting_or_by_the_card(tmp_path):
    fill(tmp_path, {"a": 4, "b": 4})
    said = opened(tmp_path, modality="ultrasound")
    assert (said.card.modality, warned(said)) == ("ultrasound", False)
    assert "not described" not in said.card.description
    (tmp_path / "dataset.yaml").write_text("modality: ct")
    written = opened(tmp_path)
    assert (written.card.modality, warned(written)) == ("ct", False)
    assert opened(tmp_path, modality="mri").card.modality == "mri"


def test_the_kind_does_not_change_the_images_of_a_study(tmp_path):
    fill(tmp_path, {"a": 8, "b": 8})
    one, other = (open_dataset(DataConfig(path=tmp_path, modality=kind)) for kind in (None, "ct"))
    assert one.records == other.records


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["Dataset_BUSI_with_GT", "benign"], "ultrasound"),
        (["chest_xray", "NORMAL", "PNEUMONIA"], "xray"),
        (["HAM10000", "mel"], "dermoscopy"),
        (["BrainTumorMRI", "glioma"], "mri"),
        (["aptos2019", "retinopathy"], "fundus"),
        (["cats", "dogs", "usual", "act", "direct"], None),
        (["ct", "mri"], None),
    ],
)
def test_names_suggest_a_kind_where_they_agree(names, kind):
    assert suggested_modality(names) == kind


def test_the_suggestion_is_said_and_never_applied(tmp_path):
    dataset = opened(fill(tmp_path / "ultrasound-nodules", {"a": 4, "b": 4}))
    assert dataset.card.modality == "unknown"
    assert "The names suggest ultrasound." in dataset.card.warnings[-1]


# nothing of the test


def enlarge(root: Path, files: list[str], side: int) -> None:
    for number, file in enumerate(files):
        photo(1000 + number, side, side).save(root / file)


def test_a_given_test_split_does_not_decide_the_size_or_the_description(tmp_path):
    fill(tmp_path / "one", {f"{s}/{c}": 4 for s in ("train", "test") for c in "ab"})
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    tests = [r.file for r in opened(tmp_path / "one").records if r.split == "test"]
    enlarge(tmp_path / "other", tests, 200)
    one, other = (opened(tmp_path / name, image_size=None).card for name in ("one", "other"))
    assert one.image_size == other.image_size == 20
    assert one.description == other.description


def test_a_test_split_that_is_carved_does_not_decide_the_size_or_the_description(tmp_path):
    """The images that land in the test are made large, and a majority of the rest would not notice."""
    fill(tmp_path / "one", {"a": 20, "b": 20})
    settings: dict[str, Any] = {"test_fraction": 0.6, "validation_fraction": 0.1}
    divided = open_dataset(DataConfig(path=tmp_path / "one", **settings))
    tests = [r.file for r in divided.records if r.split == "test"]
    assert len(tests) > 20
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    enlarge(tmp_path / "other", tests, 200)
    one, other = (opened(tmp_path / name, **settings).card for name in ("one", "other"))
    assert one.image_size == other.image_size == 20
    assert one.description == other.description


def test_the_description_tells_of_the_test_only_how_many_images_it_has(tmp_path):
    fill(tmp_path, {"train/a": 6, "train/b": 6, "test/a": 5, "test/b": 2})
    description = opened(tmp_path).card.description
    assert "19 images of 2 classes." in description
    assert "Splits: 12 train, 7 test." in description
    fill(tmp_path, {"test/a": 2, "test/b": 5}, seed=500)
    (tmp_path / "test/a/0004.png").unlink()
    (tmp_path / "test/a/0003.png").unlink()
    (tmp_path / "test/a/0002.png").unlink()
    assert opened(tmp_path).card.description == description


def test_few_labels_and_folds_have_the_same_size(tmp_path):
    fill(tmp_path, {"a": 20, "b": 20})
    enlarge(tmp_path, [f"a/{n:04d}.png" for n in range(12)], 64)
    several: list[dict[str, Any]] = [
        {},
        {"per_class": 2},
        {"fraction": 0.3},
        {"fold": "1/3"},
        {"fold": "2/3"},
    ]
    sizes = {opened(tmp_path, **settings).card.image_size for settings in several}
    assert len(sizes) == 1

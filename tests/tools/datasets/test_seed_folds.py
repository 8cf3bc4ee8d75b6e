"""Which studies have folds over seeds, and how many."""

from pathlib import Path

import pytest

from tests.tools.datasets.images import fill, write_csv
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.seed_folds import SeedFolds, describe_folds, seed_folds
from tools.errors import ConfigurationError
from tools.training.config import Fold
from tools.training.views import fold_view


def folds_of(root: Path, cache: Path, gate: bool = False, **data) -> SeedFolds:
    config = DataConfig(path=root, modality="natural", decode_workers=1, **data)
    dataset = open_dataset(config)
    assert dataset.published is not None
    return seed_folds(config, dataset.published, build_cache(dataset, config, 16, cache), gate)


@pytest.fixture(scope="module")
def carved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("carved"), {"a": 40, "b": 60})


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    counts = {
        f"{split}/{name}": count for split, count in (("train", 24), ("val", 8), ("test", 4)) for name in "ab"
    }
    return fill(tmp_path_factory.mktemp("published"), counts)


def test_a_validation_split_that_was_carved_here_is_one_of_as_many_folds_as_fit(carved: Path, tmp_path: Path):
    assert folds_of(carved, tmp_path).count == 6, "15 of 85 images"
    assert folds_of(carved, tmp_path, validation_fraction=0.4).count == 2
    assert folds_of(carved, tmp_path, folds="off").count is None


@pytest.mark.parametrize(
    ("setting", "reason"),
    [({"fraction": 0.5}, "few labels"), ({"per_class": 5}, "few labels"), ({"fold": "1/5"}, "data.fold 1/5")],
)
def test_settings_that_choose_the_images_themselves_turn_folds_off(carved, tmp_path, setting, reason):
    found = folds_of(carved, tmp_path, **setting)
    assert found.count is None
    assert reason in found.why
    assert not found.unusual, "it is what was asked for"


def test_a_published_validation_split_is_kept_unless_folds_are_asked_for(published: Path, tmp_path: Path):
    assert folds_of(published, tmp_path).why == "off: the data set has a validation split of its own"
    assert folds_of(published, tmp_path, folds="on").count == 4


def test_the_splits_of_a_file_are_kept_unless_folds_are_asked_for(carved: Path, tmp_path: Path):
    config = DataConfig(path=carved, modality="natural", decode_workers=1)
    splits = build_cache(open_dataset(config), config, 16, tmp_path).splits_file
    assert folds_of(carved, tmp_path, splits=splits).count is None
    assert folds_of(carved, tmp_path, splits=splits, folds="on").count == 6


def test_a_classifier_that_judges_images_has_seen_some_that_seeds_are_validated_on(
    carved: Path, tmp_path: Path
):
    found = folds_of(carved, tmp_path, gate=True)
    assert (found.count, found.unusual) == (None, True)
    with pytest.raises(ConfigurationError, match=r"data\.folds on: aga\.gates\.classifier .*data\.folds off"):
        folds_of(carved, tmp_path, gate=True, folds="on")


def test_folds_go_by_images_and_not_by_the_labels_that_they_have(tmp_path: Path):
    root = fill(tmp_path / "images", {"train": 24, "val": 8, "test": 8})
    rows = [
        (f"{split}/{at:04d}.png", *((1, 1) if split == "val" or at < 4 else (0, 0)))
        for split, count in (("train", 24), ("val", 8), ("test", 8))
        for at in range(count)
    ]
    write_csv(root / "t.csv", [("file", "wet", "old"), *rows])
    found = folds_of(root, tmp_path / "cache", labels="t.csv:file:wet,old", layout="split", folds="on")
    assert found.why == "4 of the 32 training and validation images"


def test_too_few_patients_for_folds_turn_them_off_and_say_so(tmp_path: Path):
    root = fill(tmp_path / "images", {"a": 20, "b": 20})
    # sixteen images of one patient, and two of each of two others
    rows = [
        (f"{name}/{at:04d}.png", name, f"patient {max(0, at - 14) // 2} of {name}")
        for name in "ab"
        for at in range(20)
    ]
    write_csv(root / "manifest.csv", [("file", "label", "group"), *rows])
    found = folds_of(root, tmp_path / "cache", validation_fraction=0.1, test_fraction=0.1)
    assert (found.count, found.unusual) == (None, True)
    assert "folds need more groups than the training split has (2 groups)" in found.why
    with pytest.raises(ConfigurationError, match=r"data\.folds off"):
        folds_of(root, tmp_path / "cache", validation_fraction=0.1, test_fraction=0.1, folds="on")


def test_copies_of_a_picture_are_never_divided_by_a_fold(tmp_path: Path):
    root = fill(tmp_path / "images", {"a": 30, "b": 30})
    for name in "ab":
        for at in range(0, 30, 3):
            (root / name / f"copy-{at}.png").write_bytes((root / name / f"{at:04d}.png").read_bytes())
    config = DataConfig(path=root, modality="natural", decode_workers=1)
    dataset = open_dataset(config)
    data = build_cache(dataset, config, 16, tmp_path / "cache")
    assert dataset.published is not None
    count = seed_folds(config, dataset.published, data).count
    assert count is not None
    for number in range(count):
        fold = Fold(number=number, count=count)
        rows = [
            set(fold_view(data.folder, role, fold).images.rows.tolist()) for role in ("train", "validation")
        ]
        assert not rows[0] & rows[1], "one row of pixels is one picture"


def test_the_line_at_the_start_tells_folds_and_images():
    assert describe_folds(6, 1700) == (
        "folds: seeds take turns with 6 folds of the 1,700 training and validation images, each validated on about 283 "
        "of them and trained on the others"
    )

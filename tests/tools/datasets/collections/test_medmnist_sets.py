"""Sets of MedMNIST, from its npz files."""

import io
import pickle
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.tools.datasets.replicas import medmnist, opened, pixels, splits
from tools.datasets.cache.build import build_cache
from tools.datasets.collections import medmnist_sets
from tools.datasets.config import DataConfig
from tools.errors import ConfigurationError, DataError


def test_the_real_pneumonia_set_has_its_published_splits(shared_data):
    dataset = opened("medmnist:pneumoniamnist", shared_data / "pneumonia2")
    assert splits(dataset) == {"train": 4708, "validation": 524, "test": 624}
    assert dataset.card.classes == ("normal", "pneumonia")
    with np.load(shared_data / "pneumonia2" / "pneumoniamnist.npz") as arrays:
        record = next(r for r in dataset.records if r.file == "val/000100")
        assert record.label == arrays["val_labels"][100, 0]
        read = np.asarray(Image.open(io.BytesIO(dataset.source.read("val/000100"))))
        assert (read == arrays["val_images"][100]).all()


def test_copies_in_the_published_splits_of_pneumonia_are_dropped_and_counted(shared_data, tmp_path):
    dataset = opened("medmnist:pneumoniamnist", shared_data / "pneumonia2" / "pneumoniamnist.npz")
    cached = build_cache(dataset, DataConfig(), 28, tmp_path)
    assert (len(cached.split("validation")), len(cached.open_test())) == (524, 624)
    assert len(cached.split("train")) < 4708
    assert any("images dropped" in note for note in cached.notes)


def test_colour_images_and_larger_sizes_are_read(tmp_path):
    medmnist(tmp_path / "bloodmnist_64.npz", size=64)
    dataset = opened("medmnist:bloodmnist_64", tmp_path)
    assert dataset.card.image_size == 64
    assert pixels(dataset, 0).shape == (64, 64, 3)
    cached = build_cache(dataset, DataConfig(), 64, tmp_path / "cache")
    assert len(cached.open_test()) == 16


def test_a_source_of_medmnist_pickles_by_its_place(tmp_path):
    medmnist(tmp_path / "bloodmnist.npz")
    source = opened("medmnist:bloodmnist", tmp_path).source
    assert len(pickle.dumps(source)) < 1000
    assert pickle.loads(pickle.dumps(source)).read("train/000003") == source.read("train/000003")


def test_what_is_too_large_for_memory_is_unpacked_once_and_mapped(tmp_path, monkeypatch):
    file = medmnist(tmp_path / "bloodmnist.npz")
    monkeypatch.setattr(medmnist_sets, "_IN_MEMORY", 1000)
    source = opened("medmnist:bloodmnist", file).source
    unpacked = tmp_path / "bloodmnist.unpacked"
    assert sorted(each.name for each in unpacked.iterdir()) == [
        "test_images.npy",
        "train_images.npy",
        "val_images.npy",
    ]
    with np.load(file) as arrays:
        read = np.asarray(Image.open(io.BytesIO(source.read("train/000005"))))
        assert (read == arrays["train_images"][5]).all()


def test_the_findings_of_chest_x_rays_are_labels_of_which_an_image_may_have_several(tmp_path):
    labels: dict[str, Any] = {
        f"{split}_labels": findings(count) for split, count in (("train", 24), ("val", 8), ("test", 16))
    }
    file = medmnist(tmp_path / "chestmnist.npz", channels=1, **labels)
    dataset = opened("medmnist:chestmnist", tmp_path)
    assert dataset.card.several_labels
    assert dataset.card.classes[0] == "atelectasis"
    assert dataset.card.classes[13] == "hernia"
    cached = build_cache(dataset, DataConfig(decode_workers=1), 28, tmp_path / "cache")
    train = cached.split("train")
    rows = [int(file.partition("/")[2]) for file in train.files]
    assert (train.labels == labels["train_labels"][rows]).all()
    assert cached.size("validation") == 8
    assert cached.class_counts("test")["hernia"] == labels["test_labels"][:, 13].sum()

    medmnist(file, channels=1, **{**labels, "val_labels": np.zeros((8, 1), np.uint8)})
    with pytest.raises(
        DataError, match=r"val_labels has the shape \(8, 1\).*expected 0 or 1 for each of 14 labels"
    ):
        opened("medmnist:chestmnist", tmp_path)


def findings(count: int) -> np.ndarray:
    """uint8 (count, 14): every label on some images, several on most, none on the first."""
    number = np.arange(count)[:, None]
    return (((number + np.arange(14)) % 4 == 0) & (number > 0)).astype(np.uint8)


def test_grades_of_retinopathy_are_ordinal(tmp_path):
    medmnist(tmp_path / "retinamnist.npz", classes=5)
    assert opened("medmnist:retinamnist", tmp_path).card.ordinal


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("organmnist3d", "three-dimensional"),
        ("xmnist", "known are pathmnist, dermamnist"),
        ("pathmnist_32", "the sizes 28, 64, 128, 224, not 32"),
    ],
)
def test_sets_that_cannot_be_used_say_why(name, reason, tmp_path):
    with pytest.raises(ConfigurationError, match=reason):
        opened(f"medmnist:{name}", tmp_path)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"val_labels": np.zeros((8, 14), np.uint8)}, "val_labels has 14 labels for each image"),
        ({"test_labels": np.full((16, 1), 9, np.uint8)}, "test_labels .* 9; expected 0 to 7"),
        ({"train_images": np.zeros((24, 8, 8, 8), np.uint8)}, r"train_images has the shape \(24, 8, 8, 8\)"),
        ({"train_images": np.zeros((5, 8, 8), np.uint8)}, "expected 24 grey or RGB images"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(changed, reason, tmp_path):
    medmnist(tmp_path / "bloodmnist.npz", **changed)
    with pytest.raises(DataError, match=reason):
        opened("medmnist:bloodmnist", tmp_path)


def test_a_damaged_file_is_named(tmp_path):
    file = medmnist(tmp_path / "bloodmnist.npz")
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"bloodmnist\.npz is damaged"):
        opened("medmnist:bloodmnist", tmp_path)


def test_a_file_that_is_missing_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match="agent datasets get medmnist:bloodmnist_128"):
        opened("medmnist:bloodmnist_128", tmp_path)

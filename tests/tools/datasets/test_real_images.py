"""Real image sets through the same doors as a user's own."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.errors import DataError


def test_skin_lesions_keep_the_splits_of_their_manifest(shared_data, tmp_path):
    config = DataConfig(path=shared_data / "skin2")
    dataset = open_dataset(config)
    assert Counter(r.split for r in dataset.records) == {"train": 1399, "validation": 301, "test": 300}
    cached = build_cache(dataset, config, 32, tmp_path)
    view = cached.split("train")
    assert view.images.shape == (1399, 32, 32, 3)
    assert Counter(view.labels.tolist()) == {0: cached.class_counts("train")["benign"], 1: 463}
    assert cached.skipped == ()
    with Image.open(shared_data / "skin2" / view.files[700]) as original:
        whole = np.asarray(original.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR), dtype=int)
    assert np.abs(view.images[700].astype(int) - whole).mean() < 1.5


def test_photographs_of_many_shapes_are_decoded(shared_data, tmp_path):
    config = DataConfig(path=shared_data / "antsbees2", fit="crop")
    cached = build_cache(open_dataset(config), config, 64, tmp_path)
    assert [len(cached.split("train")), len(cached.split("validation")), len(cached.open_test())] == [
        276,
        60,
        60,
    ]
    # Photographs, not padding or one colour: each has contrast.
    assert cached.split("train").images[:].std(axis=(1, 2, 3)).min() > 10


def test_xrays_with_copies_in_train_and_validation_are_caught(shared_data, tmp_path):
    elsewhere = set()
    leaked = 0
    with np.load(shared_data / "pneumonia2" / "pneumoniamnist.npz") as arrays:
        for split in ("test", "val", "train"):
            labels = arrays[f"{split}_labels"][:, 0]
            for number, image in enumerate(arrays[f"{split}_images"]):
                folder = tmp_path / "data" / split / ("normal", "pneumonia")[labels[number]]
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(folder / f"{number:05d}.png", compress_level=1)
                if split == "train":
                    leaked += image.tobytes() in elsewhere
                else:
                    elsewhere.add(image.tobytes())
    config = DataConfig(path=tmp_path / "data")
    dataset = open_dataset(config)
    assert dataset.card.image_size == 28
    with pytest.raises(DataError, match="8 pairs of images of data in different splits are the same picture"):
        build_cache(dataset, config, 28, tmp_path / "cache")
    cached = build_cache(dataset, DataConfig(path=config.path, on_leak="drop"), 28, tmp_path / "cache")
    assert len(cached.split("validation")) == 524
    assert len(cached.open_test()) == 624
    assert len(cached.split("train")) == 4708 - leaked
    assert leaked == 10

"""The digits that need no download."""

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tools.datasets.cache.build import build_cache
from tools.datasets.cache.decode import decode
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.errors import ConfigurationError


def test_nothing_given_is_the_demo():
    assert open_dataset(DataConfig()).card.name == "demo"


def test_splits_are_stratified():
    records = open_dataset(DataConfig()).records
    assert Counter((r.split, r.label) for r in records) == {
        (split, label): count
        for split, count in (("train", 10), ("validation", 20), ("test", 100))
        for label in range(10)
    }
    assert len({r.file for r in records}) == len(records)


def test_the_split_seed_draws_other_images():
    def training(seed: int) -> set[str]:
        return {r.file for r in open_dataset(DataConfig(split_seed=seed)).records if r.split == "train"}

    assert training(0) == training(0)
    assert training(0) != training(1)


def test_images_and_labels_are_those_of_scikit_learn():
    dataset = open_dataset(DataConfig())
    pixels, labels = load_digits(return_X_y=True)
    for record in dataset.records[::50]:
        number = int(record.file.removeprefix("digit-"))
        image = decode(dataset.source.read(record.file), 8, "stretch", 64)
        assert record.label == labels[number]
        assert np.abs(image[..., 0] / 255 * 16 - pixels[number].reshape(8, 8)).max() < 0.05


def test_it_is_decoded_at_its_default_size_without_a_leak(tmp_path):
    dataset = open_dataset(DataConfig())
    cached = build_cache(dataset, DataConfig(), dataset.card.image_size, tmp_path)
    assert cached.split("train").images.shape == (100, 32, 32, 3)
    assert len(cached.open_test()) == 1000
    assert cached.notes == ()


def test_its_source_can_be_sent_to_another_process():
    source = open_dataset(DataConfig()).source
    assert pickle.loads(pickle.dumps(source)).read("digit-0007") == source.read("digit-0007")


def test_a_path_does_not_go_with_it():
    with pytest.raises(ConfigurationError, match="leave --dataset out"):
        open_dataset(DataConfig(dataset="demo", path=Path("pets")))

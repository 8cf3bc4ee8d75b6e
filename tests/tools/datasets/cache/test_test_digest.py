"""Which test set this is: the same whatever it is called, however large it is decoded, whatever is trained on."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.tools.datasets.images import fill, photo
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.cache.test_digest import digest_by_fingerprint, test_digest
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset


def opened(path: Path, root: Path, size: int = 8, **settings: Any) -> CachedDataset:
    config = DataConfig(path=path, **settings)
    return build_cache(open_dataset(config), config, size, root / "cache")


def digest(path: Path, root: Path, size: int = 8, **settings: Any) -> str:
    return test_digest(opened(path, root, size, **settings).open_test())


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder with splits: train, val, test of the classes a and b."""
    counts = {
        f"{split}/{name}": count for split, count in (("train", 12), ("val", 4), ("test", 5)) for name in "ab"
    }
    return fill(tmp_path / "photos", counts)


def test_size_fit_training_share_and_names_do_not_count(photos, tmp_path):
    first = digest(photos, tmp_path)
    assert len(first) == 64
    assert digest(photos, tmp_path, size=16) == first
    assert digest(photos, tmp_path, fit="stretch") == first
    assert digest(photos, tmp_path, fraction=0.5) == first
    moved = tmp_path / "elsewhere"
    shutil.copytree(photos, moved)
    for split in ("train", "val", "test"):
        (moved / split / "a").rename(moved / split / "zebra")  # now the second class
        for file in (moved / split).rglob("*.png"):
            file.rename(file.with_name(f"{9999 - int(file.stem):04d}.png"))
    assert digest(moved, tmp_path) == first


def test_images_for_training_do_not_count(photos, tmp_path):
    first = digest(photos, tmp_path)
    for number in range(6):
        (photos / f"train/a/{number:04d}.png").unlink()
    assert digest(photos, tmp_path) == first


def test_another_image_fewer_images_and_other_labels_are_another_test_set(photos, tmp_path):
    found = [digest(photos, tmp_path)]
    photo(999).save(photos / "test/a/0000.png")
    found.append(digest(photos, tmp_path))
    (photos / "test/a/0001.png").unlink()
    found.append(digest(photos, tmp_path))
    (photos / "test/a/0002.png").rename(photos / "test/b/9999.png")
    found.append(digest(photos, tmp_path))
    assert len(set(found)) == 4


def test_splits_that_are_carved_otherwise_have_other_test_sets(tmp_path):
    flat = fill(tmp_path / "flat", {"a": 20, "b": 20})
    assert digest(flat, tmp_path) == digest(flat, tmp_path, size=16)
    assert digest(flat, tmp_path) != digest(flat, tmp_path, split_seed=1)


def test_it_is_found_by_the_fingerprint_of_other_data(photos, tmp_path):
    larger = opened(photos, tmp_path, size=16)
    assert digest_by_fingerprint(tmp_path / "cache", larger.fingerprint) == digest(photos, tmp_path)
    assert digest_by_fingerprint(tmp_path / "cache", "unknown") is None
    (larger.folder / "test.json").write_text("{")
    assert digest_by_fingerprint(tmp_path / "cache", larger.fingerprint) is None

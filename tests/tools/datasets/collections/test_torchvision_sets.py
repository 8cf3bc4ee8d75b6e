"""Sets of torchvision, in the formats in which it keeps them on disk."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.tools.datasets.images import fill, photo
from tests.tools.datasets.replicas import idx, opened, pixels, splits
from tools.datasets.cache.build import build_cache
from tools.datasets.collections.torchvision_sets import known_sets
from tools.datasets.config import DataConfig
from tools.datasets.registry import dataset_names
from tools.errors import ConfigurationError, DataError


def test_the_collections_are_named_where_the_data_sets_are():
    assert {"torchvision:NAME", "hf:OWNER/NAME", "medmnist:FLAG"} <= set(dataset_names())


def mnist(root: Path, train: int = 60, test: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Digits in turn; returns the images of train and of test."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (train + test, 28, 28), dtype=np.uint8)
    labels = np.arange(train + test, dtype=np.uint8) % 10
    for prefix, rows in (("train", slice(train)), ("t10k", slice(train, None))):
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images[rows]))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels[rows]))
    return images[:train], images[train:]


def pets(root: Path) -> Path:
    """Three breeds; torchvision's layout of the Oxford-IIIT pets."""
    base = root / "oxford-iiit-pet"
    (base / "annotations").mkdir(parents=True)
    (base / "images").mkdir()
    for split, start, count in (("trainval", 0, 8), ("test", 8, 4)):
        lines = []
        for number, breed in enumerate(("Abyssinian", "american_bulldog", "Bengal"), 1):
            for each in range(start, start + count):
                photo(100 * number + each, 30, 20).save(base / "images" / f"{breed}_{each}.jpg")
                lines.append(f"{breed}_{each} {number} 1 1")
        (base / "annotations" / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


def gtsrb(root: Path) -> Path:
    """Two signs of the 43: three tracks of four frames each, and a test folder with its table."""
    base = root / "gtsrb"
    rows = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
    (base / "GTSRB/Final_Test/Images").mkdir(parents=True)
    for sign in range(2):
        folder = base / f"GTSRB/Training/{sign:05d}"
        folder.mkdir(parents=True)
        for track in range(3):
            for frame in range(4):
                seed = 100 * sign + 10 * track + frame
                photo(seed).save(folder / f"{track:05d}_{frame:05d}.ppm")
        photo(1000 + sign).save(base / f"GTSRB/Final_Test/Images/{sign:05d}.ppm")
        rows.append(f"{sign:05d}.ppm;24;20;0;0;24;20;{sign}")
    (base / "GT-final_test.csv").write_text("\n".join(rows) + "\n")
    return root


def test_an_array_of_torchvision_is_given_out_image_by_image(tmp_path):
    train, _ = mnist(tmp_path)
    dataset = opened("torchvision:MNIST", tmp_path, validation_fraction=0.2)
    assert splits(dataset) == {"train": 50, "validation": 10, "test": 30}
    assert dataset.card.classes[:2] == ("0 - zero", "1 - one")
    at = next(n for n, record in enumerate(dataset.records) if record.file == "train/000013")
    assert dataset.records[at].label == 3
    assert (pixels(dataset, at) == train[13]).all()


def test_a_source_of_arrays_pickles_without_them(tmp_path):
    mnist(tmp_path)
    dataset = opened("torchvision:MNIST", tmp_path)
    sent = pickle.dumps(dataset.source)
    assert len(sent) < 1000
    assert pickle.loads(sent).read("test/000001") == dataset.source.read("test/000001")


def test_arrays_are_decoded_in_several_processes(tmp_path, monkeypatch):
    from tools.datasets.cache import decode_all

    monkeypatch.setattr(decode_all, "_SMALL", 0)
    _, test = mnist(tmp_path / "root")
    config = DataConfig(decode_workers=2)
    cached = build_cache(opened("torchvision:MNIST", tmp_path / "root"), config, 28, tmp_path / "cache")
    images = cached.open_test().images
    assert (np.asarray(images)[:, :, :, 0] == test).all()


def test_files_of_torchvision_are_read_as_they_are(tmp_path):
    dataset = opened("torchvision:OxfordIIITPet", pets(tmp_path))
    assert dataset.card.classes == ("Abyssinian", "American Bulldog", "Bengal")
    assert splits(dataset)["test"] == 12
    record = next(r for r in dataset.records if r.file.endswith("american_bulldog_9.jpg"))
    assert (record.label, record.split) == (1, "test")
    assert (
        dataset.source.read(record.file)
        == (tmp_path / "oxford-iiit-pet/images/american_bulldog_9.jpg").read_bytes()
    )


def test_pets_are_decoded(tmp_path):
    dataset = opened("torchvision:OxfordIIITPet", pets(tmp_path / "root"))
    cached = build_cache(dataset, DataConfig(), 16, tmp_path / "cache")
    assert len(cached.open_test()) == 12
    assert cached.card.superclasses == ("animal", "animal", "animal")


def test_a_set_without_splits_has_both_carved(tmp_path):
    fill(tmp_path, {f"eurosat/2750/{name}": 20 for name in ("Forest", "River")})
    dataset = opened("torchvision:EuroSAT", tmp_path, validation_fraction=0.2, test_fraction=0.2)
    assert splits(dataset) == {"train": 24, "validation": 8, "test": 8}
    assert dataset.card.classes == ("Forest", "River")


def test_published_validation_is_kept(tmp_path):
    base = tmp_path / "dtd" / "dtd"
    fill(base, {"images/banded": 9, "images/dotted": 9}, suffix=".jpg")
    (base / "labels").mkdir()
    for part, name in enumerate(("train", "val", "test")):
        lines = [
            f"{kind}/{number:04d}.jpg"
            for kind in ("banded", "dotted")
            for number in range(3 * part, 3 * part + 3)
        ]
        (base / "labels" / f"{name}1.txt").write_text("\n".join(lines) + "\n")
    dataset = opened("torchvision:DTD", tmp_path)
    assert splits(dataset) == {"train": 6, "validation": 6, "test": 6}
    assert "partition 1 of the ten that are published" in dataset.notes


def test_frames_of_one_traffic_sign_stay_in_one_split(tmp_path):
    dataset = opened("torchvision:GTSRB", gtsrb(tmp_path), validation_fraction=0.34)
    assert splits(dataset) == {"train": 16, "validation": 8, "test": 2}
    homes = {(record.group, record.split) for record in dataset.records if record.split != "test"}
    assert len(homes) == len({group for group, _ in homes}) == 6


def test_the_name_may_be_written_in_any_case_and_a_wrong_one_gets_a_hint(tmp_path):
    mnist(tmp_path)
    assert opened("torchvision:mnist", tmp_path).card.name == "torchvision:MNIST"
    with pytest.raises(ConfigurationError, match="did you mean 'CIFAR10'"):
        opened("torchvision:CIFAR-10", tmp_path)


def test_what_is_missing_is_named_with_its_layout_and_how_to_get_it(tmp_path):
    for name, described in known_sets().items():
        with pytest.raises(DataError) as error:
            opened(f"torchvision:{name}", tmp_path)
        for part in (name, str(tmp_path), f"agent datasets get torchvision:{name}", described.layout):
            assert part in str(error.value), name

"""One row of pixels for each image: shared by every division into splits, checked, mended, lent to other caches."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ImageOps

from tests.tools.datasets.images import MemorySource, encode, fill, in_memory, photo
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.pixels import PixelFolder
from tools.datasets.cache.read import CachedDataset, open_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset
from tools.errors import DataError


def opened(path: Path, root: Path, size: int = 8, **settings: Any) -> CachedDataset:
    config = DataConfig(path=path, **settings)
    return build_cache(open_dataset(config), config, size, root)


def pixels_of(cached: CachedDataset) -> PixelFolder:
    return PixelFolder(cached.folder.parents[1])


class CountingSource(MemorySource):
    """Counts what is read."""

    def read(self, file: str) -> bytes:
        reads.append(file)
        return super().read(file)


reads: list[str] = []


def counting(dataset: Dataset) -> Dataset:
    assert isinstance(dataset.source, MemorySource)
    return replace(dataset, source=CountingSource(dataset.source.images))


def decoded(dataset: Dataset, root: Path, **settings) -> tuple[CachedDataset, list[str]]:
    """The cache, and the files that were read twice: once for their hash, once to be decoded."""
    reads.clear()
    cached = build_cache(counting(dataset), DataConfig(**settings), 8, root)
    return cached, sorted({file for file in reads if reads.count(file) > 1})


@pytest.fixture
def photos(tmp_path) -> Path:
    return fill(tmp_path / "photos", {"a": 20, "b": 20})


# many divisions, one set of pixels


def test_folds_fractions_and_seeds_share_their_pixels(photos, tmp_path):
    divisions: list[dict[str, Any]] = [
        {},
        {"fold": "1/4"},
        {"fold": "2/4"},
        {"fraction": 0.5},
        {"per_class": 3},
        {"split_seed": 7},
    ]
    views = [opened(photos, tmp_path / "cache", **settings) for settings in divisions]
    assert len({view.folder for view in views}) == 6
    assert len({view.fingerprint for view in views}) == 6
    assert len({pixels_of(view).folder for view in views}) == 1


def test_sizes_lie_side_by_side(photos, tmp_path):
    small, large = (opened(photos, tmp_path / "cache", size) for size in (8, 16))
    assert (small.split("train").images.shape[1], large.split("train").images.shape[1]) == (8, 16)
    assert small.split("train").files == large.split("train").files


def test_copies_have_one_row(tmp_path):
    dataset = in_memory()
    assert isinstance(dataset.source, MemorySource)
    twice = replace(
        dataset, source=MemorySource({**dataset.source.images, "002": dataset.source.images["000"]})
    )
    cached = build_cache(twice, DataConfig(), 8, tmp_path)
    assert len(pixels_of(cached).book()) == 11
    train = cached.split("train")
    assert (train.images[train.files.index("000")] == train.images[train.files.index("002")]).all()


# an image more


def test_images_that_another_cache_holds_are_not_decoded_again(tmp_path):
    dataset = in_memory(5)
    fewer = replace(dataset, records=dataset.records[1:])
    first, read_for_first = decoded(fewer, tmp_path)
    assert len(read_for_first) == 14
    second, read_for_second = decoded(dataset, tmp_path)
    assert read_for_second == ["000"]
    train = second.split("train")
    assert train.files[1:] == first.split("train").files
    assert (train.images[1:] == first.split("train").images[:]).all()


def test_a_damaged_row_is_not_lent(tmp_path):
    dataset = in_memory(5)
    first, _ = decoded(replace(dataset, records=dataset.records[1:]), tmp_path)
    damage(pixels_of(first), 3)
    _, read = decoded(dataset, tmp_path)
    assert read == ["000", "004"]


# damage


def damage(folder: PixelFolder, row: int) -> None:
    """Change one byte of a row of pixels, as a failing disk does."""
    pixels = np.load(folder.pixels, mmap_mode="r+")
    pixels[row, 0, 0, 0] ^= 1
    pixels.flush()


def test_one_wrong_byte_is_found_and_decoded_again(tmp_path):
    dataset = in_memory()
    first, _ = decoded(dataset, tmp_path)
    before = first.split("train").images[:]
    damage(pixels_of(first), 2)
    assert not (first.split("train").images[:] == before).all()
    second, read = decoded(dataset, tmp_path)
    assert read == ["002"]
    assert second.folder == first.folder
    assert (second.split("train").images[:] == before).all()
    assert any(note.startswith("1 decoded image was damaged on disk") for note in second.notes)
    third, read = decoded(dataset, tmp_path)
    assert read == []
    assert not any("damaged" in note for note in third.notes)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("pixels.npy", "cut"),
        ("pixels.npy", "missing"),
        ("thumbnails.npy", "cut"),
        ("book.npy", "garbled"),
        ("unreadable.json", "garbled"),
    ],
)
def test_a_cache_that_is_damaged_as_a_whole_is_made_again(tmp_path, name, how):
    dataset = in_memory()
    first, _ = decoded(dataset, tmp_path)
    before = first.split("train").images[:]
    file = pixels_of(first).folder / name
    data = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(data[: len(data) // 2] if how == "cut" else b"\0" * len(data))
    second, _ = decoded(dataset, tmp_path)
    assert second.fingerprint == first.fingerprint
    assert (second.split("train").images[:] == before).all()
    assert any(note.startswith("the images were decoded again") for note in second.notes)


def test_a_study_that_reads_a_cache_goes_on_while_it_is_made_again(tmp_path):
    dataset = in_memory()
    other = build_cache(dataset, DataConfig(), 8, tmp_path)
    before = other.split("train").images[:]
    pixels_of(other).pixels.write_bytes(b"")
    moved = replace(dataset, records=(replace(dataset.records[0], split="validation"), *dataset.records[1:]))
    mine = build_cache(moved, DataConfig(), 8, tmp_path)
    assert mine.folder != other.folder
    assert (open_cache(other.folder).split("train").images[:] == before).all()


def test_damage_whose_image_is_gone_stops_the_run(tmp_path):
    dataset = in_memory()
    first, _ = decoded(dataset, tmp_path)
    damage(pixels_of(first), 0)
    assert isinstance(dataset.source, MemorySource)
    broken = replace(dataset, source=MemorySource({**dataset.source.images, "000": b""}))
    with pytest.raises(DataError, match="memory:000: empty file"):
        build_cache(broken, DataConfig(), 8, tmp_path)


def test_a_view_that_names_more_rows_than_there_are_is_refused(tmp_path):
    cached = build_cache(in_memory(), DataConfig(), 8, tmp_path)
    file = cached.folder / "train.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "rows": [99, *content["rows"][1:]]}))
    with pytest.raises(DataError, match=r"holds 12 images.*delete"):
        cached.split("train")


# the sealed split


def test_the_rows_of_test_images_are_known_to_the_sealed_file_only(tmp_path):
    cached = build_cache(in_memory(), DataConfig(), 8, tmp_path)
    test = cached.open_test()
    for name in ("train", "validation"):
        known = json.loads((cached.folder / f"{name}.json").read_text())
        assert not set(known["files"]) & set(test.files)
        assert not set(known["rows"]) & set(json.loads((cached.folder / "test.json").read_text())["rows"])


# pictures that look alike


@pytest.fixture
def leaking(tmp_path) -> Path:
    """Different photographs in given splits, and copies of training images, saved otherwise, in test."""
    root = fill(
        tmp_path / "leaking", {f"{split}/{name}": 8 for split in ("train", "val", "test") for name in "ab"}
    )
    for number in range(4):
        picture = photo(500 + number, 200, 160)
        picture.save(root / "train" / "a" / f"original {number}.png")
        copy = (picture, picture.resize((120, 96)), ImageOps.mirror(picture), picture)[number]
        suffix, options = ("jpg", {"quality": 80}) if number != 3 else ("webp", {"quality": 85})
        (root / "test" / "a" / f"copy {number}.{suffix}").write_bytes(
            encode(copy, "JPEG" if suffix == "jpg" else "WEBP", **options)
        )
    return root


def test_the_same_picture_saved_otherwise_in_two_splits_stops_the_run(leaking, tmp_path):
    with pytest.raises(DataError) as error:
        opened(leaking, tmp_path / "cache", 64)
    text = str(error.value)
    assert (
        "4 pairs of images of leaking in different splits are the same picture (4 by their appearance)"
        in text
    )
    assert "test/a/copy 0.jpg (test, a) ≈ train/a/original 0.png (train, a): the same picture, saved" in text
    assert (
        "test/a/copy 2.jpg (test, a) ≈ train/a/original 2.png (train, a): the same picture, mirrored" in text
    )
    assert "--data.leak_guard exact" in text


def test_the_same_picture_saved_otherwise_is_dropped_where_that_is_asked_for(leaking, tmp_path):
    cached = opened(leaking, tmp_path / "cache", 64, on_leak="drop")
    assert not any("original" in file for file in cached.split("train").files)
    assert sum("copy" in file for file in cached.open_test().files) == 4


def test_the_same_picture_saved_otherwise_is_moved_where_that_is_asked_for(leaking, tmp_path):
    cached = opened(leaking, tmp_path / "cache", 64, on_leak="move")
    assert sum("original" in file or "copy" in file for file in cached.open_test().files) == 8
    assert any(note.startswith("4 images moved because the same picture") for note in cached.notes)


def test_bytes_only_are_compared_where_that_is_asked_for(leaking, tmp_path):
    cached = opened(leaking, tmp_path / "cache", 64, leak_guard="exact")
    assert len(cached.split("train")) == 20


def test_pictures_that_look_alike_are_carved_into_one_split(leaking, tmp_path):
    for split in ("train", "val", "test"):
        for file in (leaking / split).rglob("*.*"):
            target = tmp_path / "flat" / file.parent.name / f"{split} {file.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    for seed in range(6):
        cached = opened(tmp_path / "flat", tmp_path / "cache", 64, split_seed=seed)
        views = (cached.split("train"), cached.split("validation"), cached.open_test())
        where = {file.rpartition("/")[2]: view.name for view in views for file in view.files}
        for number in range(4):
            (copy,) = (name for name in where if f"copy {number}" in name)
            assert where[copy] == where[f"train original {number}.png"]

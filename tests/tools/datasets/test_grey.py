"""Which images are grey."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.datasets.images import photo
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.grey import is_grey
from tools.datasets.registry import open_dataset


def decoded(root: Path, cache: Path, **data) -> CachedDataset:
    config = DataConfig(path=root, modality="natural", decode_workers=1, leak_guard="exact", **data)
    return build_cache(open_dataset(config), config, 16, cache)


def images(root: Path, mode: str, suffix: str, coloured: int | None = None, count: int = 100) -> Path:
    """`count` grey images of two classes, stored in `mode`; the one of the number `coloured` has a small spot."""
    for number in range(count):
        picture = photo(number).convert("L").convert(mode)
        if number == coloured:
            picture.paste((200, 40, 40), (2, 2, 12, 12))
        place = root / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        picture.save(place / f"{number:04d}{suffix}")
    return root


@pytest.mark.parametrize(("mode", "suffix"), [("L", ".png"), ("RGB", ".png"), ("RGB", ".jpg")])
def test_images_without_colour_are_grey_however_they_are_stored(tmp_path: Path, mode: str, suffix: str):
    assert is_grey(decoded(images(tmp_path / "images", mode, suffix), tmp_path / "cache"))


def test_one_image_with_a_spot_of_colour_among_many_is_found(tmp_path: Path):
    splits = decoded(images(tmp_path / "plain", "RGB", ".png"), tmp_path / "cache")
    training = splits.split("train").files
    # not one of those that are looked at first
    looked_at = {training[at] for at in np.linspace(0, len(training) - 1, 64).astype(int)}
    unseen = next(file for file in training if file not in looked_at)
    number = int(Path(unseen).stem)
    data = decoded(images(tmp_path / "spotted", "RGB", ".png", coloured=number), tmp_path / "cache")
    assert unseen in data.split("train").files
    assert not is_grey(data)


def test_the_answer_is_kept_and_looked_up_again_where_it_was_damaged(tmp_path: Path):
    data = decoded(images(tmp_path / "images", "RGB", ".png", count=40), tmp_path / "cache")
    assert is_grey(data)
    file = data.folder / "grey.json"
    kept = file.read_bytes()
    file.write_bytes(kept.replace(b"true", b"false"))
    assert is_grey(data)
    assert file.read_bytes() == kept


def test_real_ultrasound_is_grey_and_real_skin_is_not(shared_data: Path, tmp_path: Path):
    assert is_grey(decoded(shared_data / "busi3", tmp_path))
    assert not is_grey(decoded(shared_data / "skin2", tmp_path))


def test_images_of_16_bits_are_grey(tmp_path: Path):
    for number in range(24):
        place = tmp_path / "images" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 65536, (20, 20), dtype=np.uint16)
        Image.fromarray(pixels).save(place / f"{number}.png")
    assert is_grey(decoded(tmp_path / "images", tmp_path / "cache"))

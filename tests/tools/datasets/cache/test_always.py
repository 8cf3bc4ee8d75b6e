"""A step that every image goes through, in every split, at the size that it is stored in."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.datasets.images import fill
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import SPLITS
from tools.errors import AugurError, ConfigurationError

INVERT = "import PIL.ImageOps\n\n\ndef step(image):\n    return PIL.ImageOps.invert(image)\n"
CROP = "def step(image):\n    w, h = image.size\n    return image.crop((w // 4, h // 4, 3 * w // 4, 3 * h // 4))\n"
RANDOM = "from torchvision.transforms import v2\n\nstep = v2.RandomHorizontalFlip()\n"
FAILS = "def step(image):\n    if image.width == 30:\n        raise KeyError('no width')\n    return image\n"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return fill(tmp_path / "images", {"a": 12, "b": 12})


def cached(images: Path, root: Path, code: str | None = None) -> CachedDataset:
    always = None
    if code is not None:
        (root / "own.py").write_text(code)
        always = f"{root / 'own.py'}:step"
    config = DataConfig(path=images, decode_workers=1, always=always)
    return build_cache(open_dataset(config), config, 16, root / "cache")


def by_file(data: CachedDataset) -> dict[str, np.ndarray]:
    views = [data.split(split) for split in ("train", "validation")]
    return {
        file: np.asarray(view.images[at]).astype(int) for view in views for at, file in enumerate(view.files)
    }


def test_every_image_goes_through_it_and_the_data_are_other_data(images: Path, tmp_path: Path) -> None:
    plain, inverted = cached(images, tmp_path), cached(images, tmp_path, INVERT)
    before, after = by_file(plain), by_file(inverted)
    assert before.keys() == after.keys()
    assert max(int(np.abs(255 - before[file] - after[file]).max()) for file in before) <= 2
    assert [inverted.class_counts(split) for split in SPLITS] == [
        plain.class_counts(split) for split in SPLITS
    ]
    assert inverted.fingerprint != plain.fingerprint
    assert cached(images, tmp_path, INVERT).fingerprint == inverted.fingerprint
    assert cached(images, tmp_path, INVERT + "# edited\n").fingerprint != inverted.fingerprint
    assert any("own.py:step is applied to every image" in note for note in inverted.notes)


def test_it_sees_images_at_their_own_size(images: Path, tmp_path: Path) -> None:
    file = next(iter(by_file(cached(images, tmp_path))))
    with Image.open(images / file) as image:
        width, height = image.size
        middle = image.convert("RGB").crop((width // 4, height // 4, 3 * width // 4, 3 * height // 4))
    expected = np.asarray(middle.resize((16, 16), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(by_file(cached(images, tmp_path, CROP))[file] - expected).mean() < 2


def test_a_random_step_is_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"own\.py:step is random: .*search\.baselines"):
        cached(images, tmp_path, RANDOM)


def test_a_step_that_fails_on_an_image_names_it(tmp_path: Path) -> None:
    images = fill(tmp_path / "images", {"a": 12, "b": 12})
    odd = sorted(images.rglob("*.png"))[5]
    Image.new("RGB", (30, 20)).save(odd)
    with pytest.raises(AugurError, match=rf"own\.py:step \(data\.always\) failed on .*{odd.name}"):
        cached(images, tmp_path, FAILS)


def test_a_range_of_deep_images_comes_too_late() -> None:
    with pytest.raises(ValueError, match=r"data\.range dataset comes too late"):
        DataConfig(path=Path("x"), always="own.py:step", range="dataset")

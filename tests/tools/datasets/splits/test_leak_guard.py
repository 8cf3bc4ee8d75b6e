"""Copies planted between the splits of 2,000 real photographs: what the guard finds before a study."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from tests.tools.datasets.images import write_csv
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.errors import DataError

EACH = 25
"""Copies of each kind."""
SIZE = 128


def saved(image: Image.Image, kind: str, **options: int) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, kind, **options)
    return encoded.getvalue()


def scaled(image: Image.Image, share: float) -> Image.Image:
    return image.resize((round(image.width * share), round(image.height * share)), Image.Resampling.BICUBIC)


CHANGES: dict[str, tuple[str, Callable[[Path, Image.Image], bytes]]] = {
    "renamed": ("jpg", lambda file, image: file.read_bytes()),
    "as PNG": ("png", lambda file, image: saved(image, "PNG")),
    "JPEG 50": ("jpg", lambda file, image: saved(image, "JPEG", quality=50)),
    "JPEG 90": ("jpg", lambda file, image: saved(image, "JPEG", quality=90)),
    "WebP 80": ("webp", lambda file, image: saved(image, "WEBP", quality=80)),
    "half size": ("jpg", lambda file, image: saved(scaled(image, 0.5), "JPEG", quality=90)),
    "double size": ("jpg", lambda file, image: saved(scaled(image, 2), "JPEG", quality=90)),
    "mirrored": ("jpg", lambda file, image: saved(ImageOps.mirror(image), "JPEG", quality=90)),
}


@pytest.fixture(scope="module")
def planted(shared_data, tmp_path_factory) -> tuple[Path, dict[str, dict[str, str]]]:
    """skin2 with copies of training images among the test images; kind → original → copy."""
    root = tmp_path_factory.mktemp("planted") / "lesions"
    shutil.copytree(shared_data / "skin2", root, ignore=shutil.ignore_patterns("manifest.csv"))
    originals = iter(sorted((root / "train" / "benign").glob("*.jpg")))
    made: dict[str, dict[str, str]] = {kind: {} for kind in CHANGES}
    for kind, (suffix, change) in CHANGES.items():
        for number in range(EACH):
            file = next(originals)
            copy = root / "test" / "benign" / f"copy {kind} {number}.{suffix}"
            with Image.open(file) as image:
                copy.write_bytes(change(file, image.convert("RGB")))
            made[kind][file.relative_to(root).as_posix()] = copy.relative_to(root).as_posix()
    return root, made


@pytest.fixture(scope="module")
def kept(planted, tmp_path_factory) -> set[str]:
    """Training images that stay where copies are dropped."""
    config = DataConfig(path=planted[0], on_leak="drop")
    cached = build_cache(open_dataset(config), config, SIZE, tmp_path_factory.mktemp("cache"))
    return set(cached.split("train").files)


@pytest.mark.parametrize("kind", CHANGES)
def test_every_copy_is_found(planted, kept, kind):
    missed = {original for original in planted[1][kind] if original in kept}
    assert missed == set()


def test_no_other_picture_is_accused(planted, kept):
    originals = {original for made in planted[1].values() for original in made}
    here = {each.relative_to(planted[0]).as_posix() for each in (planted[0] / "train").rglob("*.jpg")}
    assert here - originals == kept


def test_a_study_is_stopped_and_told_of_pairs(planted, tmp_path):
    config = DataConfig(path=planted[0])
    with pytest.raises(DataError) as error:
        build_cache(open_dataset(config), config, SIZE, tmp_path)
    copies = EACH * len(CHANGES)
    assert f"{copies} pairs of images of lesions in different splits" in str(error.value)
    assert f"({EACH} byte for byte and {copies - EACH} by their appearance)" in str(error.value)


def test_a_lesion_photographed_twice_is_found_by_its_group_only(shared_data, tmp_path):
    root = tmp_path / "lesions"
    shutil.copytree(shared_data / "skin2", root, ignore=shutil.ignore_patterns("manifest.csv"))
    rows = [
        (
            file.relative_to(root).as_posix(),
            file.parent.name,
            file.parts[-3],
            "lesion 1" if number < 2 else "",
        )
        for split in ("train", "test")
        for kind in ("benign", "malignant")
        for number, file in enumerate(sorted((root / split / kind).glob("*.jpg")))
    ]
    write_csv(root / "manifest.csv", [("file", "label", "split", "group"), *rows])
    with pytest.raises(DataError, match=r"lesion 1: train/benign/.* \(train\) and test/.* \(test\)"):
        open_dataset(DataConfig(path=root))

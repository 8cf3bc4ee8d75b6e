"""Folders of pictures that take as long to read as photographs, made in a minute."""

import functools
import io
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tools.datasets.folder.source import FolderSource
from tools.datasets.types import Card, Dataset, Record, Split
from tools.machine import usable_cores

if TYPE_CHECKING:
    from PIL.Image import Image

_HELD_OUT = 4
"""Images of validation and of test; all others are for training."""
_TEXTURES = 8
"""Layers of fine detail. Large and small forms are drawn for each image; its detail is one of these."""
_SEVERAL = 200
"""Millions of pixels from which several processes are faster than one."""


def write_photos(root: Path, count: int, width: int, height: int, kind: str = "JPEG") -> Dataset:
    """Write `count` training images (and a few for the other splits) in two class folders, on all cores.

    All differ, so that no search for duplicates finds any. JPEGs are about as large as a camera's.
    """
    sizes: dict[Split, int] = {"train": count, "validation": _HELD_OUT, "test": _HELD_OUT}
    splits: list[Split] = [split for split, size in sizes.items() for _ in range(size)]
    ending = {"JPEG": "jpg", "PNG": "png"}[kind]
    records = []
    for number, split in enumerate(splits):
        file = f"{split}/{'ab'[number % 2]}/{number:06d}.{ending}"
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        records.append(Record(file, number % 2, split, group=file))
    write = functools.partial(_write, kind, width, height)
    numbers, paths = range(len(records)), [root / record.file for record in records]
    if len(records) * width * height < _SEVERAL * 10**6:
        list(map(write, numbers, paths))
    else:
        with ProcessPoolExecutor(usable_cores(), multiprocessing.get_context("spawn")) as pool:
            list(pool.map(write, numbers, paths, chunksize=16))
    card = Card("photos", "Photographs", "natural", "Made by a benchmark.", ("a", "b"))
    return Dataset(card, tuple(records), FolderSource(root))


def encode_photo(number: int, width: int, height: int, kind: str = "JPEG") -> bytes:
    """A picture with large forms, small forms and grain, encoded; another one for each number."""
    from PIL import ImageChops

    detail = _detail(number % _TEXTURES, width, height)
    picture = ImageChops.add(_forms(number, width, height), detail, 1, -128)
    encoded = io.BytesIO()
    picture.save(encoded, kind, **({"quality": 88} if kind == "JPEG" else {"compress_level": 1}))
    return encoded.getvalue()


def _write(kind: str, width: int, height: int, number: int, path: Path) -> None:
    path.write_bytes(encode_photo(number, width, height, kind))


def _forms(number: int, width: int, height: int) -> "Image":
    """Large forms and smaller ones, drawn for this image."""
    generator = np.random.default_rng(number)
    shape = max(16, height // 40), max(16, width // 40)
    large = _enlarged(generator, (max(6, height // 200), max(6, width // 200)), shape)
    return _image(120 * large + 60 * generator.uniform(-1, 1, (*shape, 3)), width, height)


@functools.cache
def _detail(number: int, width: int, height: int) -> "Image":
    """Small forms and grain around middle grey."""
    generator = np.random.default_rng(10**9 + number)
    forms = _enlarged(generator, (height // 8 + 2, width // 8 + 2), (height, width))
    return _image(30 * forms + 8 * generator.uniform(-1, 1, (height, width, 3)), width, height)


def _enlarged(generator: np.random.Generator, cells: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    coarse = generator.uniform(-1, 1, (*cells, 3)).astype(np.float32)
    channels = [
        Image.fromarray(coarse[..., channel]).resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
        for channel in range(3)
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def _image(values: np.ndarray, width: int, height: int) -> "Image":
    from PIL import Image

    picture = Image.fromarray(np.clip(values + 128, 0, 255).astype(np.uint8))
    return picture.resize((width, height), Image.Resampling.BICUBIC)

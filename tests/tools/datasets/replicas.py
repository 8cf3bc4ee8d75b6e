"""Files in the binary formats of published data sets, and what their tests ask of an opened one."""

import io
import struct
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset


def idx(array: np.ndarray) -> bytes:
    """The format of MNIST's files: a magic number with the dtype and the dimensions, their sizes, the bytes."""
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def medmnist(file: Path, size: int = 28, classes: int = 8, channels: int = 3, **changed: np.ndarray) -> Path:
    """A file as MedMNIST publishes it, with a few random images."""
    generator = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 24), ("val", 8), ("test", 16)):
        shape = (count, size, size, 3) if channels == 3 else (count, size, size)
        arrays[f"{split}_images"] = generator.integers(0, 256, shape, dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count, dtype=np.uint8) % classes)[:, None]
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, allow_pickle=False, **{**arrays, **changed})
    return file


def opened(name: str, path: Path | None, **settings) -> Dataset:
    return open_dataset(DataConfig(dataset=name, path=path, **settings))


def splits(dataset: Dataset) -> Counter:
    return Counter(record.split for record in dataset.records)


def pixels(dataset: Dataset, at: int) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(dataset.source.read(dataset.records[at].file))))

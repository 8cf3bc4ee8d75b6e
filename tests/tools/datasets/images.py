"""Images and folders of images that the tests make for themselves."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tools.datasets.folder.source import FolderSource
from tools.datasets.types import SPLITS, Card, Dataset, Record, Split


def photo(seed: int, width: int = 24, height: int = 20) -> Image.Image:
    """A smooth random RGB image, different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, kind, **options)
    return encoded.getvalue()


def fill(root: Path, counts: Mapping[str, int], seed: int = 0, suffix: str = ".png") -> Path:
    """Write `counts[folder]` different images into each folder below `root`."""
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            photo(seed).save(root / folder / f"{number:04d}{suffix}")
    return root


def write_csv(file: Path, rows: Sequence[Sequence[object]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows(rows)


@dataclass(frozen=True)
class MemorySource:
    """Encoded images held in memory."""

    images: dict[str, bytes]

    def read(self, file: str) -> bytes:
        return self.images[file]

    def where(self, file: str) -> str:
        return f"memory:{file}"


@dataclass(frozen=True)
class FatalSource(FolderSource):
    """A folder with one image that ends the process that reads it, as a fault in a decoder does."""

    fatal: str = ""

    def read(self, file: str) -> bytes:
        if file == self.fatal:
            os._exit(9)
        return super().read(file)


def card(classes: Sequence[str] = ("a", "b"), name: str = "made") -> Card:
    return Card(
        name=name, title="Made", modality="natural", description="Made by a test.", classes=tuple(classes)
    )


def in_memory(per_split: int = 4) -> Dataset:
    """Two classes, `per_split` different images in each split."""
    splits: list[Split] = [split for split in SPLITS for _ in range(per_split)]
    images = {f"{number:03d}": encode(photo(number)) for number in range(len(splits))}
    records = tuple(
        Record(file, number % 2, split, f"group {number}")
        for number, (file, split) in enumerate(zip(images, splits, strict=True))
    )
    return Dataset(card(), records, MemorySource(images))


def noise_folder(root: Path, count: int, side: int = 256) -> Path:
    """Class folders with so many bytes that decoding them is given to several processes."""
    generator = np.random.default_rng(0)
    for number in range(count):
        place = root / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number:04d}.bmp")
    return root

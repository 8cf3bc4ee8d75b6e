"""`medmnist:FLAG`: the 2-D sets of MedMNIST v2, each one file FLAG.npz with three published splits.

FLAG may end in _64, _128 or _224 for the larger sizes (MedMNIST+). The file's arrays are compressed. Those of up to
512 MiB are held in memory, once in every process that reads; larger ones are unpacked once to files in FLAG.unpacked
beside it, and mapped.
"""

import shutil
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tools.datasets.assemble import Item, assemble
from tools.datasets.cards import card_from, read_collection
from tools.datasets.config import DataConfig
from tools.datasets.label_sets import packed
from tools.datasets.location import DATA, not_found
from tools.datasets.stored_png import stored_png
from tools.datasets.types import Card, Dataset, Split
from tools.errors import ConfigurationError, DataError
from tools.files import written_whole

_SIZES = (28, 64, 128, 224)
_SPLITS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}
_IN_MEMORY = 512 * 2**20
"""Bytes of an array that every reading process may hold."""


@cache
def known_sets() -> dict[str, dict[str, Any]]:
    """Flag → fields of its card; `origin` is where MedMNIST took the images from."""
    return read_collection(Path(__file__).with_name("medmnist.yaml"))


@dataclass(frozen=True)
class NpzSource:
    """Images 'SPLIT/NUMBER' of a file FLAG.npz; pickles as its path, and is opened in every process that reads."""

    npz: Path

    def read(self, file: str) -> bytes:
        """One row of an array as PNG.

        Raises:
            OSError: the file cannot be read.
        """
        from PIL import Image

        split, _, number = file.partition("/")
        return stored_png(Image.fromarray(np.asarray(_images(self.npz, split)[int(number)])))

    def where(self, file: str) -> str:
        """A description: the file and the row."""
        split, _, number = file.partition("/")
        return f"{self.npz}, {split}_images[{int(number)}]"


def open_medmnist(config: DataConfig) -> Dataset:
    """Open a set of MedMNIST from `config.path` (the file, or a folder that holds it), or from data/medmnist.

    Raises:
        ConfigurationError: there is no such set, or it is three-dimensional.
        DataError: the file is not there, is damaged, or has unexpected content.
    """
    flag, size = flag_and_size((config.dataset or "").partition(":")[2])
    place = config.path or DATA / "medmnist"
    npz = place if place.suffix == ".npz" else place / file_name(flag, size)
    card = _card(flag, size)
    if not npz.is_file():
        raise not_found(card.title, npz.parent, ((npz.name,),), card.download)
    labels = {name: _labels(npz, name, card) for name in _SPLITS}
    for name, numbers in labels.items():
        shape = _images(npz, name).shape
        if len(shape) not in (3, 4) or shape[0] != len(numbers) or (len(shape) == 4 and shape[3] != 3):
            raise DataError(
                f"{npz}: {name}_images has the shape {shape}; expected {len(numbers)} grey or RGB images, one for "
                "each label"
            )
    items = [
        Item(
            f"{name}/{row:06d}",
            "" if card.several_labels else card.classes[label],
            split,
            labels=frozenset(card.classes[each] for each in card.labels_of(label))
            if card.several_labels
            else None,
        )
        for name, split in _SPLITS.items()
        for row, label in enumerate(labels[name])
    ]
    assembled = assemble(items, npz, card.classes)
    side = _images(npz, "train").shape[1]
    notes = (f"its images are {side} pixels, not {size}",) if side != size else ()
    return Dataset(
        card, assembled.records, NpzSource(npz.absolute()), notes, assembled.missing, known_leaks=True
    )


def flag_and_size(name: str) -> tuple[str, int]:
    """The set and the side in pixels that the NAME of medmnist:NAME means.

    Raises:
        ConfigurationError: there is no such set, or it cannot be used.
    """
    flag, _, suffix = name.lower().partition("_")
    if flag.endswith("3d"):
        raise ConfigurationError(f"medmnist:{flag} is three-dimensional: Augur needs 2-D images")
    if flag not in known_sets():
        raise ConfigurationError(f"there is no medmnist:{flag}; known are {', '.join(known_sets())}")
    if suffix and suffix not in map(str, _SIZES):
        raise ConfigurationError(
            f"medmnist:{flag} has the sizes {', '.join(map(str, _SIZES))}, not {suffix}: write medmnist:{flag} or "
            f"medmnist:{flag}_64"
        )
    return flag, int(suffix or _SIZES[0])


def file_name(flag: str, size: int) -> str:
    """Name of the file that holds the set at this size."""
    return f"{_stem(flag, size)}.npz"


def _stem(flag: str, size: int) -> str:
    return flag if size == _SIZES[0] else f"{flag}_{size}"


def _card(flag: str, size: int) -> Card:
    stem = _stem(flag, size)
    fields = dict(known_sets()[flag])
    source = fields.pop("origin")
    return card_from(
        {
            **fields,
            "name": f"medmnist:{stem}",
            "title": f"{fields['title']}, {size} pixels",
            "description": f"{fields['description']} The images are {size} x {size} pixels, so details finer than a "
            f"{size}th of the picture are lost.",
            "image_size": size,
            "citation": "J. Yang, R. Shi, D. Wei et al.: MedMNIST v2 - A large-scale lightweight benchmark for 2D and "
            "3D biomedical image classification. Scientific Data 10, 41 (2023); source of the images: "
            + source,
            "download": f"agent datasets get medmnist:{stem}",
        }
    )


def _labels(npz: Path, name: str, card: Card) -> list[int]:
    """Of each image, as a `Record` keeps it."""
    labels, classes = _array(npz, f"{name}_labels"), len(card.classes)
    if card.several_labels:
        if labels.ndim != 2 or labels.shape[1] != classes or not np.isin(labels, (0, 1)).all():
            raise DataError(
                f"{npz}: {name}_labels has the shape {labels.shape} and values of {labels.min(initial=0)} to "
                f"{labels.max(initial=0)}; expected 0 or 1 for each of {classes} labels of each image"
            )
        return [packed(np.flatnonzero(row).tolist()) for row in labels]
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise DataError(
            f"{npz}: {name}_labels has {labels.shape[1]} labels for each image; Augur needs one class for each image"
        )
    numbers = [int(label) for label in labels.reshape(-1)]
    wrong = sorted(set(numbers) - set(range(classes)))
    if wrong:
        raise DataError(
            f"{npz}: {name}_labels contains {', '.join(map(str, wrong[:5]))}; expected 0 to {classes - 1}"
        )
    return numbers


@lru_cache(maxsize=3)
def _images(npz: Path, split: str) -> np.ndarray:
    """uint8 (N, S, S) or (N, S, S, 3); in memory, or mapped from its unpacked file."""
    member = f"{split}_images"
    try:
        with zipfile.ZipFile(npz) as archive:
            large = archive.getinfo(f"{member}.npy").file_size > _IN_MEMORY
    except (KeyError, zipfile.BadZipFile) as error:
        raise _damaged(npz, error) from error
    if not large:
        return _array(npz, member)
    return np.load(_unpacked(npz, f"{member}.npy"), mmap_mode="r")


def _array(npz: Path, member: str) -> np.ndarray:
    try:
        with np.load(npz) as arrays:
            return arrays[member]
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(npz, error) from error


def _unpacked(npz: Path, member: str) -> Path:
    folder = npz.with_suffix(".unpacked")
    file = folder / member
    if file.is_file() and file.stat().st_mtime >= npz.stat().st_mtime:
        return file
    # Several processes may do the same work; none sees half of it.
    try:
        with (
            zipfile.ZipFile(npz) as archive,
            archive.open(member) as packed,
            written_whole(file) as partial,
            partial.open("wb") as opened,
        ):
            shutil.copyfileobj(packed, opened, 2**20)
    except OSError as error:
        raise DataError(
            f"{member} of {npz} is too large for memory and cannot be unpacked to {folder} ({error.strerror}): move "
            "the file to a writable folder with enough space"
        ) from error
    return file


def _damaged(npz: Path, error: Exception) -> DataError:
    return DataError(
        f"{npz} is damaged, or not a file of MedMNIST ({error}). It should contain train_images, train_labels, "
        "val_images, val_labels, test_images and test_labels; get it again: agent datasets get medmnist:FLAG"
    )

"""Which images of a decoded data set are also elsewhere: the leak guard of a test set with a folder of its own, and of
photos that become backgrounds.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tools.datasets.cache.always import AlwaysSource
from tools.datasets.cache.decode import UnreadableImage, decode
from tools.datasets.cache.pixels import PixelFolder
from tools.datasets.cache.read import CachedDataset, SplitView
from tools.datasets.config import DataConfig
from tools.datasets.splits.likeness import find_alike
from tools.datasets.splits.thumbnails import THUMB, thumbnail
from tools.datasets.types import Source
from tools.machine import usable_cores


def shared_images(seen: CachedDataset, tested: CachedDataset) -> list[tuple[str, str]]:
    """(file of `tested`, file of `seen`): the same bytes or a near-duplicate, each test image once.

    Args:
        seen: whose training and validation images are compared.
        tested: whose test images are; of the same size.
    """
    searched = [seen.split("train"), seen.split("validation")]
    views = [*searched, tested.open_test()]
    files = [file for view in views for file in view.files]
    first = len(files) - len(views[-1])
    contents = np.concatenate([_rows_of(view, "book")["content"] for view in views])
    found: dict[int, int] = {}
    at = {bytes(content): position for position, content in enumerate(contents[:first])}
    for position, content in enumerate(contents[first:], first):
        if (same := at.get(bytes(content))) is not None:
            found[position] = same
    thumbnails = np.concatenate([_rows_of(view, "thumbnails") for view in views])
    with tempfile.TemporaryDirectory(dir=seen.folder) as scratch:
        for pair in find_alike(thumbnails, scratch=Path(scratch)):
            if pair.one < first <= pair.other:
                found.setdefault(pair.other, pair.one)
    return [(files[position], files[same]) for position, same in sorted(found.items())]


def photos_held_out(
    data: CachedDataset, source: Source, config: DataConfig, photos: Sequence[Path]
) -> list[tuple[Path, str]]:
    """(photo, file of `data`): the photos that are test or validation images, each once.

    Args:
        data: whose validation and test images are compared.
        source: that its images were read from.
        config: that it was decoded with; `leak_guard` 'exact' compares bytes only.
        photos: of any origin; one that cannot be decoded looks like nothing.

    Raises:
        OSError: a photo cannot be read.
    """
    views = [data.open_test(), data.split("validation")]
    files = [file for view in views for file in view.files]
    contents = np.concatenate([_rows_of(view, "book")["content"] for view in views])
    at = {bytes(content): position for position, content in enumerate(contents)}

    def seen(photo: Path) -> tuple[bytes, np.ndarray]:
        encoded, nothing = photo.read_bytes(), np.zeros((THUMB, THUMB), np.uint8)
        digest = hashlib.sha256(encoded).digest()
        if isinstance(source, AlwaysSource):
            digest, encoded = source.content(digest), source.after(encoded, str(photo))
        if config.leak_guard == "exact" or digest in at:
            return digest, nothing
        try:
            pixels = decode(encoded, data.image_size, config.fit, config.max_pixels, data.span)
        except UnreadableImage:
            return digest, nothing
        return digest, thumbnail(pixels)

    with ThreadPoolExecutor(usable_cores()) as threads:
        looks = list(threads.map(seen, photos))
    found = {number: at[digest] for number, (digest, _) in enumerate(looks) if digest in at}
    if config.leak_guard == "near" and looks:
        thumbnails = [
            *(_rows_of(view, "thumbnails") for view in views),
            np.stack([each for _, each in looks]),
        ]
        with tempfile.TemporaryDirectory(dir=data.folder) as scratch:
            for pair in find_alike(np.concatenate(thumbnails), scratch=Path(scratch)):
                if pair.one < len(files) <= pair.other:
                    found.setdefault(pair.other - len(files), pair.one)
    return [(photos[number], files[same]) for number, same in sorted(found.items())]


def _rows_of(view: SplitView, kind: str) -> np.ndarray:
    """The rows of a view in the book or the thumbnails beside its pixels."""
    folder = PixelFolder(view.folder.parents[1])
    held = folder.book() if kind == "book" else np.load(folder.thumbnails, mmap_mode="r", allow_pickle=False)
    return np.asarray(held[view.images.rows])

"""Which images of one decoded data set are also in another: the leak guard of a test set with a folder of its own."""

import tempfile
from pathlib import Path

import numpy as np

from tools.datasets.cache.pixels import PixelFolder
from tools.datasets.cache.read import CachedDataset, SplitView
from tools.datasets.splits.likeness import find_alike


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


def _rows_of(view: SplitView, kind: str) -> np.ndarray:
    """The rows of a view in the book or the thumbnails beside its pixels."""
    folder = PixelFolder(view.folder.parents[1])
    held = folder.book() if kind == "book" else np.load(folder.thumbnails, mmap_mode="r", allow_pickle=False)
    return np.asarray(held[view.images.rows])

"""Which test set this is, whatever it is called and however it was decoded: what counts how often it was opened."""

import hashlib
from pathlib import Path

import numpy as np

from tools.datasets.cache.pixels import PixelFolder, read_part
from tools.datasets.cache.read import SplitView, open_cache
from tools.datasets.label_sets import packed
from tools.errors import DataError


def test_digest(view: SplitView) -> str:
    """Hex SHA-256 of the files' bytes in `view` and of which of them share a label.

    It does not depend on the image size, on how images fit into it, on the other splits, on the order of the images,
    or on the names of files, folders and classes.
    """
    book = PixelFolder(view.folder.parents[1]).book()
    labels = [
        packed(np.flatnonzero(row).tolist()) if view.labels.ndim == 2 else int(row) for row in view.labels
    ]
    contents = [bytes(content) for content in np.asarray(book["content"][view.images.rows])]
    # Classes are numbered by their first image in the order of contents: no name counts.
    first = dict.fromkeys(labels, b"")
    for content, label in sorted(zip(contents, labels, strict=True), reverse=True):
        first[label] = content
    number = {label: at for at, label in enumerate(sorted(first, key=lambda label: (first[label], label)))}
    digest = hashlib.sha256()
    for content, label in sorted(
        (content, number[label]) for content, label in zip(contents, labels, strict=True)
    ):
        digest.update(content + label.to_bytes(4, "big"))
    return digest.hexdigest()


test_digest.__test__ = False  # type: ignore[attr-defined]  # pytest must not collect it


def digest_by_fingerprint(root: Path, fingerprint: str) -> str | None:
    """The digest of the test set of the data with that fingerprint, if they lie in `root`, the folder of caches."""
    for meta in root.glob("*/views/*/meta.json"):
        try:
            if read_part(meta).get("fingerprint") == fingerprint:
                return test_digest(open_cache(meta.parent).open_test())
        except (DataError, OSError, KeyError):
            continue  # of another version, or half deleted: then it cannot be known
    return None

"""Whether the images of a data set are grey: red, green and blue are equal, so that operations on colour do nothing."""

import logging
from pathlib import Path

import numpy as np

from tools.datasets.cache.look import KINDS, Kind
from tools.datasets.cache.pixels import PixelFolder
from tools.datasets.cache.read import CachedDataset, Rows
from tools.files import DamagedFile, read_checked_json, write_checked_json

_log = logging.getLogger(__name__)

_KEPT = "grey.json"
_ALWAYS_GREY: tuple[Kind, ...] = ("1 bit", "8-bit grey", "16-bit grey")
_TOLERANCE = 3
"""Levels by which the channels of a grey JPEG that was stored in colour may differ, by rounding."""
_SAMPLE = 64
_CHUNK_PIXELS = 16_000_000


def is_grey(data: CachedDataset) -> bool:
    """Whether red, green and blue are equal in every training and validation image.

    Some images are looked at first: where one has colour, no more are read. Files that store a single channel need no
    look. The answer is kept in the cache folder.
    """
    file = data.folder / _KEPT
    kept = _kept(file)
    if kept is None:
        kept = all(_all_grey(data.split(name).images, data.folder) for name in ("train", "validation"))
        write_checked_json(file, {"grey": kept})
    return kept


def _kept(file: Path) -> bool | None:
    try:
        return bool(read_checked_json(file)["grey"])
    except FileNotFoundError:
        return None
    except (DamagedFile, KeyError) as damage:
        _log.warning("%s: whether the images are grey is looked up again", damage)
        return None


def _all_grey(images: Rows, view: Path) -> bool:
    looks = PixelFolder(view.parent.parent).looks()[images.rows]
    single = np.isin(looks["kind"], [KINDS.index(kind) for kind in _ALWAYS_GREY]) & (looks["seen"] == 1)
    unknown = np.flatnonzero(~single)
    sample = unknown[np.linspace(0, len(unknown) - 1, min(_SAMPLE, len(unknown))).astype(int)]
    step = max(1, _CHUNK_PIXELS // max(1, int(np.prod(images.shape[1:3]))))
    starts = range(0, len(unknown), step)
    return all(
        have_no_colour(images[at]) for at in (sample, *(unknown[start : start + step] for start in starts))
    )


def have_no_colour(images: np.ndarray) -> bool:
    """Whether no pixel of images, uint8 (…, 3), has a colour."""
    return not len(images) or int(np.ptp(images, axis=-1).max()) <= _TOLERANCE

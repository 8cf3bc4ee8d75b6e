"""The training images that synthetic ones are made from: rows of the cache, read again at their own size.

Rows, labels and groups come from the cache's training split alone, so an image that the cache skipped (unreadable, or
dropped for a leak) is not a source, and no validation or test image can become one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageOps

from tools.aga.types import SourceImage
from tools.datasets.cache.decode import Fit, UnreadableImage, open_rgb, read_header
from tools.datasets.cache.levels import Span
from tools.datasets.cache.read import CachedDataset, SplitView
from tools.datasets.types import Dataset, Source
from tools.errors import DataError

_RESAMPLING = Image.Resampling.BILINEAR
"""As in `tools/datasets/cache/decode.py`, whose pixels the fitted ones should equal as far as possible."""


class TrainingSources:
    """The training images by their row, decoded on access. Pickles as names, never as pixels."""

    def __init__(self, source: Source, view: SplitView, max_side: int, span: Span | None = None) -> None:
        self.source = source
        self.max_side = max_side
        self._span = span
        self._view = view

    def __len__(self) -> int:
        return len(self._view)

    def only(self, rows: Sequence[int]) -> "TrainingSources":
        """Those of some rows, numbered from 0 from then on. For this process: a view pickles as its whole split."""
        view, index = self._view, np.asarray(rows, dtype=np.int64)
        chosen = replace(
            view,
            images=view.images.only(index),
            labels=np.asarray(view.labels)[index],
            files=[view.files[row] for row in rows],
            groups=[view.groups[row] for row in rows],
        )
        return TrainingSources(self.source, chosen, self.max_side, self._span)

    def __getitem__(self, row: int) -> SourceImage:
        """The image of a training row, its longer side at most `max_side` unless the training images' is longer.

        Raises:
            DataError: it can no longer be read.
        """
        return self.encoded(row).decoded()

    def encoded(self, row: int) -> "EncodedImage":
        """The image of a training row, not decoded yet: small, and so that another machine can decode it.

        Raises:
            DataError: it can no longer be read.
        """
        facts = (self.file(row), self.label(row), self.group(row))
        where = self.source.where(self.file(row))
        return EncodedImage(row, *facts, self._bytes(row), self.max_side, self.image_size, self._span, where)

    def file(self, row: int) -> str:
        """How the data set names the image."""
        return self._view.files[row]

    def label(self, row: int) -> int:
        """Its class."""
        return int(self._view.labels[row])

    def group(self, row: int) -> str:
        """Its group (a patient, a source photo)."""
        return self._view.groups[row]

    def digest(self, row: int) -> str:
        """Hex SHA-256 of the encoded image, without decoding it."""
        return hashlib.sha256(self._bytes(row)).hexdigest()

    @property
    def image_size(self) -> int:
        """Side of the training images in pixels."""
        return self._view.images.shape[1]

    def training_pixels(self, row: int) -> np.ndarray:
        """The image as trials see it, uint8 (S, S, 3): the cache's own, so equal to the bit."""
        return self._view.images.read(row)

    def _bytes(self, row: int) -> bytes:
        try:
            return self.source.read(self.file(row))
        except OSError as error:
            raise _changed(self.source.where(self.file(row)), error.strerror or str(error)) from error


@dataclass(frozen=True)
class EncodedImage:
    """A training image and how it is decoded; pickles as its bytes."""

    row: int
    file: str
    label: int
    group: str
    data: bytes
    max_side: int
    image_size: int
    span: Span | None
    where: str
    """The file, for errors."""

    def decoded(self) -> SourceImage:
        """As `TrainingSources` gives it.

        Raises:
            DataError: it is broken.
        """
        try:
            pixels = decode_whole(self.data, self.max_side, self.span)
        except UnreadableImage as error:
            raise _changed(self.where, str(error)) from error
        pixels = _enlarged(pixels, self.image_size)
        return SourceImage(
            self.row,
            self.file,
            pixels,
            self.label,
            self.group,
            hashlib.sha256(self.data).hexdigest(),
            max(pixels.shape[:2]) / _longer_side(self.data),
        )


def _changed(where: str, reason: str) -> DataError:
    return DataError(
        f"{where} was readable when the data set was opened, and is no longer ({reason}): restore it, or run again so "
        "that the data set is read again"
    )


def _longer_side(data: bytes) -> int:
    """Of the encoded image, in pixels; it was decoded before."""
    header = read_header(data)
    return max(header.width, header.height)


def _enlarged(pixels: np.ndarray, side: int) -> np.ndarray:
    """At least `side` pixels along the longer side: a smaller mask would be coarser than the training images."""
    height, width = pixels.shape[:2]
    longer = max(height, width)
    if longer >= side:
        return pixels
    size = (max(1, round(width * side / longer)), max(1, round(height * side / longer)))
    return np.asarray(Image.fromarray(pixels).resize(size, _RESAMPLING))


def training_sources(dataset: Dataset, cached: CachedDataset, max_side: int) -> TrainingSources:
    """The training images of a data set as sources.

    Args:
        dataset: where the bytes come from.
        cached: says which images are for training; made from the same data set.
        max_side: larger images are shrunk to this longer side, in pixels.
    """
    return TrainingSources(dataset.source, cached.split("train"), max_side, cached.span)


def decode_whole(data: bytes, max_side: int, span: Span | None = None) -> np.ndarray:
    """Decode an image in its own proportions, by the rules of `datasets/cache/decode.py` (EXIF, transparency, 16 bits).

    The number of pixels was checked when the cache was made.

    Args:
        data: the encoded image.
        max_side: larger images are shrunk to this longer side, in pixels.
        span: the numbers that become black and white, as in the cache.

    Returns:
        uint8 (H, W, 3), RGB; the longer of H and W is at most `max_side`.

    Raises:
        UnreadableImage: it is broken.
    """
    rgb, _ = open_rgb(data, 2 * max_side, None, span)
    longer = max(rgb.size)
    if longer > max_side:
        width, height = (max(1, round(side * max_side / longer)) for side in rgb.size)
        rgb = rgb.resize((width, height), _RESAMPLING)
    return np.asarray(rgb, dtype=np.uint8)


def fitted(pixels: np.ndarray, size: int, fit: Fit) -> np.ndarray:
    """Make a picture a square as the cache does.

    Args:
        pixels: uint8 (H, W, 3).
        size: side of the result.
        fit: stretch both sides, crop the centre, or pad with black.

    Returns:
        uint8 (size, size, 3).
    """
    return np.asarray(_square(Image.fromarray(pixels), size, fit), dtype=np.uint8)


def fitted_mask(mask: np.ndarray, size: int, fit: Fit) -> np.ndarray:
    """Make a mask a square as the cache does its image: True where at least half of a pixel is.

    Args:
        mask: bool (H, W).
        size: side of the result.
        fit: as for the image; padding is False.

    Returns:
        bool (size, size).
    """
    levels = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(_square(levels, size, fit), dtype=np.uint8) >= 128


def _square(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    if fit == "crop":
        return ImageOps.fit(image, (size, size), _RESAMPLING)
    if fit == "pad":
        return ImageOps.pad(image, (size, size), _RESAMPLING, color=0)
    return image.resize((size, size), _RESAMPLING)

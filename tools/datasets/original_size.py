"""How large images are as they are stored, before they are resized for training."""

import io
import warnings
from collections.abc import Sequence
from statistics import median

from tools.datasets.types import Source

SAMPLE = 64
"""Images that are looked at, evenly spread."""
_LYING = (5, 6, 7, 8)
"""EXIF orientations in which width and height are exchanged."""


def median_size(source: Source, files: Sequence[str]) -> tuple[int, int] | None:
    """Median (width, height) in pixels of a sample of `files`, upright; None where none can be opened.

    Only headers are decoded. A file that cannot be opened is left out: decoding names it and says why.
    """
    sizes = [size for file in files[:: max(1, -(-len(files) // SAMPLE))] if (size := _size(source, file))]
    if not sizes:
        return None
    widths, heights = zip(*sizes, strict=True)
    return round(median(widths)), round(median(heights))


def _size(source: Source, file: str) -> tuple[int, int] | None:
    from PIL import ExifTags, Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about size and metadata: decoding says what matters
            with Image.open(io.BytesIO(source.read(file))) as image:
                width, height = image.size
                lying = image.getexif().get(ExifTags.Base.Orientation, 1) in _LYING
    except Exception:  # any fault of a broken header
        return None
    return (height, width) if lying else (width, height)

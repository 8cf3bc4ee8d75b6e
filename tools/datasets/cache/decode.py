"""Decode one image to a square of RGB bytes, or say why it cannot be used.

Decided here, for every data set and every trial:

- Resizing is Pillow's bilinear filter, which widens with the scale and so does not alias (the same as
  torchvision's `Resize(antialias=True)` on PIL images). A JPEG is first scaled down inside its decoder (DCT
  domain, `Image.draft`) to no less than twice the target's side. The result differs by one or two grey levels on
  average (more at sharp edges), and decoding is two to three times as fast.
- EXIF orientation is applied. Colour profiles are not, as in torchvision's loaders.
- Transparent pixels become black, as padding (`fit: pad`) and geometric augmentation do: a transparent border looks
  like any other border and cannot become a cue of its own.
- 16-bit grey is divided by the range of its type (65535 becomes 255), not by the image's own minimum and maximum:
  brightness stays comparable between images, and an almost empty image is not amplified into noise. 16-bit colour
  keeps its high byte. Floating-point pixels, and integers beyond 16 bits, have no agreed range and are rejected. The
  setting `data.range` replaces the range of the type by that of the data set (`value_range.py`), for all of these.
- DICOM files are shown by their own window (`dicom.py`).
- Faults of metadata (texts, colour profile, EXIF) are none of the pixels: the image is decoded without them.
- Of an animation or a stack of pages, the first frame is used.
"""

import io
import logging
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageFile, ImageOps

from tools.datasets.cache.dicom import dicom_size, is_dicom, read_dicom
from tools.datasets.cache.levels import (
    BACKGROUND,
    Span,
    UnreadableImage,
    as_rgb,
    deep_colours,
    is_deep_colour,
    scaled,
    stored_as_rgb,
)
from tools.datasets.cache.look import NOTHING, Flag, Stored, look_at
from tools.datasets.cache.metadata import without_metadata
from tools.datasets.formats import kind_of, register_heif, remedy

__all__ = ["Fit", "UnreadableImage", "as_rgb", "decode", "decode_and_look", "open_rgb", "read_header"]

Fit = Literal["stretch", "crop", "pad"]

_RESAMPLING = Image.Resampling.BILINEAR
_DRAFT = 2
"""A JPEG is decoded to at least this many times the target's side."""
_ORIENTATION = 0x0112
_SEVERAL_FRAMES = frozenset(["GIF", "TIFF", "WEBP", "PNG", "AVIF", "FLI"])
"""Formats whose further frames are pictures of their own, and not smaller copies."""

# What Pillow logs is not for the terminal: what it cannot read is raised.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def decode(data: bytes, size: int, fit: Fit, max_pixels: int, span: Span | None = None) -> np.ndarray:
    """Decode an image and make it a square.

    Args:
        data: the encoded image, in any format that Pillow reads, or DICOM.
        size: side of the result in pixels.
        fit: stretch both sides to `size`; crop the centre to a square first; or pad the shorter side with black.
        max_pixels: an image whose header states more is rejected before it is decoded.
        span: the numbers that become black and white, for pixels of more than 8 bits; their type's range if None.

    Returns:
        uint8 array (size, size, 3), RGB, 0..255.

    Raises:
        UnreadableImage: empty, not an image, truncated, broken, too large, or of a kind without an agreed range.
    """
    return decode_and_look(data, size, fit, max_pixels, span)[0]


def decode_and_look(
    data: bytes, size: int, fit: Fit, max_pixels: int, span: Span | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """As `decode`; and what the image looked like, a row of `look.LOOK`."""
    rgb, stored = open_rgb(data, size * _DRAFT, max_pixels, span)
    if fit == "crop":
        square = ImageOps.fit(rgb, (size, size), _RESAMPLING)
    elif fit == "pad":
        square = ImageOps.pad(rgb, (size, size), _RESAMPLING, color=BACKGROUND)
    else:
        square = rgb.resize((size, size), _RESAMPLING)
    pixels = np.asarray(square, dtype=np.uint8)
    return pixels, look_at(stored, pixels)


def open_rgb(
    data: bytes, draft: int, max_pixels: int | None, span: Span | None = None
) -> tuple[Image.Image, Stored]:
    """Decode an image in its own proportions.

    Args:
        data: as for `decode`.
        draft: a JPEG may be scaled down inside its decoder to no less than this side.
        max_pixels: as for `decode`; None for any number.
        span: as for `decode`.

    Returns:
        The image, upright, 8-bit RGB; and what its file holds.

    Raises:
        UnreadableImage: as for `decode`.
    """
    if not data:
        raise UnreadableImage("empty file")
    # A program that embeds this one may have switched it on, but half an image must never be used.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            rgb, stored = _open_anyhow(data, draft, max_pixels, span)
        bad = any("Corrupt EXIF" in str(each.message) for each in told)
        return rgb, stored.flagged(Flag.BAD_METADATA) if bad else stored
    except (UnreadableImage, MemoryError):
        raise
    except Image.UnidentifiedImageError as error:
        kind = kind_of(data[:4096])
        if kind == "HEIF":
            raise UnreadableImage(f"a HEIC image: {remedy('.heic')}") from error
        raise UnreadableImage("not an image, or of an unknown format") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImage(
            f"more pixels than max_pixels = {max_pixels} (a decompression bomb?)"
        ) from error
    except Exception as error:
        # Pillow's plugins raise many types of error on broken files (SyntaxError, struct.error, zlib.error, …).
        raise UnreadableImage(str(error) or type(error).__name__) from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@dataclass(frozen=True)
class Header:
    """What an image says of itself before its pixels: size in pixels as stored, Pillow's mode and format."""

    width: int
    height: int
    mode: str
    format: str


def read_header(data: bytes) -> Header:
    """The header of an encoded image; no pixel is decoded, and nothing reaches the terminal.

    Raises:
        UnreadableImage: it is no image, or its header is broken.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if is_dicom(data):
                return Header(*dicom_size(data), "DICOM", "DICOM")
            if data[4:8] == b"ftyp":
                register_heif()
            return _header(data)
        except UnreadableImage:
            raise
        except Exception as error:
            if (shorter := without_metadata(data)) is not None:
                with suppress(Exception):
                    return _header(shorter)
            raise UnreadableImage(str(error) or type(error).__name__) from error


def _header(data: bytes) -> Header:
    with Image.open(io.BytesIO(data)) as image:
        return Header(*image.size, image.mode, image.format or "unknown")


def _open_anyhow(
    data: bytes, draft: int, max_pixels: int | None, span: Span | None
) -> tuple[Image.Image, Stored]:
    """Open it; if that fails and it can be opened without its metadata, these were at fault."""
    if is_dicom(data):
        return read_dicom(data, max_pixels, span)
    try:
        return _open(data, draft, max_pixels, span)
    except (UnreadableImage, MemoryError, Image.DecompressionBombError):
        raise
    except Exception:
        shorter = without_metadata(data)
        if shorter is None:
            raise
        try:
            rgb, stored = _open(shorter, draft, max_pixels, span)
        except (UnreadableImage, MemoryError, Image.DecompressionBombError, Image.UnidentifiedImageError):
            raise
        except Exception as still:
            # Without its metadata it fails as well, for the reason that counts.
            raise UnreadableImage(str(still) or type(still).__name__) from still
        return rgb, stored.flagged(Flag.BAD_METADATA)


def _open(data: bytes, draft: int, max_pixels: int | None, span: Span | None) -> tuple[Image.Image, Stored]:
    if data[4:8] == b"ftyp":
        register_heif()
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        if max_pixels is not None and width * height > max_pixels:
            raise UnreadableImage(
                f"{width} x {height} pixels, more than max_pixels = {max_pixels} (a decompression bomb?)"
            )
        image.draft(image.mode, (draft, draft))
        flags = _flags(data, image)
        image.load()
        turn, known = _turn(image)
        if is_deep_colour(data, image):
            rgb, stored = _deep_colour(data, image, span)
        else:
            rgb, stored = stored_as_rgb(image, span)
        if turn is not None:
            rgb, flags = rgb.transpose(turn), flags | Flag.TURNED
        return rgb, stored.flagged(flags if known else flags | Flag.BAD_METADATA)


def _deep_colour(data: bytes, image: Image.Image, span: Span | None) -> tuple[Image.Image, Stored]:
    if span is None:
        rgb, stored = stored_as_rgb(image)
        return rgb, Stored("16-bit colour", flags=stored.flags)
    values = deep_colours(data)
    rgb = Image.fromarray(scaled(values, span))
    return rgb, Stored("16-bit colour", float(values.min()), float(values.max()))


def _flags(data: bytes, image: Image.Image) -> Flag:
    flags = NOTHING
    if image.format in _SEVERAL_FRAMES and _has_frames(data):
        flags |= Flag.FRAMES
    if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
        flags |= Flag.PLAIN_CMYK
    return flags


def _has_frames(data: bytes) -> bool:
    """Whether it has a second frame; asked of another opening, since looking for it may leave the first."""
    if data.startswith(b"\x89PNG") and b"acTL" not in data[: data.find(b"IDAT")]:
        return False
    try:
        with Image.open(io.BytesIO(data)) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # a fault of a later frame is none of the first
        return False


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _turn(image: Image.Image) -> tuple[Image.Transpose | None, bool]:
    """What makes the image upright, as its EXIF orientation says; and whether that could be read."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1)), True
    except Exception:  # Pillow raises many types of error on malformed EXIF data
        return None, False

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
  keeps its high byte. Floating-point pixels, and integers beyond 16 bits, have no agreed range and are rejected.
- Of an animation or a stack of pages, the first frame is used.
"""

import io
import warnings
from typing import Literal

import numpy as np
from PIL import Image, ImageFile, ImageOps

Fit = Literal["stretch", "crop", "pad"]

_RESAMPLING = Image.Resampling.BILINEAR
_DRAFT = 2
"""A JPEG is decoded to at least this many times the target's side."""
_BACKGROUND = (0, 0, 0)


class UnreadableImage(Exception):
    """The image cannot be used; the text says why, without naming the file."""


def decode(data: bytes, size: int, fit: Fit, max_pixels: int) -> np.ndarray:
    """Decode an image and make it a square.

    Args:
        data: the encoded image, in any format that Pillow reads.
        size: side of the result in pixels.
        fit: stretch both sides to `size`; crop the centre to a square first; or pad the shorter side with black.
        max_pixels: an image whose header states more is rejected before it is decoded.

    Returns:
        uint8 array (size, size, 3), RGB, 0..255.

    Raises:
        UnreadableImage: empty, not an image, truncated, broken, too large, or of a kind without an agreed range.
    """
    if not data:
        raise UnreadableImage("empty file")
    # A program that embeds this one may have switched it on, but half an image must never be used.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(data, size, fit, max_pixels)
    except (UnreadableImage, MemoryError):
        raise
    except Image.UnidentifiedImageError as error:
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


def _decode(data: bytes, size: int, fit: Fit, max_pixels: int) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise UnreadableImage(
                f"{width} x {height} pixels, more than max_pixels = {max_pixels} (a decompression bomb?)"
            )
        image.draft(image.mode, (size * _DRAFT, size * _DRAFT))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        rgb = as_rgb(image)
    if fit == "crop":
        square = ImageOps.fit(rgb, (size, size), _RESAMPLING)
    elif fit == "pad":
        square = ImageOps.pad(rgb, (size, size), _RESAMPLING, color=_BACKGROUND)
    else:
        square = rgb.resize((size, size), _RESAMPLING)
    return np.asarray(square, dtype=np.uint8)


def as_rgb(image: Image.Image) -> Image.Image:
    """The image as 8-bit RGB, by the rules at the top of this file."""
    if image.mode.startswith("I"):
        image = _from_integers(image)
    if image.mode == "F":
        raise UnreadableImage("floating-point pixels have no agreed range: save it with 8 or 16 bits")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        background = Image.new("RGBA", opaque.size, (*_BACKGROUND, 255))
        return Image.alpha_composite(background, opaque).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_integers(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise UnreadableImage(
            f"pixels from {values.min()} to {values.max()} do not fit 16 bits: save it with 8 or 16 bits"
        )
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))

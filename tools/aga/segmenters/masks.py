"""Masks as bytes: 1-bit PNG, a hundredth of the array's size, and any viewer opens it."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tools.errors import DataError


def encode_mask(mask: np.ndarray) -> bytes:
    """A mask, bool (H, W), as a black and white PNG; `decode_mask` gives it back exactly.

    Raises:
        ValueError: the array is not bool, not (H, W), or has no pixels.
    """
    if mask.dtype != np.bool_ or mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"a mask is bool (H, W), at least one pixel; this is {mask.dtype} {mask.shape}")
    encoded = io.BytesIO()
    Image.fromarray(mask).save(encoded, "PNG")
    return encoded.getvalue()


def decode_mask(encoded: bytes, where: str = "a mask") -> np.ndarray:
    """The mask that `encode_mask` was given, bool (H, W).

    Args:
        encoded: what `encode_mask` returned.
        where: its file, for the error.

    Raises:
        DataError: the bytes are cut off, or no 1-bit PNG.
    """
    with _open(io.BytesIO(encoded), where) as image:
        if image.mode != "1":
            raise DataError(
                f"{where} is no mask of Augur (mode {image.mode}, not 1 bit): remove it, it is made anew"
            )
        return np.array(image, dtype=np.bool_)


def read_mask(file: Path) -> np.ndarray:
    """A mask that a data set brings, as bool (H, W): the subject is what is brighter than half of the brightest.

    So 0 and 1, 0 and 255, and the shares of several annotators (CUB-200-2011) are all understood.

    Raises:
        DataError: the file is missing, or is no image.
    """
    with _open(file, str(file)) as image:
        # An index into a palette is the label itself, whatever colour it is drawn in.
        values = np.asarray(image if image.mode in ("1", "L", "P", "I;16", "I", "F") else image.convert("L"))
    values = values.astype(np.float64)
    return values > values.max() / 2


def _open(source: Path | io.BytesIO, where: str) -> Image.Image:
    try:
        image = Image.open(source)
        image.load()
    except FileNotFoundError as error:
        raise DataError(f"there is no mask {where}: give the right folder of masks") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"the mask {where} cannot be read ({error}): replace or remove it") from error
    return image

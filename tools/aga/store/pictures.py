"""Masks and backgrounds as they are kept in the store. Light: imports NumPy and Pillow."""

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from tools.aga.types import Box

_TEXT = "subject"
"""Of the PNG: the box as JSON, or null where there was none."""


def kept_picture(file: Path | IO[bytes]) -> np.ndarray | None:
    """A background, uint8 (S, S, 3); None where the file is missing or damaged, and so has to be made again."""
    try:
        with Image.open(file) as image:
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        return None


def kept_mask(file: Path | IO[bytes]) -> tuple[np.ndarray, Box | None] | None:
    """A mask, bool (H, W), and its box; None where the file is missing or damaged, and so has to be made again."""
    try:
        with Image.open(file) as image:
            assert isinstance(image, PngImageFile)
            mask = np.array(image)
            box = json.loads(image.text[_TEXT])
    except (OSError, ValueError, KeyError, SyntaxError):
        return None
    return mask, None if box is None else Box(**box)


def encoded_mask(mask: np.ndarray, box: Box | None) -> bytes:
    """A PNG of one bit a pixel."""
    text = PngInfo()
    text.add_text(_TEXT, json.dumps(None if box is None else asdict(box)))
    encoded = io.BytesIO()
    Image.fromarray(np.asarray(mask, bool)).save(encoded, "PNG", pnginfo=text)
    return encoded.getvalue()

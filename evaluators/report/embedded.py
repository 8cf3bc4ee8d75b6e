"""Pictures of a study's folder within the page itself, which loads nothing."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PICTURES = 3_400_000
"""Bytes of all pictures on a page, at most; those that come later are left out, and their files named."""
_WIDEST = 1400
"""Pixels of a picture on the page."""


@dataclass(frozen=True)
class Embedded:
    """A picture within the page."""

    source: str
    width: int
    height: int


def embed(folder: Path, files: Sequence[str]) -> dict[str, Embedded | None]:
    """Each file as a picture within the page; None where it is not there, or does not fit any more."""
    found: dict[str, Embedded | None] = {}
    left = _PICTURES
    for file in files:
        path = folder / file
        one = _as_embedded(path) if path.is_file() else None
        size = len(one.source) if one else 0
        found[file] = one if size <= left else None
        left -= size if size <= left else 0
    return found


def _as_embedded(path: Path) -> Embedded | None:
    """A picture as WebP, no wider than a page shows it; None where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except OSError:
        return None
    if image.width > _WIDEST:
        height = math.ceil(image.height * _WIDEST / image.width)
        image = image.resize((_WIDEST, height), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=82, method=2)
    text = base64.b64encode(stream.getvalue()).decode()
    return Embedded(f"data:image/webp;base64,{text}", image.width, image.height)

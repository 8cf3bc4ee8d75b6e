"""What a model may look at before it proposes: the training images, what a policy or prompts make of them, the errors
of the reference, the results. A file for each tool; `runner.py` runs them. Pixels are of training images alone."""

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

SHEET_SIDE = 768
"""Sides of a picture in pixels, at most: for the usual providers one tile or four, some hundreds of tokens."""
MOST_CLASSES = 24
"""Classes that one answer lists."""


@dataclass(frozen=True)
class ToolResult:
    """What the model reads, and a PNG in base64 where there is one."""

    text: str
    picture: str | None = None
    kept: str = ""
    """The text without what it says of the picture, for later prompts; empty where it is the same."""


def encoded(sheet: "Image", tall: bool = False) -> str:
    """A picture as PNG in base64, no side longer than `SHEET_SIDE`; with `tall`, up to twice as high."""
    sheet.thumbnail((SHEET_SIDE, SHEET_SIDE * (2 if tall else 1)))
    stream = BytesIO()
    sheet.save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()

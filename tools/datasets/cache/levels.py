"""From the numbers that a file holds to 8-bit RGB: bit depth, transparency, colour models.

The rules are stated in `decode.py`.
"""

import numpy as np
from PIL import Image

from tools.datasets.cache.look import NOTHING, Flag, Kind, Stored

BACKGROUND = (0, 0, 0)
"""What transparent pixels and padding become."""

Span = tuple[float, float]
"""The numbers that become black and white."""

TYPE: Span = (0, 65535)
"""Of 16 bits."""


class UnreadableImage(Exception):
    """The image cannot be used; the text says why, without naming the file."""


def as_rgb(image: Image.Image, span: Span | None = None) -> Image.Image:
    """The image as 8-bit RGB.

    Args:
        image: decoded by Pillow.
        span: for pixels of more than 8 bits; by the range of their type if None.

    Raises:
        UnreadableImage: its numbers have no agreed range.
    """
    return stored_as_rgb(image, span)[0]


def stored_as_rgb(image: Image.Image, span: Span | None = None) -> tuple[Image.Image, Stored]:
    """As `as_rgb`, with what was stored."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        kind: Kind = "floating-point" if image.mode == "F" else "16-bit grey"
        low, high = float(values.min()), float(values.max())
        _check_range(kind, low, high, span)
        grey = Image.fromarray(scaled(values, span or TYPE))
        return grey.convert("RGB"), Stored(kind, low, high)
    stored = Stored(_KINDS.get(image.mode, "8-bit colour"))
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        laid = Image.alpha_composite(Image.new("RGBA", opaque.size, (*BACKGROUND, 255)), opaque)
        return laid.convert("RGB"), stored.flagged(_hides(opaque))
    return image if image.mode == "RGB" else image.convert("RGB"), stored


_KINDS: dict[str, Kind] = {
    "1": "1 bit",
    "L": "8-bit grey",
    "LA": "8-bit grey",
    "La": "8-bit grey",
    "CMYK": "CMYK",
}


def scaled(values: np.ndarray, span: Span) -> np.ndarray:
    """Numbers as grey levels, uint8: the span becomes 0..255; what is outside becomes black or white."""
    low, high = span
    if span == TYPE and np.issubdtype(values.dtype, np.integer):
        return ((values.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8)
    with np.errstate(invalid="ignore"):
        share = (values.astype(np.float64) - low) / (high - low)
    return np.rint(np.clip(np.nan_to_num(share), 0, 1) * 255).astype(np.uint8)


def _check_range(kind: Kind, low: float, high: float, span: Span | None) -> None:
    if kind == "floating-point" and not (np.isfinite(low) and np.isfinite(high)):
        raise UnreadableImage("some of its floating-point pixels are not finite numbers: replace them")
    if span is not None:
        return
    if kind == "floating-point":
        raise UnreadableImage(
            f"floating-point pixels (here from {low:g} to {high:g}) have no agreed range: give theirs, such as "
            "--data.range 0:1, or save it with 8 or 16 bits"
        )
    if low < 0 or high > TYPE[1]:
        raise UnreadableImage(
            f"pixels from {low:g} to {high:g} do not fit 16 bits: give their range, as --data.range {low:g}:{high:g}, "
            "or save it with 8 or 16 bits"
        )


def _hides(opaque: Image.Image) -> Flag:
    """Whether most of the picture is transparent, and something is painted under that."""
    alpha = np.asarray(opaque.getchannel("A"))
    hidden = alpha == 0
    if alpha.min() == 255:
        return NOTHING
    if hidden.mean() <= 0.5:
        return Flag.TRANSPARENT
    under = np.asarray(opaque)[hidden][:, :3]
    painted = bool((under.max(axis=0) - under.min(axis=0)).max() > 8)
    return Flag.TRANSPARENT | Flag.HIDES_PICTURE if painted else Flag.TRANSPARENT


def is_deep_colour(data: bytes, image: Image.Image) -> bool:
    """Whether the colours have 16 bits each, of which Pillow keeps the high byte."""
    if image.format == "PNG":
        return data[24:25] == b"\x10" and image.mode in ("RGB", "RGBA", "LA")
    if image.format == "TIFF" and image.mode in ("RGB", "RGBA"):
        bits = getattr(image, "tag_v2", {}).get(258, (8,))
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    return False


def deep_colours(data: bytes) -> np.ndarray:
    """All 16 bits of the colours, uint16 (H, W, 3), RGB; not turned by EXIF.

    Raises:
        UnreadableImage: OpenCV cannot decode it.
    """
    import cv2

    values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise UnreadableImage("16-bit colours that cannot be decoded: save it with 8 bits")
    if values.ndim == 2:
        return np.repeat(values[..., None], 3, axis=2)
    colours = values[..., 2::-1] if values.shape[2] >= 3 else np.repeat(values[..., :1], 3, axis=2)
    if values.shape[2] == 4:
        colours = np.where(values[..., 3:] == 0, 0, colours)
    return np.ascontiguousarray(colours)

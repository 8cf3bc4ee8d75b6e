"""The pixels of a PNG or JPEG without its texts, colour profile and camera data, whose faults are none of the pixels.

Pillow refuses an image whose metadata is too large, truncated or malformed, before it looks at a pixel.
"""

import struct

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset([b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"])
"""What the pixels of the first frame are made of."""
_JPEG = b"\xff\xd8"
_SCAN = 0xDA
_APPLICATION = range(0xE0, 0xF0)
_COMMENT = 0xFE
_JFIF, _ADOBE = 0xE0, 0xEE
"""The two segments of applications that say how colours are stored."""
_ALONE = frozenset([0x01, *range(0xD0, 0xD9)])
"""Markers without a length."""


def without_metadata(data: bytes) -> bytes | None:
    """The same image without metadata.

    Args:
        data: an encoded image.

    Returns:
        The image; None where there is nothing to remove, or the format is neither PNG nor JPEG.
    """
    try:
        if data.startswith(_PNG):
            shorter = _png(data)
        elif data.startswith(_JPEG):
            shorter = _jpeg(data)
        else:
            return None
    except (struct.error, IndexError):  # it ends within a header: the pixels are not all there
        return None
    return shorter if len(shorter) < len(data) else None


def _png(data: bytes) -> bytes:
    kept = [_PNG]
    at = len(_PNG)
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if name in _PNG_KEPT:
            kept.append(data[at:end])
        if name == b"IEND":
            break
        at = end
    return b"".join(kept)


def _jpeg(data: bytes) -> bytes:
    kept = [_JPEG]
    at = len(_JPEG)
    while True:
        marker = data[at + 1]
        if data[at] != 0xFF:
            at += 1  # bytes between segments, which decoders skip
        elif marker == 0xFF:
            at += 1  # padding
        elif marker in _ALONE:
            kept.append(data[at : at + 2])
            at += 2
        elif marker == _SCAN:
            return b"".join([*kept, data[at:]])
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            is_metadata = marker == _COMMENT or (marker in _APPLICATION and marker not in (_JFIF, _ADOBE))
            if not is_metadata:
                kept.append(data[at : at + 2 + length])
            at += 2 + length

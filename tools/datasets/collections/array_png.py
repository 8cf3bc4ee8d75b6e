"""Images that a data set holds as arrays: given out as PNG, so that they take the same way as any other image."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def stored_png(image: "Image.Image") -> bytes:
    """The image as a PNG, any mode that PNG has.

    Stored, not compressed: the bytes, and so the fingerprint, must not depend on the version of zlib.
    """
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=0)
    return encoded.getvalue()

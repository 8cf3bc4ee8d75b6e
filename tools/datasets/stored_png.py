"""Images that a data set holds as arrays, as PNG: from there on they are treated like any other image."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


def stored_png(image: "Image.Image") -> bytes:
    """The image, of any mode that PNG has, as an uncompressed PNG.

    Compressed bytes, and so the fingerprint of the data set, would depend on the version of zlib.
    """
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=0)
    return encoded.getvalue()

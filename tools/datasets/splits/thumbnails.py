"""What `likeness.py` compares: a grey thumbnail of a picture, its lower frequencies (cosine transform), its hashes.

The hash has the bits of `imagehash.phash`, which takes one picture at a time; here are up to a hundred thousand. The
transform of a mirrored picture differs by the sign of its odd columns or rows, and that of a transposed one is
transposed, so one transform gives all eight orientations of a picture.
"""

import numpy as np
from PIL import Image

THUMB = 32
"""Side of a thumbnail in pixels."""

HIGHEST = 16
"""Highest frequency compared, in half waves per side. Encoders and resizing lose part of those above."""
HASH = 8
"""Rows and columns of the transform in the hash."""
CHUNK = 512
"""Thumbnails transformed at a time."""

TRANSPOSED = np.array([0, 0, 0, 0, 1, 1, 1, 1], dtype=bool)
UPSIDE_DOWN = np.array([0, 0, 1, 1, 0, 0, 1, 1], dtype=bool)
LEFT_RIGHT = np.array([0, 1, 0, 1, 0, 1, 0, 1], dtype=bool)
_REFLECTIONS = TRANSPOSED.astype(int) + UPSIDE_DOWN + LEFT_RIGHT
KIND = np.where(_REFLECTIONS % 2 == 1, 1, np.where(_REFLECTIONS == 0, 0, 2))
"""For each of the eight orientations of a picture: 0 as it is, 1 mirrored, 2 turned."""


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """The thumbnail that `find_alike` compares.

    Args:
        pixels: uint8 (S, S, 3), RGB, 0..255.

    Returns:
        uint8 (THUMB, THUMB), luma (ITU-R 601).
    """
    grey = Image.fromarray(pixels).convert("L")
    return np.asarray(grey.resize((THUMB, THUMB), Image.Resampling.LANCZOS, reducing_gap=2.0))


def fingerprints(thumbnails: np.ndarray) -> np.ndarray:
    """Perceptual hashes of thumbnails, as they are and as they would be mirrored and turned.

    Args:
        thumbnails: uint8 (N, THUMB, THUMB); may be a memory map.

    Returns:
        uint64 (N, 8). Column 0 holds the bits of `imagehash.phash`, the first bit highest. Column 4·t + 2·u + l is the
        hash of the thumbnail after it was transposed (t), turned upside down (u) and mirrored left-right (l).
    """
    hashes = np.empty((len(thumbnails), len(KIND)), dtype=np.uint64)
    for start in range(0, len(thumbnails), CHUNK):
        low = transform(thumbnails[start : start + CHUNK])[:, :HASH, :HASH]
        for orientation in range(len(KIND)):
            hashes[start : start + CHUNK, orientation] = packed(over_median(_oriented(low, orientation)) > 0)
    return hashes


def transform(thumbnails: np.ndarray) -> np.ndarray:
    """The lower frequencies of the cosine transform (type II, as scipy scales it), float64 (N, 17, 17)."""
    from scipy.fft import dctn

    transforms = np.asarray(dctn(np.asarray(thumbnails, dtype=np.float64), axes=(1, 2)))
    return transforms[:, : HIGHEST + 1, : HIGHEST + 1]


def _oriented(transforms: np.ndarray, orientation: int) -> np.ndarray:
    """The transforms of the pictures in one of the eight orientations."""
    signs = np.where(np.arange(transforms.shape[1]) % 2, -1.0, 1.0)
    oriented = transforms.transpose(0, 2, 1) if TRANSPOSED[orientation] else transforms
    oriented = oriented * signs[:, None] if UPSIDE_DOWN[orientation] else oriented
    return oriented * signs if LEFT_RIGHT[orientation] else oriented


def over_median(low: np.ndarray) -> np.ndarray:
    """Each coefficient (N, HASH, HASH) less the median of its picture; (N, HASH²), in the units of `low`."""
    flat = low.reshape(len(low), HASH * HASH)
    return flat - np.median(flat, axis=1, keepdims=True)


def packed(bits: np.ndarray) -> np.ndarray:
    """bool (N, 64) as uint64 (N,), the first bit highest."""
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)

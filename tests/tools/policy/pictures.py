"""Images made for tests."""

import cv2
import numpy as np


def picture(side: int, seed: int = 0) -> np.ndarray:
    """Smooth coloured blobs, uint8 (side, side, 3), with neither black nor white."""
    coarse = np.random.default_rng(seed).integers(30, 226, (5, 5, 3), dtype=np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)


def grey_picture(side: int, seed: int = 0) -> np.ndarray:
    """The same without colour: three equal channels."""
    return np.repeat(picture(side, seed)[..., :1], 3, axis=2)

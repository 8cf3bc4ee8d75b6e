"""The subject's own colours along its outline, where the camera mixed them with the old background.

A pixel on the outline shows the subject and what is behind it, C = aF + (1 - a)B. From a mask alone, a is taken for the
mask smoothed by a pixel, as a lens does; F and B are first the means around of either side, and then F takes what C has
over their mixture: the first step of blur fusion (Forte 2021, "Approximate Fast Foreground Colour Estimation").
Light: imports NumPy and OpenCV.
"""

import cv2
import numpy as np

SMOOTHING = 1.0
"""Standard deviation of the smoothed mask in pixels."""
REACH = 3
"""How far the colours around are looked at, in pixels each way."""
DEPTH = 1.0
"""How far inside the soft edge the old background is still taken out, in pixels."""


def without_old_background(pixels: np.ndarray, mask: np.ndarray, edge: float) -> np.ndarray:
    """The picture with its subject's outermost pixels in the subject's own colours.

    Pixels outside the mask, and those deeper inside than the soft edge and `DEPTH`, stay as they are. Where the frame
    cuts the subject off there is no outline.

    Args:
        pixels: uint8 (H, W, 3).
        mask: bool (H, W), True on the subject.
        edge: width of the soft edge in pixels, 0 or more.

    Returns:
        uint8 (H, W, 3), a new array.
    """
    cleaned = pixels.copy()
    levels = mask.astype(np.uint8)
    left, top, wide, high = cv2.boundingRect(levels)
    if wide == 0:
        return cleaned
    around = 2 * REACH
    box = (
        slice(max(0, top - around), min(mask.shape[0], top + high + around)),
        slice(max(0, left - around), min(mask.shape[1], left + wide + around)),
    )
    inside = levels[box]
    # Beyond the frame nothing is known, so the distance is only to what is outside within the picture.
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5)
    rim = (inside > 0) & (depth - 0.5 < edge + DEPTH)
    share = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), SMOOTHING)
    foreground = _foreground(pixels[box].astype(np.float32), share)
    cleaned[box][rim] = foreground[rim]
    return cleaned


def _foreground(colours: np.ndarray, share: np.ndarray) -> np.ndarray:
    """F, uint8 (H, W, 3), from C, float32 (H, W, 3), and a, float32 (H, W)."""
    size = (2 * REACH + 1, 2 * REACH + 1)
    alpha = share[..., None]
    near = cv2.blur(colours * alpha, size) / np.maximum(cv2.blur(share, size), 1e-3)[..., None]
    behind = cv2.blur(colours * (1 - alpha), size) / np.maximum(cv2.blur(1 - share, size), 1e-3)[..., None]
    estimated = near + alpha * (colours - alpha * near - (1 - alpha) * behind)
    return np.clip(estimated + 0.5, 0, 255).astype(np.uint8)


def in_the_light_of(pixels: np.ndarray, mask: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The subject as bright as suits the background: the square root of the way, within `_LEAST` and `_MOST`.

    Args:
        pixels: uint8 (H, W, 3).
        mask: bool (H, W), True on the subject.
        background: uint8 (h, w, 3).

    Returns:
        uint8 (H, W, 3): all pixels times one factor; a new array.
    """
    if not mask.any():
        return pixels.copy()
    subject = float(pixels[mask].mean())
    factor = ((float(background.mean()) + _DARK) / (subject + _DARK)) ** 0.5
    return cv2.convertScaleAbs(pixels, alpha=min(max(factor, _LEAST), _MOST))


_LEAST, _MOST = 0.6, 1.6
"""Factors of brightness: beyond, a subject looks like another one."""
_DARK = 16.0
"""Grey levels added on both sides: at night the ratio of two means says little."""

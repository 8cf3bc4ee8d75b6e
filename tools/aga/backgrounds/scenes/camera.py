"""Distance, sharpness and treatment of a picture: the last step."""

import cv2
import numpy as np

from tools.aga.backgrounds.scenes.reading import Scene
from tools.aga.backgrounds.textures.fields import grid

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_SHOWN = {"macro": 0.5, "close": 0.74}
"""Share of the side that is left when the camera goes near."""
_BLUR = {"macro": 0.02, "close": 0.008, "tele": 0.011, "": 0.002, "low": 0.004, "above": 0.002, "wide": 0.0}
"""Standard deviation of the blur by camera, as a share of the side."""
_SOFT = 0.026
"""More of it where a caption asks for blur."""


def sharpness(scene: Scene) -> float:
    """Standard deviation of the blur as a share of the side."""
    if scene.focus == "sharp":
        return 0.0
    return _BLUR[scene.camera] + (_SOFT if scene.focus == "soft" else 0.0)


def nearer(picture: np.ndarray, scene: Scene) -> np.ndarray:
    """The middle of the picture at full size where the camera is near."""
    share, size = _SHOWN.get(scene.camera, 1.0), len(picture)
    if share == 1.0 or size < 4:
        return picture
    scale = 1 / share
    shift = (1 - scale) * size / 2
    move = np.array([[scale, 0, shift], [0, scale, shift]], np.float32)
    return cv2.warpAffine(
        picture, move, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )


def blurred(picture: np.ndarray, scene: Scene) -> np.ndarray:
    """Out of focus as far as the scene is."""
    spread = sharpness(scene) * len(picture)
    return (
        cv2.GaussianBlur(picture, (0, 0), spread, borderType=cv2.BORDER_REFLECT_101)
        if spread > 0.25
        else picture
    )


def styled(picture: np.ndarray, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """With the treatment that the caption asks for."""
    size = len(picture)
    for style in scene.style:
        grey = (picture @ _LUMINANCE)[..., None]
        if style == "muted":
            picture = (grey + (picture - grey) * 0.5) * 0.88 + 18
        elif style == "vivid":
            picture = grey + (picture - grey) * 1.4
        elif style == "grey":
            picture = np.repeat(grey, 3, axis=2)
        elif style == "contrast":
            picture = picture.mean() + (picture - picture.mean()) * 1.35
        elif style == "grain":
            noise = rng.normal(0, 9, (192, 192)).astype(np.float32)
            picture = picture + cv2.resize(noise, (size, size), interpolation=cv2.INTER_LINEAR)[..., None]
        elif style == "vignette":
            x, y = grid(size)
            picture = picture * (1 - 0.9 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))[..., None]
    return picture

"""The masks that come with a data set, as pictures."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from tools.aga.segmenters.saliency import window_of
from tools.aga.types import Box, SourceImage
from tools.errors import ConfigurationError, DataError
from tools.text import encoded


class GivenMasks:
    """The masks that come with the data set. An image without one has no subject."""

    def __init__(self, masks: Mapping[str, Path]):
        """`masks`: file → its mask as a picture, of the image's size or scaled in proportion.

        Raises:
            ConfigurationError: there are none.
            DataError: one cannot be read.
        """
        if not masks:
            raise ConfigurationError(
                "this data set has no masks (aga.segmenter.kind: dataset): use sam, grabcut or otsu"
            )
        self._masks = masks
        digest = hashlib.sha256()
        for file, mask in sorted(masks.items()):
            try:
                content = mask.read_bytes()
            except OSError as error:
                raise DataError(f"the mask {mask} of {file} cannot be read ({error.strerror})") from error
            digest.update(encoded(f"{file}\0{len(content)}\n") + content)
        self.identity = f"dataset:{digest.hexdigest()}"

    def segment(self, image: SourceImage, boxes: Sequence[Box]) -> list[np.ndarray]:
        """The given mask, bool (H, W), whole, for each box that it reaches into; all False for the others.

        Raises:
            DataError: the mask is missing, unreadable, or of other proportions than the image.
        """
        height, width = image.pixels.shape[:2]
        nothing = np.zeros((height, width), dtype=np.bool_)
        file = self._masks.get(image.file)
        if file is None or not boxes:
            return [nothing.copy() for _ in boxes]
        mask = read_mask(file)
        if mask.shape != (height, width):
            ratio = mask.shape[1] / mask.shape[0] * height / width
            # Each side of a shrunk photo is rounded to a pixel.
            if abs(ratio - 1) > 1.5 / min(height, width, *mask.shape):
                raise DataError(
                    f"the mask {file} is {mask.shape[1]} x {mask.shape[0]} pixels, and {image.file} is {width} x "
                    f"{height}: it belongs to another image, or one of them is rotated"
                )
            mask = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        masks: list[np.ndarray] = []
        for box in boxes:
            top, bottom, left, right = window_of(box, 1, 1, (height, width))
            masks.append((mask if mask[top:bottom, left:right].any() else nothing).copy())
        return masks


def read_mask(file: Path) -> np.ndarray:
    """A data set's mask as bool (H, W): the subject is whatever is brighter than half of the brightest pixel.

    So 0 and 1, 0 and 255, and the averages of several annotators (CUB-200-2011) are all understood.

    Raises:
        DataError: the file is missing, or is not an image.
    """
    try:
        with Image.open(file) as image:
            # An index into a palette is the label itself, whatever colour it is drawn in.
            is_grey = image.mode in ("1", "L", "P", "I;16", "I", "F")
            values = np.asarray(image if is_grey else image.convert("L")).astype(np.float64)
    except FileNotFoundError as error:
        raise DataError(f"there is no mask {file}: give the right folder of masks") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"the mask {file} cannot be read ({error}): replace or remove it") from error
    return values > values.max() / 2

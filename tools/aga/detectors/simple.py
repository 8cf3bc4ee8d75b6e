"""Where the subject is, without weights: the middle of the image, or the boxes that come with the data set."""

import hashlib
from collections.abc import Mapping, Sequence

from tools.aga.types import Box, SourceImage
from tools.errors import ConfigurationError, DataError
from tools.text import encoded


class CentreDetector:
    """Takes the centre of the image for the subject, with score 1: photographs are framed around what they show."""

    def __init__(self, margin: float = 0.1) -> None:
        """`margin`: share of the width and of the height left free at each side; 0 takes the whole image."""
        self._margin = margin
        self.identity = f"none:{1 - 2 * margin:g}"

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        """One box for each image, in its middle."""
        low, high = self._margin, 1 - self._margin
        sizes = (image.pixels.shape[:2] for image in images)
        return [[Box(low * width, low * height, high * width, high * height, 1.0)] for height, width in sizes]


class GivenBoxes:
    """The boxes that come with the data set. An image without one has no subject."""

    def __init__(self, boxes: Mapping[str, Box]):
        """`boxes`: file → its box in pixels of the file as it is decoded at its full size.

        Raises:
            ConfigurationError: there are none.
        """
        if not boxes:
            raise ConfigurationError(
                "this data set has no boxes (aga.detector.kind: dataset): "
                "use groundingdino, transformers, or none (the centre of the image)"
            )
        self._boxes = boxes
        digest = hashlib.sha256()
        for file in sorted(boxes):
            digest.update(encoded(f"{file}\0{boxes[file]}\n"))
        self.identity = f"dataset:{digest.hexdigest()}"

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        """The given box of each image, clipped to the image; none where none was given.

        Raises:
            DataError: a box lies outside its image.
        """
        return [self._boxes_of(image) for image in images]

    def _boxes_of(self, image: SourceImage) -> list[Box]:
        given = self._boxes.get(image.file)
        if given is None:
            return []
        height, width = image.pixels.shape[:2]
        inside = given.scaled(image.scale).clipped(width, height)
        if inside is None:
            raise DataError(
                f"the box given for {image.file} (left {given.left:g}, top {given.top:g}, right {given.right:g}, "
                f"bottom {given.bottom:g}) lies outside the image, which is {width / image.scale:.0f} x "
                f"{height / image.scale:.0f} pixels: boxes are in pixels of the image, right and bottom exclusive"
            )
        return [inside]

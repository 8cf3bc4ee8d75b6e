"""Where the subject is: the detectors that need no weights, and the choice among all of them."""

import hashlib
from collections.abc import Mapping, Sequence

from tools.aga.config import DetectorConfig
from tools.aga.types import Box, Detector, SourceImage
from tools.errors import ConfigurationError, DataError

"""Of each side, that the box of 'none' takes: photographs are framed around what they show."""


def make_detector(config: DetectorConfig, boxes: Mapping[str, Box] | None = None) -> Detector:
    """The detector that `config.kind` names. Weights are looked for now, and loaded when they are first used.

    Args:
        config: the settings `aga.detector`.
        boxes: file (as the data set names it) → its box in pixels, for kind 'dataset'.

    Raises:
        ConfigurationError: weights are missing, or kind is 'dataset' and there are no boxes.
    """
    if config.kind == "none":
        return CentreDetector(config.margin)
    if config.kind == "dataset":
        if not boxes:
            raise ConfigurationError(
                "this data set brings no boxes (aga.detector.kind: dataset): "
                "use groundingdino, transformers, or none (the centre of the image)"
            )
        return GivenBoxes(boxes)
    if config.kind == "groundingdino":
        from tools.aga.detectors.grounding_dino import GroundingDinoDetector

        return GroundingDinoDetector(config)
    from tools.aga.detectors.grounding_dino_transformers import TransformersDetector

    return TransformersDetector(config)


class CentreDetector:
    """Takes the centre of the image for the subject, with score 1."""

    def __init__(self, margin: float = 0.1) -> None:
        """`margin` is left free at each side, as a share of it; 0 takes the whole image."""
        self._margin = margin

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on."""
        return f"none:{1 - 2 * self._margin:g}"

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        """One box for each image, in its middle."""
        margin = self._margin
        found: list[list[Box]] = []
        for image in images:
            height, width = image.pixels.shape[:2]
            box = Box(margin * width, margin * height, (1 - margin) * width, (1 - margin) * height, 1.0)
            found.append([box])
        return found


class GivenBoxes:
    """The boxes that the data set brings. An image without one has no subject."""

    def __init__(self, boxes: Mapping[str, Box]):
        """`boxes`: file → its box in pixels of the file as it is decoded at its full size."""
        self._boxes = boxes
        digest = hashlib.sha256()
        for file in sorted(boxes):
            digest.update(f"{file}\0{boxes[file]}\n".encode())
        self._digest = digest.hexdigest()

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on."""
        return f"dataset:{self._digest}"

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        """The given box of each image, cut at the image's edges; none where none was given.

        Raises:
            DataError: a box lies outside its image.
        """
        return [self._boxes_of(image) for image in images]

    def _boxes_of(self, image: SourceImage) -> list[Box]:
        given = self._boxes.get(image.file)
        if given is None:
            return []
        height, width = image.pixels.shape[:2]
        inside = clipped(_scaled(given, image.scale), width, height)
        if inside is None:
            raise DataError(
                f"the box given for {image.file} (left {given.left:g}, top {given.top:g}, right {given.right:g}, "
                f"bottom {given.bottom:g}) has nothing of the image, which is {width / image.scale:.0f} x "
                f"{height / image.scale:.0f} pixels: "
                "boxes are in pixels of the image, right and bottom exclusive"
            )
        return [inside]


def _scaled(box: Box, scale: float) -> Box:
    return Box(box.left * scale, box.top * scale, box.right * scale, box.bottom * scale, box.score)


def clipped(box: Box, width: int, height: int) -> Box | None:
    """The part of `box` that lies in an image of this size; None where there is none."""
    left, top = max(0.0, box.left), max(0.0, box.top)
    right, bottom = min(float(width), box.right), min(float(height), box.bottom)
    if left < right and top < bottom:
        return Box(left, top, right, bottom, box.score)
    return None

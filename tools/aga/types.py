"""What the steps of AGA pass to each other, and the interface of each step. Light: imports only NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True, eq=False)
class SourceImage:
    """A training image from which synthetic ones are made."""

    index: int
    """Its row in the training split, from 0."""
    file: str
    """How the data set names it."""
    pixels: np.ndarray
    """uint8 (H, W, 3), RGB."""
    label: int
    group: str
    digest: str
    """Hex SHA-256 of the encoded file: stored masks are found by it."""
    scale: float = 1.0
    """Pixels here for each pixel of the file: large images are shrunk, tiny ones enlarged."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: 0 ≤ left < right ≤ width, 0 ≤ top < bottom ≤ height; right and bottom are exclusive."""

    left: float
    top: float
    right: float
    bottom: float
    score: float
    """0..1, from the detector; 1 for a box that was given."""

    def scaled(self, scale: float) -> "Box":
        """The box in an image whose sides are `scale` times as long."""
        return Box(self.left * scale, self.top * scale, self.right * scale, self.bottom * scale, self.score)

    def clipped(self, width: int, height: int) -> "Box | None":
        """The part of the box that lies in an image of this size; None where there is none."""
        left, top = max(0.0, self.left), max(0.0, self.top)
        right, bottom = min(float(width), self.right), min(float(height), self.bottom)
        return Box(left, top, right, bottom, self.score) if left < right and top < bottom else None


@dataclass(frozen=True)
class Caption:
    """What a background should show."""

    text: str
    instruction: str
    setting: str
    time: str
    origin: str
    """'llm' or 'local', or 'template' where the model's answers were of no use."""
    attempts: int
    """How many answers of the model were read."""
    warning: str = ""
    """For example that the text was too long for the text encoder and was shortened at a word."""


class Detector(Protocol):
    """Finds the subject. Loaded once, used often."""

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on (kind, weights, settings); part of the key of stored results."""
        ...

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        """For each image the boxes that show `subject` (a superclass: 'bird'), best first; may be empty."""
        ...


class Segmenter(Protocol):
    """Cuts the subject out of its box.

    One with `in_threads = True` is called from several threads at once. One with a method `find` (`FindsSubjects`)
    needs no box, and is asked for it where the detector has nothing to say (kind 'none').
    """

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on (kind, weights, settings); part of the key of stored results."""
        ...

    def segment(self, image: SourceImage, boxes: Sequence[Box]) -> list[np.ndarray]:
        """For each box a mask, bool (H, W); all False where nothing was found in it."""
        ...


@runtime_checkable
class FindsSubjects(Protocol):
    """A segmenter that finds the subject itself."""

    def find(self, image: SourceImage) -> tuple[np.ndarray, Box | None]:
        """What the image shows: its mask, bool (H, W), and the box around it; None where nothing stands out."""
        ...


class Captioner(Protocol):
    """Turns a combination of the three sets into a caption."""

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on (kind, weights, settings); part of the key of stored results."""
        ...

    def caption(self, combinations: Sequence[tuple[str, str, str]], avoid: Sequence[str]) -> list[Caption]:
        """One caption for each (instruction, setting, time), free of the words to `avoid`."""
        ...


class BackgroundMaker(Protocol):
    """Makes a picture from a caption."""

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on (kind, weights, settings); part of the key of stored results."""
        ...

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        """For each caption a picture, uint8 (size, size, 3), RGB: a function of caption and seed alone."""
        ...

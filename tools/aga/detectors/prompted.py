"""What detectors with a text prompt share: the prompt, the batches, and how scores become boxes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from tools.aga.config import DetectorConfig
from tools.aga.types import Box, SourceImage
from tools.errors import ConfigurationError
from tools.machine import Batches, torch_devices

LONG_SIDE = 1333 / 800
"""Largest ratio of long to short side that the published models were trained on."""


class PromptedDetector(ABC):
    """A detector that is given the subject as a text prompt. The model is loaded on first use, and then kept."""

    def __init__(self, config: DetectorConfig, identity: str):
        self._config = config
        self.identity = f"{identity}:{config.side}:{config.box_threshold}:{config.text_threshold}"
        self._loaded = False
        self._batches = Batches(
            config.batch_size,
            f"out of memory: the detector cannot take even one image of {config.side} px at a time. Lower "
            "aga.detector.side, or use aga.detector.device=cpu.",
        )

    def load(self) -> None:
        """Load the model now unless it is loaded: a wrong checkpoint is then found before the work begins.

        Raises:
            ConfigurationError: the weights do not fit, or the device does not exist.
        """
        if not self._loaded:
            self._load(torch_devices(self._config.device, "aga.detector.device")[0])
            self._loaded = True

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        """For each image the boxes that score above the box threshold, and above the text threshold on a subject word.

        Only images of the same size share a batch: padding would make a box depend on the image's neighbours.

        Raises:
            ConfigurationError: the subject is empty, the weights do not fit, or the device does not exist.
            AugurError: out of memory with a single image.
        """
        prompt = prompt_for(subject)
        if images:
            self.load()
        sizes: dict[tuple[int, ...], list[int]] = {}
        for row, image in enumerate(images):
            sizes.setdefault(image.pixels.shape, []).append(row)
        found: list[list[Box]] = [[] for _ in images]
        for (height, width, _), rows in sizes.items():

            def run(batch: Sequence[int], width: int = width, height: int = height) -> list[list[Box]]:
                scores, boxes, words = self._forward([images[row].pixels for row in batch], prompt)
                return [self._boxes(*each, words, width, height) for each in zip(scores, boxes, strict=True)]

            for row, boxes in zip(rows, self._batches.run(rows, run), strict=True):
                found[row] = boxes
        return found

    def _boxes(
        self, scores: np.ndarray, boxes: np.ndarray, words: list[int], width: int, height: int
    ) -> list[Box]:
        """Boxes in pixels, best first, from `scores` (queries, tokens) and normalised cxcywh `boxes` (queries, 4)."""
        best = scores.max(axis=1)
        # A box may score on the full stop or the start token alone: then it does not show the subject.
        kept = (best > self._config.box_threshold) & (
            scores[:, words].max(axis=1) > self._config.text_threshold
        )
        found: list[Box | None] = []
        for query in np.argsort(-best, kind="stable"):
            if kept[query]:
                x, y, w, h = (float(value) for value in boxes[query])
                left, right = (x - w / 2) * width, (x + w / 2) * width
                top, bottom = (y - h / 2) * height, (y + h / 2) * height
                found.append(Box(left, top, right, bottom, float(best[query])).clipped(width, height))
        return [box for box in found if box is not None]

    @abstractmethod
    def _load(self, device: str) -> None:
        """Load the model onto `device`."""

    @abstractmethod
    def _forward(self, images: list[np.ndarray], prompt: str) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Run images of one size, uint8 (H, W, 3).

        Returns:
            Scores 0..1 (images, queries, tokens); boxes, cxcywh, 0..1 (images, queries, 4); and which tokens are the
            subject's own words.
        """


def prompt_for(subject: str) -> str:
    """The subject in the form that GroundingDINO was trained on: lower case, with a full stop at the end.

    Raises:
        ConfigurationError: it contains no word.
    """
    words = " ".join(subject.lower().replace(".", " ").split())
    if not any(character.isalnum() for character in words):
        raise ConfigurationError(
            f"the subject {subject!r} has no words to detect: give a superclass such as bird (aga.subjects, or the "
            "subject of the prompt set)"
        )
    return f"{words} ."


def word_positions(tokens: Sequence[int], tokenizer: Any) -> list[int]:
    """Positions of the words in a prompt's tokens: not the start, the end, or punctuation that separates phrases."""
    other = set(tokenizer.convert_tokens_to_ids(["[CLS]", "[SEP]", ".", "?"]))
    return [position for position, token in enumerate(tokens) if token not in other]

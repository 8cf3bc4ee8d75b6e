"""What makes images on a node of a Ray cluster: an actor with the same tools that this machine would use.

Everything comes with a call, and goes back with its answer: a node reads no data set and no store, and writes nothing.
Only weights are read there. Models are loaded with the first call that needs them, and stay.
"""

import socket
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tools.aga.backgrounds.make import make_background_maker
from tools.aga.config import AgaConfig
from tools.aga.finders import make_finders
from tools.aga.making.composing import Pasted, SentShard, pasted
from tools.aga.types import BackgroundMaker, Box, Detector, FindsSubjects, Segmenter, SourceImage
from tools.errors import AugurError, first_line


class ImageHost:
    """The actor. It does one thing at a time."""

    def __init__(self, config: AgaConfig, threads: int) -> None:
        """`threads`: of each library that calculates."""
        import cv2

        self._config, self._threads = config, threads
        cv2.setNumThreads(threads)

    def ready(self) -> str:
        """The name of the node."""
        return socket.gethostname()

    def do(self, step: str, *arguments: Any) -> Any:
        """The answer of one of the methods below, or the error that is for the person at the terminal."""
        try:
            return getattr(self, step)(*arguments)
        except AugurError as error:
            text = f"{error} (on the Ray node {socket.gethostname()})"
            return type(error)(text)
        except Exception as error:  # as an answer, because not every error can be sent
            return AugurError(
                f"making images failed on the Ray node {socket.gethostname()}, at the step '{step}' "
                f"({type(error).__name__}: {first_line(error)})"
            )

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        """See `Detector`."""
        self._limit_torch()
        return self._finders[0].detect(images, subject)

    def segment(self, image: SourceImage, boxes: Sequence[Box]) -> list[np.ndarray]:
        """See `Segmenter`."""
        self._limit_torch()
        return self._finders[1].segment(image, boxes)

    def find(self, image: SourceImage) -> tuple[np.ndarray, Box | None]:
        """See `FindsSubjects`."""
        self._limit_torch()
        segmenter = self._finders[1]
        assert isinstance(segmenter, FindsSubjects)  # or nobody would ask
        return segmenter.find(image)

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        """See `BackgroundMaker`."""
        self._limit_torch()
        return self._maker.make(captions, seeds, size)

    def paste(self, shard: SentShard) -> list[Pasted]:
        """See `ShardPaster`."""
        return pasted(shard)

    @cached_property
    def _finders(self) -> tuple[Detector, Segmenter]:
        return make_finders(self._config, threads=self._threads)

    @cached_property
    def _maker(self) -> BackgroundMaker:
        return make_background_maker(self._config.background)

    def _limit_torch(self) -> None:
        """Only a step that may use torch waits for it to be imported."""
        if self._uses_torch:
            import torch

            if torch.get_num_threads() != self._threads:
                torch.set_num_threads(self._threads)

    @property
    def _uses_torch(self) -> bool:
        config = self._config
        return (
            config.background.kind == "diffusion"
            or config.detector.kind not in ("none", "dataset")
            or config.segmenter.kind not in ("u2netp", "grabcut", "otsu", "dataset")
        )

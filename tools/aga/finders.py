"""What finds a subject and what cuts it out, as the settings name them together."""

from collections.abc import Mapping
from pathlib import Path

from tools.aga.config import AgaConfig
from tools.aga.detectors.make import make_detector
from tools.aga.detectors.sam3 import Sam3
from tools.aga.segmenters.make import make_segmenter
from tools.aga.types import Box, Detector, Segmenter


def make_finders(
    config: AgaConfig,
    boxes: Mapping[str, Box] | None = None,
    masks: Mapping[str, Path] | None = None,
    threads: int = 1,
) -> tuple[Detector, Segmenter]:
    """The detector and the segmenter; one and the same object where one model does both (SAM 3).

    Args:
        config: the settings `aga`.
        boxes: file (as the data set names it) → its box in pixels, for detector kind 'dataset'.
        masks: file → its mask, for segmenter kind 'dataset'.
        threads: see `make_segmenter`.

    Raises:
        ConfigurationError: weights are missing, or boxes or masks of the data set are asked for and there are none.
    """
    detector = make_detector(config.detector, boxes)
    if config.segmenter.kind == "sam3":
        assert isinstance(detector, Sam3)  # as the settings are checked
        return detector, detector
    return detector, make_segmenter(config.segmenter, masks, threads)

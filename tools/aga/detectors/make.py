"""The table of detectors: a new one is a file in this folder and a row here."""

from collections.abc import Callable, Mapping

from tools.aga.config import DetectorConfig
from tools.aga.detectors.grounding_dino import GroundingDinoDetector
from tools.aga.detectors.grounding_dino_transformers import TransformersDetector
from tools.aga.detectors.sam3 import Sam3
from tools.aga.detectors.simple import CentreDetector, GivenBoxes
from tools.aga.types import Box, Detector

DETECTORS: dict[str, Callable[[DetectorConfig, Mapping[str, Box]], Detector]] = {
    "none": lambda config, boxes: CentreDetector(config.margin),
    "dataset": lambda config, boxes: GivenBoxes(boxes),
    "groundingdino": lambda config, boxes: GroundingDinoDetector(config),
    "transformers": lambda config, boxes: TransformersDetector(config),
    "sam3": lambda config, boxes: Sam3(config),
}
"""`aga.detector.kind` → what makes the detector from the settings and the data set's boxes."""


def make_detector(config: DetectorConfig, boxes: Mapping[str, Box] | None = None) -> Detector:
    """The detector that `config.kind` names. Weights are located now and loaded when they are first used.

    Args:
        config: the settings `aga.detector`.
        boxes: file (as the data set names it) → its box in pixels, for kind 'dataset'.

    Raises:
        ConfigurationError: weights are missing, or kind is 'dataset' and there are no boxes.
    """
    return DETECTORS[config.kind](config, boxes or {})

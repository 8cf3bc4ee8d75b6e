"""What a synthetic image must pass before it is trained on; every result is kept. Light: imports NumPy and OpenCV.

The gate that asks a trained classifier is `tools.aga.gates.classifier_gate`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tools.aga.captions.forbidden_words import named_in
from tools.aga.config import GatesConfig
from tools.aga.types import Box, Caption


@dataclass(frozen=True)
class GateResult:
    """What one gate says about one image."""

    gate: str
    passed: bool
    value: float | None
    """What was measured; None where there was nothing to measure."""
    reason: str
    """Why it was refused, or why it was not checked; else empty."""

    @property
    def checked(self) -> bool:
        """Whether the gate looked at all: what it cannot judge it lets through."""
        return not (self.passed and self.reason)


def detector_score(box: Box | None, config: GatesConfig, by_segmenter: bool = False) -> GateResult:
    """Was the subject found with enough confidence? Value: the box's score, 0..1; `box` is None where there is none.

    A segmenter that found the subject itself (`by_segmenter`) scores otherwise than a detector, and has its own limit.
    """
    gate, finder = "detector_score", "segmenter" if by_segmenter else "detector"
    if box is None:
        return GateResult(gate, False, None, f"the {finder} found no subject")
    limit = config.min_agreement if by_segmenter else config.min_score
    if box.score < limit:
        setting = "aga.gates.min_agreement" if by_segmenter else "aga.gates.min_score"
        reason = f"the {finder}'s score {box.score:.2f} is below {limit:g} ({setting})"
        return GateResult(gate, False, box.score, reason)
    return GateResult(gate, True, box.score, "")


def mask_area(mask: np.ndarray, config: GatesConfig) -> GateResult:
    """Does the mask, bool (H, W), cover neither too little nor too much? Value: its share of the image, 0..1.

    An empty mask is refused whatever the settings: there is no subject.
    """
    area = np.count_nonzero(mask) / mask.size
    reason = ""
    if area == 0:
        reason = "the mask is empty: no subject was cut out"
    elif area < config.min_area:
        reason = (
            f"the mask covers {area:.2%} of the image, less than {config.min_area:.2%} (aga.gates.min_area)"
        )
    elif area > config.max_area:
        reason = (
            f"the mask covers {area:.2%} of the image, more than {config.max_area:.2%} (aga.gates.max_area)"
        )
    return GateResult("mask_area", not reason, area, reason)


def background_blank(picture: np.ndarray, config: GatesConfig, what: str = "the background") -> GateResult:
    """Does the background, uint8 (H, W, 3), show anything? `what` it is called.

    A generator that failed gives a constant picture, or a black one with some noise; a night sky is dark too, but its
    stars make it vary. Value: the largest standard deviation of a channel, in grey levels.
    """
    means, deviations = (np.ravel(each) for each in cv2.meanStdDev(picture))
    contrast, brightness = float(deviations.max()), float(means.max())
    reason = ""
    if contrast < config.min_contrast or contrast == 0:
        reason = (
            f"{what} is constant: standard deviation {contrast:.2f} of its grey levels "
            f"(aga.gates.min_contrast {config.min_contrast:g})"
        )
    elif brightness < config.black_level and contrast < config.black_level:
        reason = (
            f"{what} is black: mean {brightness:.2f}, standard deviation {contrast:.2f} of its grey levels "
            f"(aga.gates.black_level {config.black_level:g})"
        )
    return GateResult("background_blank", not reason, contrast, reason)


def subject_on_background(boxes: Sequence[Box], config: GatesConfig) -> GateResult:
    """Is the background free of the subject? A second subject there would have no mask, and perhaps another class.

    Args:
        boxes: what the detector, asked for the subject, finds on the background. A detector that does
            not inspect images ('none', 'dataset') must not be asked.
        config: `redetect` off passes every background, and says so.

    Returns:
        Its value is the highest score, 0..1; None without boxes.
    """
    gate = "subject_on_background"
    score = max((box.score for box in boxes), default=None)
    if not config.redetect:
        return GateResult(gate, True, score, "not checked (aga.gates.redetect)")
    if score is not None and score >= config.redetect_score:
        reason = (
            f"the detector sees the subject on the background with score {score:.2f} "
            f"(aga.gates.redetect_score {config.redetect_score:g})"
        )
        return GateResult(gate, False, score, reason)
    return GateResult(gate, True, score, "")


def caption_words(caption: Caption, avoid: Sequence[str]) -> GateResult:
    """Is the caption free of forbidden words? Value: how many of them it has.

    `tools.aga.captions.forbidden_words.named_in` decides what counts as having a word.
    """
    found = named_in(caption.text, avoid)
    reason = f"the caption says {', '.join(map(repr, found))}" if found else ""
    return GateResult("caption_words", not found, float(len(found)), reason)

"""What a synthetic image must pass before it is trained on; every verdict is kept. Light: imports NumPy and OpenCV.

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
class Verdict:
    """What one gate says about one image."""

    gate: str
    passed: bool
    value: float | None
    """What was measured; None where there was nothing to measure."""
    reason: str
    """Why it was refused, or not looked at; else empty."""


def detector_score(box: Box | None, config: GatesConfig) -> Verdict:
    """Was the subject found, and surely enough? Value: the box's score, 0..1; `box` is None where there was none."""
    if box is None:
        return Verdict("detector_score", False, None, "the detector found no subject")
    if box.score < config.min_score:
        reason = f"the box's score {box.score:.2f} is below {config.min_score:g} (aga.gates.min_score)"
        return Verdict("detector_score", False, box.score, reason)
    return Verdict("detector_score", True, box.score, "")


def mask_area(mask: np.ndarray, config: GatesConfig) -> Verdict:
    """Does the mask, bool (H, W), cover neither next to nothing nor nearly all? Value: its share of the image, 0..1.

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
    return Verdict("mask_area", not reason, area, reason)


def background_blank(picture: np.ndarray, config: GatesConfig) -> Verdict:
    """Does the background, uint8 (H, W, 3), show anything?

    A generator that failed gives a constant picture, or a black one with some noise; a night sky is dark too, but its
    stars make it vary. Value: the largest standard deviation of a channel, in grey levels.
    """
    means, deviations = (np.ravel(each) for each in cv2.meanStdDev(picture))
    contrast, brightness = float(deviations.max()), float(means.max())
    reason = ""
    if contrast < config.min_contrast or contrast == 0:
        reason = (
            f"the background is constant: standard deviation {contrast:.2f} of its grey levels "
            f"(aga.gates.min_contrast {config.min_contrast:g})"
        )
    elif brightness < config.black_level and contrast < config.black_level:
        reason = (
            f"the background is black: mean {brightness:.2f}, standard deviation {contrast:.2f} of its grey levels "
            f"(aga.gates.black_level {config.black_level:g})"
        )
    return Verdict("background_blank", not reason, contrast, reason)


def subject_on_background(boxes: Sequence[Box], config: GatesConfig) -> Verdict:
    """Is the background free of the subject? A second subject there would have no mask, and perhaps another class.

    Args:
        boxes: what the detector, asked for the subject, finds on the background. A detector that looks at nothing
            ('none', 'dataset') is not to be asked.
        config: `redetect` off passes every background, and says so.

    Returns:
        Its value is the highest score, 0..1; None without boxes.
    """
    gate = "subject_on_background"
    score = max((box.score for box in boxes), default=None)
    if not config.redetect:
        return Verdict(gate, True, score, "not looked at (aga.gates.redetect)")
    if score is not None and score >= config.redetect_score:
        reason = (
            f"the detector sees the subject on the background with score {score:.2f} "
            f"(aga.gates.redetect_score {config.redetect_score:g})"
        )
        return Verdict(gate, False, score, reason)
    return Verdict(gate, True, score, "")


def caption_words(caption: Caption, avoid: Sequence[str]) -> Verdict:
    """Is the caption free of the words to avoid? Value: how many of them it has.

    What counts as having a word is said by `tools.aga.captions.forbidden_words.named_in`.
    """
    found = named_in(caption.text, avoid)
    reason = f"the caption says {', '.join(map(repr, found))}" if found else ""
    return Verdict("caption_words", not found, float(len(found)), reason)

"""Whether the proposals of a study carry prompts for backgrounds. Light: imports nothing heavy."""

from agent.memory.history import Backgrounds
from agent.settings.config import StudyConfig
from tools.datasets.types import Card

WITH_SUBJECTS = ("natural", "digits")
"""Modalities whose images show a subject on a background that does not decide the label."""


def backgrounds_of(config: StudyConfig, card: Card) -> tuple[Backgrounds, str]:
    """Whether proposals carry background prompts ('auto' resolved), and the sentence that says so and why."""
    mode = config.search.backgrounds
    if card.several_labels:
        return "off", "off (an image may have several labels, which do not belong to one subject)"
    if mode != "auto":
        return mode, mode
    if card.modality in WITH_SUBJECTS:
        return "optional", f"optional (auto: images of kind {card.modality} show a subject on a background)"
    return "off", (
        f"off (auto: in images of kind {card.modality} the background may belong to the subject; "
        "--search.backgrounds optional allows them)"
    )

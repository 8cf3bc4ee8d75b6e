"""Settings of the gates. Light: imports nothing heavy."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
GreyLevel = Annotated[float, Field(ge=0, le=255)]


RECOGNISED = 0.03
"""`recognised` where nobody set it and a segmenter found the subject itself."""


class GatesConfig(BaseModel):
    """What a synthetic image must pass; every result is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    min_score: Share = Field(default=0.3, description="lowest score of the detector")
    min_agreement: Share = Field(
        default=0.5,
        description="how far the looks of the segmenter (u2netp) at an image agree, at least, where it found the "
        "subject itself",
    )
    recognised: Share | None = Field(
        default=None,
        description="least probability that a network trained on ImageNet gives a cut-out to be one of the data set's "
        "classes, where ImageNet has them or kinds of them; 0 asks nothing; unset, 0.03 where the segmenter found the "
        "subject itself (u2netp), and 0 elsewhere",
    )
    recognised_share: Share = Field(
        default=0.9,
        description="least share of a cut-out in which that network sees them, where it is asked: a bee that is cut "
        "out with its flower has less; 0 asks nothing",
    )
    min_area: Share = Field(default=0.01, description="smallest share of the image that a mask may cover")
    max_area: Share = Field(default=0.9, description="largest share of the image that a mask may cover")
    min_contrast: GreyLevel = Field(
        default=2.0, description="a background whose grey levels have a smaller standard deviation is blank"
    )
    black_level: GreyLevel = Field(
        default=8.0,
        description="a background whose grey levels have both mean and standard deviation below it is black",
    )
    redetect: bool = Field(
        default=True, description="refuse a background on which the detector sees the subject"
    )
    redetect_score: Share = Field(
        default=0.35, description="score from which on the subject counts as seen on a background"
    )
    classifier: Path | None = Field(
        default=None,
        description="folder of a finished trial as a judge: refuse what it gets confidently wrong, or finds too easy",
    )
    wrong_confidence: Share = Field(
        default=0.9, description="confidence from which on a wrong answer is refused; 1 refuses none"
    )
    easy_confidence: Share = Field(
        default=1.0, description="confidence from which on a right answer is too easy; 1 refuses none"
    )
    confidence: Literal["fixed", "class"] = Field(
        default="fixed",
        description="limits of the classifier: 'fixed', the two above; 'class', as in ALIA, its mean confidence in a "
        "class over the training images of that class",
    )
    clip: str | None = Field(
        default=None,
        description="a CLIP of transformers (folder, or hub id such as openai/clip-vit-large-patch14) that refuses "
        "what looks less like a photo of the subject than of anything (ALIA's semantic filter)",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_earlier(cls, given: Any) -> Any:
        """Settings of earlier versions have `min_saliency`, which no mask is judged by any more."""
        if not isinstance(given, dict) or "min_saliency" not in given:
            return given
        if float(given["min_saliency"]) != _EARLIER_SALIENCY:
            raise ValueError(
                "aga.gates.min_saliency is no more: masks of u2netp are judged by aga.gates.min_agreement, how far its "
                "looks at an image agree"
            )
        return {name: value for name, value in given.items() if name != "min_saliency"}


_EARLIER_SALIENCY = 0.8
"""What `min_saliency` was where nobody changed it."""

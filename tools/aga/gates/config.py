"""Settings of the gates. Light: imports nothing heavy."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
GreyLevel = Annotated[float, Field(ge=0, le=255)]


class GatesConfig(BaseModel):
    """What a synthetic image must pass; every result is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    min_score: Share = Field(default=0.3, description="lowest score of the detector")
    min_saliency: Share = Field(
        default=0.8,
        description="lowest mean saliency of a mask whose subject the segmenter (u2netp) found itself",
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

"""Settings of editing whole images. Light: imports nothing heavy."""

from string import Formatter
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

PARTS = ("class", "subject", "caption")
"""What a prompt may name in braces."""


class EditConfig(BaseModel):
    """How images are edited with `aga.generator` 'alia'. Model, steps and so on are those of `aga.background`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    strength: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.6,
        description="how far the image is changed: near 0 hardly, 1 is a new picture (ALIA's default: 0.6)",
    )
    prompt: str = Field(
        default="a photo of {class}, {caption}",
        description="what the model is asked for: {class}, {subject} (the superclass) and {caption}",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            named = [name for _, name, _, _ in Formatter().parse(self.prompt) if name is not None]
        except ValueError as error:
            raise ValueError(
                f"aga.edit.prompt {self.prompt!r}: {error}; write a brace itself as {{{{ or }}}}"
            ) from None
        unknown = [name for name in named if name not in PARTS]
        if unknown or "caption" not in named:
            wrong = f"has no part {{{unknown[0]}}}" if unknown else "has no {caption}"
            raise ValueError(
                f"aga.edit.prompt {self.prompt!r} {wrong}: use {{caption}}, and {{class}} or {{subject}}"
            )
        return self

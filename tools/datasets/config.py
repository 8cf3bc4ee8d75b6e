"""Settings of the data: which set, where it is, how it is split and decoded. Does not import torch.

Defaults are given by name (`default=`), so that a type checker sees that a field is optional.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _split_names(value: Any) -> Any:
    """'a,b' and '["a", "b"]' as lists, so that variables and flags can give them as well as files."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"is not a JSON list ({error})") from None
    return [name.strip() for name in value.split(",") if name.strip()]


Names = Annotated[list[str], BeforeValidator(_split_names)]
"""A list of names, in any of these forms."""


def _check_range(text: str) -> None:
    if text in ("type", "dataset"):
        return
    low, colon, high = text.partition(":")
    try:
        right = bool(colon) and float(low) < float(high) and math.isfinite(float(high) - float(low))
    except ValueError:
        right = False
    if not right:
        raise ValueError(f"data.range {text}: expected type, dataset or LOW:HIGH, such as 0:4095")


class DataConfig(BaseModel):
    """Which images are used, and how they are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = Field(
        default=None, description="name of a registered data set; 'demo' where no path is given"
    )
    path: Path | None = Field(default=None, description="folder that holds the images")
    image_size: int | None = Field(
        default=None, ge=8, le=1024, description="side in pixels; the data set's own default if unset"
    )
    fit: Literal["stretch", "crop", "pad"] = Field(
        default="stretch",
        description="how a non-square image becomes square: stretch it, crop its centre, or pad it",
    )
    range: str = Field(
        default="type",
        pattern=r"^\S+$",
        description="what becomes black and white in images of more than 8 bits: the range of their 'type' (0 to "
        "65535), the range that the training images of the 'dataset' use, or LOW:HIGH",
    )
    on_corrupt: Literal["stop", "skip"] = Field(
        default="stop", description="what happens to an unreadable image: stop the run, or skip and count it"
    )
    on_leak: Literal["stop", "drop", "move"] = Field(
        default="stop",
        description="what happens to an image or group in two splits: stop the run, drop it from all but one of "
        "them (test before validation before train), or move all copies to that one",
    )
    on_two_labels: Literal["auto", "keep", "drop"] = Field(
        default="auto",
        description="what happens to a picture that is there under two labels: warn, and stop where that is half of a "
        "class; keep it and warn in any case; or drop all its copies",
    )
    leak_guard: Literal["near", "exact"] = Field(
        default="near",
        description="what counts as the same image: near-duplicates too (saved again, resized, mirrored), or only the "
        "same bytes",
    )
    companions: Literal["auto", "skip", "keep"] = Field(
        default="auto",
        description="what happens to masks, annotated copies and thumbnails beside their images (x_mask.png beside "
        "x.png): leave out those whose content agrees with their name, skip all that are named like that, or keep all",
    )
    max_pixels: int = Field(
        default=178_956_970,
        ge=1,
        description="an image with more pixels is treated as corrupt (decompression bomb)",
    )
    validation_fraction: float = Field(
        default=0.15, gt=0, lt=1, description="carved where no validation split is given"
    )
    test_fraction: float = Field(default=0.15, gt=0, lt=1, description="carved where no test split is given")
    split_seed: int = Field(default=0, ge=0, description="seed of the splits made by Augur")
    splits: Path | None = Field(
        default=None,
        description="file of splits to use instead, such as the splits.csv of an earlier study (columns file, split)",
    )
    variant: str | None = Field(
        default=None,
        description="which published variant of a data set's splits is used; `agent datasets` lists them",
    )
    fold: str | None = Field(
        default=None,
        pattern=r"^[1-9][0-9]*/[1-9][0-9]*$",
        description="I/K: the I-th of K folds of train and validation is validation, the rest train; test stays",
    )
    fraction: float | None = Field(
        default=None, gt=0, le=1, description="share of each class's training images that is used"
    )
    per_class: int | None = Field(
        default=None, ge=1, description="training images of each class that are used"
    )
    shifts: Names = Field(
        default_factory=lambda: ["auto"],
        description="further data sets for the final comparison, NAME or NAME=PATH (your own images, with a new name); "
        "'auto': those known for the data set that are in data/NAME",
    )
    decode_workers: int | None = Field(
        default=None, ge=1, description="processes that decode; all cores if unset"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        _check_range(self.range)
        if self.fraction is not None and self.per_class is not None:
            raise ValueError(
                "data.fraction and data.per_class both set the number of training images: give one"
            )
        if self.fold is not None:
            part, parts = map(int, self.fold.split("/"))
            if parts < 2 or part > parts:
                raise ValueError(
                    f"data.fold {self.fold}: expected I/K with K of 2 or more and I from 1 to K, such as 1/5"
                )
            if self.splits is not None:
                raise ValueError("data.fold and data.splits both define the validation split: give one")
        return self

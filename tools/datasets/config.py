"""Settings of the data: which set, where it is, how it is split and decoded. Does not import torch.

Defaults are given by name (`default=`), so that a type checker sees that a field is optional.
"""

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from tools.datasets.types import Modality
from tools.lists import bracketed

LEVELS = ("class", "split", "group", "any", "filename")
"""Words of `DataConfig.layout`: what a level of folders means."""


def _split_names(value: Any) -> Any:
    """'a,b' and '["a", "b"]' as lists, so that variables and flags can give them as well as files."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return bracketed(value)
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
    layout: str = Field(
        default="auto",
        description="what the levels of folders mean, outermost first: class, split/class, group/class (patients), "
        "class/group, any/class ('any': no meaning) or filename (cat.0.jpg); 'auto': found out, or asked",
    )
    labels: str | None = Field(
        default=None,
        description="table of labels, FILE:ID_COLUMN:LABEL_COLUMN[:GROUP_COLUMN] (CSV, TSV); ids are file names with "
        "or without folder and ending; FILE:ID_COLUMN for a table with a column of 0 and 1 for each class",
    )
    exclude: Names = Field(
        default_factory=list,
        description="folders that are not used, by name (at any depth) or by their path within the data's folder",
    )
    similar_labels: Literal["stop", "merge", "keep"] = Field(
        default="stop",
        description="what happens to classes that differ only in case, blanks or the format of a number: stop the run, "
        "merge them, or keep them apart",
    )
    missing_labels: Literal["stop", "drop", "keep"] = Field(
        default="stop",
        description="what happens to images whose label is empty, nan, none or -1: stop the run, leave them out, or "
        "keep the word as a class",
    )
    several_labels: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="whether an image may have several labels, or none, in a table with a column of 0 and 1 for each: "
        "'auto': where more than 1 in 20 images have several; 'off': the columns are classes that exclude each other",
    )
    modality: Modality | None = Field(
        default=None,
        description="kind of images, which decides what augmentations are safe for the labels; that of the data set's "
        "card if unset",
    )
    image_size: int | None = Field(
        default=None, ge=8, le=1024, description="side in pixels; the data set's own default if unset"
    )
    fit: Literal["stretch", "crop", "pad"] = Field(
        default="stretch",
        description="how a non-square image becomes square: stretch it, crop its centre, or pad it",
    )
    always: str | None = Field(
        default=None,
        description="a fixed step that every image goes through first, in training and evaluation alike, such as "
        "path/to/file.py:colour_constancy (docs/search.md)",
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
        "them (test before validation before train), or move all there, with their groups",
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
        json_schema_extra={"form": "a fold and how many there are, such as 1/5"},
        description="I/K: the I-th of K folds of train and validation is validation, the rest train; test stays",
    )
    folds: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="whether each seed is validated on another fold of train and validation, which makes comparisons "
        "less noisy; 'auto': where the data set has no validation split of its own",
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

    @field_validator("layout")
    @classmethod
    def _known_levels(cls, value: str) -> str:
        """`value` without spaces; a trailing slash is allowed."""
        text = value.strip().strip("/").casefold()
        levels = text.split("/")
        if text == "auto":
            return text
        if unknown := [level for level in levels if level not in LEVELS]:
            raise ValueError(
                f"has the level {unknown[0]!r}: use auto, or {', '.join(LEVELS)} with / between, such as split/class"
            )
        once = [level for level in LEVELS if level != "any" and levels.count(level) > 1]
        if once or {"class", "filename"} <= set(levels) or "filename" in levels[:-1]:
            raise ValueError(
                "names a level twice, or the class twice: use each of class, split and group once, and filename last"
            )
        return text

    @model_validator(mode="after")
    def _agree(self) -> Self:
        levels = self.layout.split("/")
        if self.labels is None and self.layout != "auto" and not {"class", "filename"} & set(levels):
            raise ValueError(
                f"data.layout {self.layout} has no class: add class or filename, or give a table with data.labels"
            )
        if self.labels is not None and {"class", "filename"} & set(levels):
            raise ValueError(
                f"data.labels gives the classes, but so does data.layout {self.layout}: leave out data.layout, or give "
                "one without a class (split, group, any)"
            )
        _check_range(self.range)
        if self.always is not None and self.range != "type":
            raise ValueError(
                f"data.always makes 8-bit images, so that data.range {self.range} comes too late: leave one of them out"
            )
        if self.fraction is not None and self.per_class is not None:
            raise ValueError(
                "data.fraction and data.per_class both set the number of training images: give one"
            )
        if self.folds == "on":
            few = {"fraction": self.fraction, "per_class": self.per_class, "fold": self.fold}
            if given := [f"data.{name}" for name, value in few.items() if value is not None]:
                raise ValueError(
                    f"data.folds on takes all training and validation images in turn, {given[0]} only some of them: "
                    "give one"
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

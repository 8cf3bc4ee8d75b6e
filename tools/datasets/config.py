"""Settings of the data: which set, where it lies, how it is split and decoded. Light: imports no torch.

Defaults are given by name (`default=`), for a type checker to see that the field may be left out.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DataConfig(BaseModel):
    """Which images are used, and how they are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = Field(
        default=None, description="name of a registered data set; 'demo' where no path is given"
    )
    path: Path | None = Field(default=None, description="folder that holds the images")
    image_size: int | None = Field(
        default=None, ge=8, le=1024, description="side in pixels; the data set's own default where unset"
    )
    fit: Literal["stretch", "crop", "pad"] = Field(
        default="stretch",
        description="how a non-square image becomes square: stretch it, crop its centre, or pad it",
    )
    on_corrupt: Literal["stop", "skip"] = Field(
        default="stop", description="what an unreadable image does: stop the run, or be skipped and counted"
    )
    on_leak: Literal["stop", "drop"] = Field(
        default="stop",
        description="what the same image in two splits does: stop the run, or be kept in one of them only "
        "(test before validation before train)",
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
    split_seed: int = Field(default=0, ge=0, description="seed of the splits that are made here")
    decode_workers: int | None = Field(
        default=None, ge=1, description="processes that decode; all cores where unset"
    )

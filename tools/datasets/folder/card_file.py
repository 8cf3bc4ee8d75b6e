"""The card of a user's own folder: from its dataset.yaml, completed by what is in the folder."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.datasets.assemble import Assembled
from tools.datasets.cards import card_from
from tools.datasets.folder.source import FolderSource
from tools.datasets.types import SPLITS, Card, Modality, Record
from tools.errors import DataError

NAMES = ("dataset.yaml", "dataset.yml", "card.yaml", "card.yml")

_SAMPLE = 200
"""Images whose size is read, evenly spread over the data set."""
_LARGEST_DEFAULT = 224


class CardFile(BaseModel):
    """The fields of dataset.yaml, all of them optional."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")
    title: str | None = None
    modality: Modality = "unknown"
    description: str | None = None
    advice: str = Field(
        "", description="which augmentations keep what decides the label, and which destroy it"
    )
    classes: list[str] | None = Field(None, description="in order, which matters if they are ordinal")
    superclasses: list[str] = Field(
        default_factory=list,
        description="what a detector finds in the images of each class, in the order of `classes`; '' for nothing",
    )
    ordinal: bool = False
    metric: Literal["validation_accuracy", "validation_macro_f1"] = "validation_accuracy"
    image_size: int | None = Field(None, ge=8, le=1024)
    licence: str = "unknown"
    citation: str = ""
    download: str = ""
    warnings: list[str] = Field(default_factory=list)


def read_card_file(folder: Path) -> CardFile:
    """The folder's dataset.yaml or card.yaml; an empty card if it has neither.

    Raises:
        DataError: it is not YAML, or a field is unknown or has a bad value.
    """
    file = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if file is None:
        return CardFile.model_validate({})
    try:
        return CardFile.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as error:
        raise DataError(f"{file} is not valid YAML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in error.errors()
        )
        raise DataError(f"{file}: {problems}. Known fields: {', '.join(CardFile.model_fields)}") from error


def make_card(declared: CardFile, assembled: Assembled, source: FolderSource) -> Card:
    """The declared card, completed by facts: counts, sizes, a default image size.

    The default image size is the median of the shorter sides, at most 224: enlarging adds no information.

    Raises:
        DataError: there is not one superclass for each class.
    """
    if declared.superclasses and len(declared.superclasses) != len(assembled.classes):
        raise DataError(
            f"{source.root}: {NAMES[0]} gives {len(declared.superclasses)} superclasses for {len(assembled.classes)} "
            f"classes: give one for each of {', '.join(assembled.classes)}, in this order ('' for classes whose "
            "images show no subject)"
        )
    sizes = _sizes(source, assembled.records)
    name = declared.name or source.root.resolve().name or "data"
    short = int(median(min(size) for size in sizes)) if sizes else _LARGEST_DEFAULT
    return card_from(
        {
            **declared.model_dump(),
            "name": name,
            "advice_from": "the owner of the images",
            "title": declared.title or name,
            "description": declared.description or _facts(assembled, sizes, declared.modality),
            "classes": assembled.classes,
            "image_size": declared.image_size or max(8, min(short, _LARGEST_DEFAULT)),
        }
    )


def _sizes(source: FolderSource, records: Sequence[Record]) -> list[tuple[int, int]]:
    """(width, height) of a sample, from the headers; files that cannot be opened are reported when decoding."""
    from PIL import Image

    sizes = []
    for record in records[:: max(1, len(records) // _SAMPLE)]:
        try:
            with Image.open(source.path(record.file)) as image:
                sizes.append(image.size)
        except Exception:  # any fault of a broken header: decoding names the file and the reason
            continue
    return sizes


def _facts(assembled: Assembled, sizes: Sequence[tuple[int, int]], modality: Modality) -> str:
    counts = [
        f"{name} ({sum(record.label == label for record in assembled.records)})"
        for label, name in enumerate(assembled.classes)
    ]
    splits = [f"{sum(record.split == split for record in assembled.records)} {split}" for split in SPLITS]
    lines = [
        f"{len(assembled.records)} images of {len(assembled.classes)} classes: {', '.join(counts)}.",
        f"Splits: {', '.join(splits)}.",
    ]
    if sizes:
        widths, heights = zip(*sizes, strict=True)
        lines.append(
            f"Original sizes: {min(widths)} to {max(widths)} pixels wide, {min(heights)} to {max(heights)} high."
        )
    if modality == "unknown":
        lines.append(
            "Its owner has not described it: only the class names tell what the images show and what decides the "
            "label."
        )
    return " ".join(lines)

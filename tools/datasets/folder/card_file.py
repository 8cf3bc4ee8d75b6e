"""The card of a user's own folder: from its dataset.yaml, completed by what is in the folder."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.datasets.assemble import Assembled
from tools.datasets.cards import card_from
from tools.datasets.folder.source import FolderSource
from tools.datasets.formats import register_heif
from tools.datasets.types import SPLITS, Card, Modality, Record
from tools.errors import AugurError, ConfigurationError, DataError, did_you_mean
from tools.files import write_whole

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

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


def find_card_file(*folders: Path) -> Path | None:
    """The file that describes the images of the first of `folders` that has one."""
    files = (folder / name for folder in folders for name in NAMES)
    return next((file for file in files if file.is_file()), None)


def write_card_file(file: Path, fields: Mapping[str, Any]) -> Path:
    """Write a dataset.yaml with these fields, in their order; returns `file`.

    Raises:
        ConfigurationError: a field has a bad value.
        AugurError: it cannot be written.
    """
    try:
        CardFile.model_validate(fields)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_problem(each, None) for each in error.errors())) from error
    text = "# Describes the images of this folder to Augur, and to a language model if one proposes: docs/data.md.\n"
    text += yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True, width=100)
    try:
        write_whole(file, text.encode())
    except OSError as error:
        raise AugurError(
            f"{file} cannot be written ({error.strerror or error}): check the permissions of its folder"
        ) from error
    return file


def read_card_file(*folders: Path) -> CardFile:
    """The dataset.yaml or card.yaml of the first of `folders` that has one; an empty card if none has.

    Words are read as they are written, so that `classes: [no, yes]` and `classes: [0, 1]` are names of classes.

    Raises:
        DataError: it is not YAML, or a field is unknown or has a bad value; names the line.
    """
    file = find_card_file(*folders)
    if file is None:
        return CardFile.model_validate({})
    try:
        text = file.read_text(encoding="utf-8-sig")
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        content = yaml.load(text, Loader=yaml.BaseLoader) or {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise DataError(f"{file}{line} is not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{file} cannot be read as YAML in UTF-8: {error}") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{file} must consist of `field: value` lines. Known fields: {', '.join(CardFile.model_fields)}"
        )
    values = {name: value for name, value in content.items() if value not in ("", "null", "~")}
    try:
        return CardFile.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_problem(each, root) for each in error.errors())
        raise DataError(f"{file}, {problems}. Known fields: {', '.join(CardFile.model_fields)}") from error


def _problem(fault: "ErrorDetails", root: yaml.Node | None) -> str:
    """What is wrong with a field, with its line."""
    name = str(fault["loc"][0]) if fault["loc"] else ""
    lines = (
        {key.value: key.start_mark.line + 1 for key, _ in root.value}
        if isinstance(root, yaml.MappingNode)
        else {}
    )
    field = ".".join(map(str, fault["loc"])) or "the file"
    line = f"line {lines[name]}: " if name in lines else ""
    if fault["type"] == "extra_forbidden":
        hint = did_you_mean(name, CardFile.model_fields)
        return f"{line}{field}: is not known{f' ({hint})' if hint else ''}"
    return f"{line}{field}: {fault['msg']}"


def make_card(
    declared: CardFile, assembled: Assembled, source: FolderSource, looked_at: Sequence[Record]
) -> Card:
    """The declared card, completed by facts: how many images there are, their sizes, a default image size.

    The default image size is the median of the shorter sides, at most 224: enlarging adds no information.

    Args:
        declared: what dataset.yaml says.
        assembled: all records, and the classes.
        source: where the images are.
        looked_at: the records whose images may be looked at: none of the test, since the card is for the search.

    Raises:
        DataError: there is not one superclass for each class.
    """
    if declared.superclasses and len(declared.superclasses) != len(assembled.classes):
        raise DataError(
            f"{source.root}: {NAMES[0]} gives {len(declared.superclasses)} superclasses for {len(assembled.classes)} "
            f"classes: give one for each of {', '.join(assembled.classes)}, in this order ('' for classes whose "
            "images show no subject)"
        )
    sizes = _sizes(source, looked_at)
    name = declared.name or source.root.resolve().name or "data"
    short = int(median(min(size) for size in sizes)) if sizes else _LARGEST_DEFAULT
    return card_from(
        {
            **declared.model_dump(),
            "name": name,
            "advice_from": "the owner of the images",
            "title": declared.title or name,
            "private": [
                *([] if declared.title or declared.name else ["title"]),
                *([] if declared.classes else ["classes"]),
            ],
            "description": declared.description or _facts(assembled, sizes, declared.modality),
            "classes": assembled.classes,
            "several_labels": assembled.several,
            "image_size": declared.image_size or max(8, min(short, _LARGEST_DEFAULT)),
        }
    )


def _sizes(source: FolderSource, records: Sequence[Record]) -> list[tuple[int, int]]:
    """(width, height) of a sample, from the headers; files that cannot be opened are reported when decoding."""
    from PIL import Image

    register_heif()
    sizes = []
    for record in records[:: max(1, len(records) // _SAMPLE)]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about metadata and size, which decoding judges
                with Image.open(source.path(record.file)) as image:
                    sizes.append(image.size)
        except Exception:  # any fault of a broken header: decoding names the file and the reason
            continue
    return sizes


def _facts(assembled: Assembled, sizes: Sequence[tuple[int, int]], modality: Modality) -> str:
    """What can be said without a description. The LLM reads it: of the test images, it may tell only their number.

    The classes, with the number of their training images, stand elsewhere in its prompt; here they are not named, since
    their names may be private.
    """
    lines = [
        f"{len(assembled.records)} images with any number of {len(assembled.classes)} labels each."
        if assembled.several
        else f"{len(assembled.records)} images of {len(assembled.classes)} classes.",
    ]
    if len(assembled.missing) < len(SPLITS) - 1:
        given = [split for split in SPLITS if split not in assembled.missing]
        counts = [f"{sum(record.split == split for record in assembled.records)} {split}" for split in given]
        lines.append(f"Splits: {', '.join(counts)}.")
    if sizes:
        widths, heights = zip(*sizes, strict=True)
        lines.append(
            f"Original sizes: {min(widths)} to {max(widths)} pixels wide, {min(heights)} to {max(heights)} high."
        )
    if modality == "unknown":
        lines.append(
            "Its owner has not described what the images show and what decides the label: all that tells is the names "
            "of the classes, as far as they are given, and the images themselves."
        )
    return " ".join(lines)

"""What a data set is to everything that uses one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from tools.datasets.label_sets import set_name, unpacked

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

Modality = Literal[
    "fundus",
    "dermoscopy",
    "mri",
    "ct",
    "xray",
    "ultrasound",
    "endoscopy",
    "microscopy",
    "digits",
    "natural",
    "unknown",
]


@dataclass(frozen=True)
class Card:
    """What a person, the LLM and the label-safety lint need to know about a data set."""

    name: str
    title: str
    modality: Modality
    description: str
    """Plain text for the LLM, facts only: what the images show, how they were made, what decides the label."""
    classes: tuple[str, ...]
    ordinal: bool = False
    metric: str = "validation_accuracy"
    image_size: int = 224
    """Default side in pixels."""
    licence: str = "unknown"
    citation: str = ""
    download: str = ""
    """The exact commands, or the address, to get it."""
    warnings: tuple[str, ...] = ()
    """Caveats to print with every number (no patient ids, …)."""
    superclasses: tuple[str, ...] = ()
    """What a detector finds in the images of each class ('bird' for 'jay'), in the order of the classes; '' where
    they show no subject (empty frames). () if unknown."""
    advice: str = ""
    """Plain text for the LLM, our opinion or that of the data's owner: which augmentations keep what decides the label,
    and which destroy it. `search.advice off` leaves it out. '' if there is none."""
    advice_from: str = "the makers of this software"
    """Whose opinion it is."""
    private: tuple[Literal["title", "classes"], ...] = ()
    """Fields that nobody wrote for others to read: they are names of a user's folders, files or columns."""
    several_labels: bool = False
    """Whether an image may have several of the `classes`, or none: they are labels then, each of them there or not."""

    def labels_of(self, label: int) -> tuple[int, ...]:
        """Which of the `classes` a record's label means: one, or any number where there are several labels."""
        return unpacked(label) if self.several_labels else (label,)

    def label_name(self, label: int) -> str:
        """A record's label for people."""
        return set_name(label, self.classes) if self.several_labels else self.classes[label]


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled image. `file` names it, to its source and in every message."""

    file: str
    label: int
    """Index into the classes; where images have several labels, the number of their set (`label_sets.packed`)."""
    split: Split
    group: str
    """Images of one group (a patient, a source photo) never cross splits."""


class Source(Protocol):
    """Where the bytes of the images are; picklable, so that decoding can run in other processes."""

    def read(self, file: str) -> bytes:
        """The encoded image (JPEG, PNG, …) named `file`."""
        ...

    def where(self, file: str) -> str:
        """How to name `file` to a person: its full path, or a description."""
        ...


@dataclass(frozen=True)
class Dataset:
    """Records with their splits fixed, and the source of their bytes."""

    card: Card
    records: tuple[Record, ...]
    source: Source
    notes: tuple[str, ...] = field(default=())
    """What was found and done while opening it (empty rows skipped, splits carved), for the user."""
    warnings: tuple[str, ...] = ()
    """What was found while opening it that may spoil results: told even by a quiet run."""
    missing: tuple[Split, ...] = ()
    """Splits that are not published: `assign_splits` carves them from train."""
    folds: tuple[frozenset[str], ...] = ()
    """Published validation folds: the files of each, from train or validation. A file may be in several or none."""
    boxes: Mapping[str, "Corners"] = field(default_factory=dict)
    """file → where its subject is, if the data set says so."""
    masks: Mapping[str, Path] = field(default_factory=dict)
    """file → picture of its subject's mask, if the data set has one."""
    published: "Dataset | None" = None
    """This data set as it was before `assign_splits`."""
    shift_of: str | None = None
    """If this one has a test split only: the data set whose classifiers it tests."""
    known_leaks: bool = False
    """The published splits are known to share images: shared ones are dropped (as by `on_leak: drop`) and counted,
    since the user did not make them and cannot fix them."""


@dataclass(frozen=True, slots=True)
class Corners:
    """A box in pixels of the image as it is decoded (EXIF orientation applied): right and bottom are exclusive."""

    left: float
    top: float
    right: float
    bottom: float

"""What a data set is, to everything that uses one."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

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
    """Plain text for the LLM: what is shown, what decides the label, what must not be changed."""
    classes: tuple[str, ...]
    ordinal: bool = False
    metric: str = "validation_accuracy"
    image_size: int = 224
    """Default side in pixels."""
    licence: str = "unknown"
    citation: str = ""
    download: str = ""
    """Exact commands or address that fetch it."""
    warnings: tuple[str, ...] = ()
    """Caveats to be printed with every number (no patient ids, …)."""


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled image. `file` names it towards its source and in every message."""

    file: str
    label: int
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
    """What was found and done while opening it (empty rows skipped, splits carved), for the user to see."""
    known_leaks: bool = False
    """The published splits are known to share images: shared ones are dropped (as by `on_leak: drop`) and counted,
    since the user did not make them and cannot mend them."""

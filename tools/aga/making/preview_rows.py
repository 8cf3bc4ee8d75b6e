"""What a small set shows of the prompts that it was made from: its images, and what became of each background."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tools.aga.making.source_images import TrainingSources
from tools.aga.store.pictures import kept_picture
from tools.aga.store.sets import GeneratedSet


@dataclass(frozen=True, eq=False)
class PreviewRow:
    """One composite. Pictures are uint8 (H, W, 3), RGB."""

    label: str
    """Its class."""
    real: np.ndarray
    composite: np.ndarray
    caption: str


@dataclass(frozen=True)
class Verdict:
    """What the gates said of a background or a composite."""

    what: str
    """The caption of a background, the class of a composite."""
    refused: str
    """Why it was refused; empty where it was not."""


@dataclass(frozen=True, eq=False)
class Preview:
    """A few images as a set of prompts gives them."""

    rows: tuple[PreviewRow, ...]
    """The composites that would be trained on."""
    composites: tuple[Verdict, ...]
    """All of them."""
    backgrounds: tuple[Verdict, ...]
    """That were tried, in order."""
    skipped: tuple[tuple[str, int], ...]
    """Why training images gave none, and how many."""


def preview_of(made: GeneratedSet, sources: TrainingSources) -> Preview:
    """What a set shows; `sources` are what it was made from."""
    return Preview(
        tuple(_rows(made, sources)),
        _verdicts(made.provenance, "class"),
        _verdicts(made.folder / "backgrounds.parquet", "caption"),
        tuple((reason, count) for reason, count in made.skipped.items() if count),
    )


def _rows(made: GeneratedSet, sources: TrainingSources) -> Iterator[PreviewRow]:
    import pyarrow.parquet as pq

    rows = pq.read_table(made.provenance, columns=["training_row", "class", "caption", "file", "accepted"])
    for row in rows.to_pylist():
        picture = kept_picture(made.folder / row["file"]) if row["accepted"] else None
        if picture is not None:
            real = sources.training_pixels(row["training_row"])
            yield PreviewRow(row["class"], real, picture, row["caption"])


def _verdicts(file: Path, what: str) -> tuple[Verdict, ...]:
    import pyarrow.parquet as pq

    rows = pq.read_table(file, columns=[what, "accepted", "refused_because"]).to_pylist()
    return tuple(
        Verdict(row[what], "" if row["accepted"] else row["refused_because"] or "refused") for row in rows
    )

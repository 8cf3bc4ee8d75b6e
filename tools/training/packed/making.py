"""What a process does that makes augmented images: the single trainer's transforms, under its random numbers."""

from collections.abc import Sequence
from functools import lru_cache

import torch

from tools.training.batches import Batch, TrainingImages, training_images
from tools.training.config import TrialSpec

_OPENED: dict[str, torch.Tensor] = {}


def begin(path: str, shape: tuple[int, ...], at: str) -> None:
    """In each process, before its first job: open the arena `at` as `make` names it."""
    from tools.training.packed.arena import open_rows

    torch.set_num_threads(1)
    _OPENED[at] = open_rows(path, shape)


def begin_all(arenas: Sequence[tuple[str, tuple[int, ...], str]]) -> None:
    """`begin` for each of these."""
    for path, shape, at in arenas:
        begin(path, shape, at)


def make(spec: TrialSpec, batches: Sequence[Batch], arena: str, row: int) -> None:
    """Write the images of `batches`, one after the other, from `row` on."""
    make_into(_OPENED[arena], spec, batches, row)


def make_into(rows: torch.Tensor, spec: TrialSpec, batches: Sequence[Batch], row: int) -> None:
    """As `make`, into `rows`, uint8 (R, 3, S, S)."""
    source = _source(spec.model_dump_json())
    for batch in batches:
        images, _ = source.__getitems__(batch)
        rows[row : row + len(images)] = images
        row += len(images)


@lru_cache(maxsize=64)
def _source(spec: str) -> TrainingImages:
    """Opened once for all jobs of equal specifications, given as JSON."""
    return training_images(TrialSpec.model_validate_json(spec))

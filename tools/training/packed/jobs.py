"""What processes that augment are asked to make."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from tools.training.batches import Batch
from tools.training.config import TrialSpec

PARTS, SHARED = "parts", "shared"
"""Names of arenas: of what is copied to the device, and of epochs that several trials are fed from."""


@dataclass(eq=False)
class Job:
    """Images that are being made: those of `batches`, one after the other, from `row` of `arena` on."""

    spec: TrialSpec
    batches: Sequence[Batch]
    arena: str
    row: int
    future: Future[None]

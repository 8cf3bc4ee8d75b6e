"""What one trial is fed with: its parts, in order, made ahead as far as its share of the memory goes."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from tools.training.batches import Batch, EpochBatches, TrainingImages
from tools.training.config import TrialSpec
from tools.training.packed.augmenters import Augmenters
from tools.training.packed.jobs import PARTS, Job
from tools.training.packed.shared_epochs import Share, SharedEpochs


@dataclass(eq=False)
class Part:
    """Some steps of an epoch: images in the order in which they are trained on."""

    epoch: int
    first_step: int
    sizes: list[int]
    """Images of each step."""
    images: torch.Tensor
    """uint8 (N, 3, S, S), in memory that is valid until `release`."""
    labels: torch.Tensor
    """int64 (N,)."""
    feed: "Feed"
    row: int

    def release(self) -> None:
        """Its memory may be used again."""
        self.feed.give_back(self.row)


@dataclass(eq=False)
class Supply:
    """What all feeds of a pack draw on."""

    augmenters: Augmenters
    shared: SharedEpochs | None
    steps: int
    """Of a part."""
    parts: int
    """That fit into the memory."""
    rows_of_part: int
    feeds: list["Feed"] = field(default_factory=list)
    """Of the trials that run, and of those that ended while their memory was written to."""


@dataclass(eq=False)
class _Pending:
    """A part that is being made: by a job of its own, or from a shared epoch."""

    epoch: int
    first_step: int
    batches: list[Batch]
    row: int
    job: Job | None
    share: Share | None

    def is_ready(self, augmenters: Augmenters) -> bool:
        if self.share is not None:
            return self.share.is_ready()
        return self.job is not None and augmenters.is_done(self.job)


class Feed:
    """The parts of one trial, in order."""

    def __init__(
        self,
        supply: Supply,
        spec: TrialSpec,
        source: TrainingImages,
        batches: EpochBatches,
        first_epoch: int,
    ) -> None:
        self._supply, self._source = supply, source
        self._arena = supply.augmenters.arenas[PARTS]
        # what the images do not depend on is left out, so that a process opens them once for all seeds
        self._spec = spec.model_copy(update={"key": "", "seed": 0, "directory": Path()})
        self._planned = _parts_of(batches, spec.recipe.epochs, first_epoch, supply.steps)
        self._pending: deque[_Pending] = deque()
        self._rows: set[int] = set()
        self._given_up: list[tuple[Job, int]] = []
        self._exhausted = self._closed = False

    def next(self) -> Part | None:
        """The next part, or None while it is being made.

        Raises:
            Exception: as making it raised it.
        """
        self._ask()
        if not self._pending or not self._pending[0].is_ready(self._supply.augmenters):
            return None
        pending = self._pending.popleft()
        sizes = [len(batch.indices) for batch in pending.batches]
        images = self._arena.images[pending.row : pending.row + sum(sizes)]
        if pending.share is not None:
            pending.share.copy_to(images)
        labels = self._source.labels(np.concatenate([batch.indices for batch in pending.batches]))
        return Part(
            pending.epoch, pending.first_step, sizes, images, torch.from_numpy(labels), self, pending.row
        )

    def give_back(self, row: int) -> None:
        """A part was copied to the device."""
        self._rows.discard(row)
        self._arena.give_back(row, self._supply.rows_of_part)

    def close(self) -> None:
        """Ask for nothing more; memory that is still written to is given back later, by whoever needs it."""
        self._planned, self._closed = iter(()), True
        for pending in self._pending:
            self._give_up(pending)
        self._pending.clear()
        self.clear_up()

    def clear_up(self) -> None:
        """Give back what is no longer written to; a closed feed without any is forgotten."""
        self._given_up = [each for each in self._given_up if not self._returned(*each)]
        if self._closed and not self._given_up and not self._rows and self in self._supply.feeds:
            self._supply.feeds.remove(self)

    def _give_up(self, pending: "_Pending") -> None:
        if pending.share is not None:
            pending.share.give_up()
            self.give_back(pending.row)
        elif pending.job is not None:
            self._given_up.append((pending.job, pending.row))

    def _returned(self, job: Job, row: int) -> bool:
        if not self._supply.augmenters.forget(job):
            return False
        self.give_back(row)
        return True

    def _ask(self) -> None:
        """Keep as many parts in the making as this trial's share of the memory holds."""
        supply = self._supply
        quota = max(1, supply.parts // max(1, len(supply.feeds)))
        while len(self._rows) < quota and not self._exhausted:
            row = self._row()
            if row is None:
                return
            planned = next(self._planned, None)
            if planned is None:
                self._exhausted = True
                self._arena.give_back(row, supply.rows_of_part)
                return
            epoch, first_step, batches = planned
            self._rows.add(row)
            share = None if supply.shared is None else supply.shared.share(self._spec, self._source, batches)
            job = supply.augmenters.submit(self._spec, batches, PARTS, row) if share is None else None
            self._pending.append(_Pending(epoch, first_step, batches, row, job, share))

    def _row(self) -> int | None:
        rows = self._supply.rows_of_part
        row = self._arena.take(rows)
        if row is None:
            for feed in tuple(self._supply.feeds):
                feed.clear_up()
            row = self._arena.take(rows)
        return row


def _parts_of(
    batches: EpochBatches, epochs: int, first_epoch: int, steps: int
) -> Iterator[tuple[int, int, list[Batch]]]:
    """(epoch, first step, batches) of each part."""
    for epoch in range(first_epoch, epochs + 1):
        batches.epoch = epoch
        of_epoch = list(batches)
        for first in range(0, len(of_epoch), steps):
            yield epoch, first, of_epoch[first : first + steps]

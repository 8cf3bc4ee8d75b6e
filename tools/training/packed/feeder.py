"""Augmented epochs for several trials, made ahead of time by other processes.

A `Feed` gives one trial its parts in order. Own draws are made for the trial alone, batch by batch, under the random
numbers that the single trainer uses. Shared draws (`epochs.py`) are made once for all trials that share them.
"""

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path

import numpy as np
import psutil
import torch

from tools.errors import AugurError
from tools.processes import exit_with_parent
from tools.training.batches import Batch, EpochBatches, TrainingImages
from tools.training.config import TrialSpec
from tools.training.packed.arena import Arena
from tools.training.packed.jobs import PARTS, SHARED, Job
from tools.training.packed.making import begin_all, make, make_into
from tools.training.packed.shared_epochs import Share, SharedEpochs

MOST_MEMORY = 2 * 2**30
"""Bytes for parts that are made ahead, at most; a tenth of the machine's memory if that is less."""

MOST_DEATHS = 3
"""Of processes that augment, in a row, without a job that was done."""


class FeedersDie(AugurError):
    """Processes that augment die again and again: something is wrong with the machine, not with a trial."""


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


class Feeder:
    """The processes and their memory."""

    def __init__(
        self,
        processes: int,
        image_size: int,
        batch_size: int,
        steps: int,
        feeds: int,
        pinned: bool = False,
        shared_images: int = 0,
    ) -> None:
        """Start the processes; they need seconds until they can work.

        Args:
            processes: that augment; with 0, images are made in this process when they are needed.
            image_size: side of the images in pixels.
            batch_size: of the trials, at most.
            steps: of a part.
            feeds: trials at a time.
            pinned: whether parts are copied to a CUDA device.
            shared_images: of an epoch, where draws are shared; memory is taken for two epochs for each of `feeds`.
        """
        self.rows_of_part = steps * batch_size + 1
        self.steps, self.processes = steps, processes
        bytes_of_part = self.rows_of_part * 3 * image_size**2
        memory = min(MOST_MEMORY, psutil.virtual_memory().total // 10)
        wanted = max(4 * feeds, 3 * processes)
        self.parts = max(2 * feeds, min(wanted, memory // bytes_of_part))
        self.arenas = {PARTS: Arena(self.parts * self.rows_of_part, image_size, processes > 0, pinned)}
        self.shared: SharedEpochs | None = None
        if shared_images:
            rows = min(2 * feeds * shared_images, memory // (3 * image_size**2))
            self.arenas[SHARED] = Arena(max(1, rows), image_size, processes > 0)
            self.shared = SharedEpochs(self)
        self.feeds: list[Feed] = []
        self._jobs: list[Job] = []
        self._deaths = 0
        self._pool: ProcessPoolExecutor | None = None
        if processes:
            self._pool = self._started()

    def feed(
        self, spec: TrialSpec, source: TrainingImages, batches: EpochBatches, first_epoch: int
    ) -> "Feed":
        """The parts of a trial from `first_epoch` to its last; close it when the trial ends, however it ends."""
        feed = Feed(self, spec, source, batches, first_epoch)
        self.feeds.append(feed)
        return feed

    def submit(self, spec: TrialSpec, batches: Sequence[Batch], arena: str, row: int) -> Job:
        """Have the images of `batches` made at `row` of an arena."""
        job = Job(spec, batches, arena, row, Future())
        if self._pool is None:
            try:
                make_into(self.arenas[arena].images, spec, batches, row)
                job.future.set_result(None)
            except Exception as error:
                job.future.set_exception(error)
        else:
            self._jobs.append(job)
            self._send(job)
        return job

    def is_done(self, job: Job) -> bool:
        """Whether the images are there; raises what their making raised.

        Raises:
            FeedersDie: processes die again and again.
        """
        if not job.future.done():
            return False
        if self._is_broken(job):
            self._restart()
            return False
        if job in self._jobs:
            self._jobs.remove(job)
        job.future.result()
        self._deaths = 0
        return True

    def forget(self, job: Job) -> bool:
        """Whether nobody writes for `job` any longer, which is not needed."""
        if not (job.future.cancel() or job.future.done()):
            return False
        if job in self._jobs:
            self._jobs.remove(job)
        return True

    def close(self) -> None:
        """End the processes and free the memory."""
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):
                process.kill()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        for arena in self.arenas.values():
            arena.close()

    def _started(self) -> ProcessPoolExecutor:
        arenas = [(arena.path, arena.shape, name) for name, arena in self.arenas.items()]
        pool = ProcessPoolExecutor(self.processes, prepared(), initializer=_begin, initargs=(arenas,))
        for _ in range(self.processes):
            pool.submit(_nothing)  # so that all of them start now
        return pool

    def _send(self, job: Job) -> None:
        assert self._pool is not None
        try:
            job.future = self._pool.submit(make, job.spec, job.batches, job.arena, job.row)
        except BrokenProcessPool as error:
            job.future = Future()
            job.future.set_exception(error)

    @staticmethod
    def _is_broken(job: Job) -> bool:
        return not job.future.cancelled() and isinstance(job.future.exception(), BrokenProcessPool)

    def _restart(self) -> None:
        """New processes in place of those that died; what was not done is made again, and is the same."""
        self._deaths += 1
        if self._deaths > MOST_DEATHS:
            raise FeedersDie(
                f"processes that augment images died {self._deaths} times in a row: probably the system killed them "
                "because memory ran out; try fewer training.loader_workers, or execution.pack=off"
            )
        assert self._pool is not None
        self._pool.shutdown(wait=True)
        self._pool = self._started()
        for job in self._jobs:
            if self._is_broken(job):
                self._send(job)


def prepared() -> BaseContext:
    """How processes that augment are started. To call it early saves the seconds that torch takes to be imported.

    On Linux they are forked from a process that has imported all they need, and nothing else: it holds no threads,
    no locks and no device. Elsewhere they are spawned.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tools.training.packed.making"])
    forkserver.ensure_running()
    return context


def _begin(arenas: Sequence[tuple[str, tuple[int, ...], str]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exit_with_parent()
    begin_all(arenas)


def _nothing() -> None:
    pass


@dataclass(eq=False)
class _Pending:
    """A part that is being made: by a job of its own, or from a shared epoch."""

    epoch: int
    first_step: int
    batches: list[Batch]
    row: int
    job: Job | None
    share: Share | None

    def is_ready(self, feeder: Feeder) -> bool:
        if self.share is not None:
            return self.share.is_ready()
        return self.job is not None and feeder.is_done(self.job)


class Feed:
    """The parts of one trial, in order."""

    def __init__(
        self,
        feeder: Feeder,
        spec: TrialSpec,
        source: TrainingImages,
        batches: EpochBatches,
        first_epoch: int,
    ) -> None:
        self._feeder, self._source = feeder, source
        # what the images do not depend on is left out, so that a process opens them once for all seeds
        self._spec = spec.model_copy(update={"key": "", "seed": 0, "directory": Path()})
        self._planned = _parts_of(batches, spec.recipe.epochs, first_epoch, feeder.steps)
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
        if not self._pending or not self._pending[0].is_ready(self._feeder):
            return None
        pending = self._pending.popleft()
        sizes = [len(batch.indices) for batch in pending.batches]
        images = self._feeder.arenas[PARTS].images[pending.row : pending.row + sum(sizes)]
        if pending.share is not None:
            pending.share.copy_to(images)
        labels = self._source.labels(np.concatenate([batch.indices for batch in pending.batches]))
        return Part(
            pending.epoch, pending.first_step, sizes, images, torch.from_numpy(labels), self, pending.row
        )

    def give_back(self, row: int) -> None:
        """A part was copied to the device."""
        self._rows.discard(row)
        self._feeder.arenas[PARTS].give_back(row, self._feeder.rows_of_part)

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
        if self._closed and not self._given_up and not self._rows and self in self._feeder.feeds:
            self._feeder.feeds.remove(self)

    def _give_up(self, pending: "_Pending") -> None:
        if pending.share is not None:
            pending.share.give_up()
            self.give_back(pending.row)
        elif pending.job is not None:
            self._given_up.append((pending.job, pending.row))

    def _returned(self, job: Job, row: int) -> bool:
        if not self._feeder.forget(job):
            return False
        self.give_back(row)
        return True

    def _ask(self) -> None:
        """Keep as many parts in the making as this trial's share of the memory holds."""
        feeder = self._feeder
        quota = max(1, feeder.parts // max(1, len(feeder.feeds)))
        while len(self._rows) < quota and not self._exhausted:
            row = self._row()
            if row is None:
                return
            planned = next(self._planned, None)
            if planned is None:
                self._exhausted = True
                feeder.arenas[PARTS].give_back(row, feeder.rows_of_part)
                return
            epoch, first_step, batches = planned
            self._rows.add(row)
            share = None if feeder.shared is None else feeder.shared.share(self._spec, self._source, batches)
            job = feeder.submit(self._spec, batches, PARTS, row) if share is None else None
            self._pending.append(_Pending(epoch, first_step, batches, row, job, share))

    def _row(self) -> int | None:
        arena, rows = self._feeder.arenas[PARTS], self._feeder.rows_of_part
        row = arena.take(rows)
        if row is None:
            for feed in tuple(self._feeder.feeds):
                feed.clear_up()
            row = arena.take(rows)
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

"""Processes that make augmented images ahead of time, and the memory that they write to."""

import multiprocessing
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

from tools.errors import AugurError
from tools.processes import exit_with_parent
from tools.training.batches import Batch
from tools.training.config import TrialSpec
from tools.training.packed.arena import Arena
from tools.training.packed.jobs import Job
from tools.training.packed.making import begin_all, make, make_into

MOST_DEATHS = 3
"""Of processes that augment, in a row, without a job that was done."""


class FeedersDie(AugurError):
    """Processes that augment die again and again: something is wrong with the machine, not with a trial."""


class Augmenters:
    """The processes; those that die are replaced, and what they had not done is made again."""

    def __init__(self, processes: int, arenas: Mapping[str, Arena]) -> None:
        """Start the processes; they need seconds until they can work.

        Args:
            processes: how many; with 0, images are made in this process when they are asked for.
            arenas: by the names that jobs call them. They are closed with the processes.
        """
        self._processes, self.arenas = processes, arenas
        self._jobs: list[Job] = []
        self._deaths = 0
        self._pool = self._started() if processes else None

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
        pool = ProcessPoolExecutor(self._processes, prepared(), initializer=_begin, initargs=(arenas,))
        for _ in range(self._processes):
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

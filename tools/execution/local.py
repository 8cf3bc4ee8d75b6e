"""Trials on this machine: worker processes that can be killed, each with its own device, reused between trials.

Pebble owns the processes: it starts them, kills the one that runs out of time, notices the one that died. Each
worker has a pool of its own, so that it belongs to one device. This file decides which trial goes where and what
each ending means.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, resource_tracker
from typing import Any, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from tools.errors import AugurError, ConfigurationError
from tools.execution.devices import WorkerPlan
from tools.execution.worker import evaluate_in_worker, read_outcome, start_worker, train_in_worker, wake
from tools.training.config import TrialSpec
from tools.training.epoch_log import EpochTail, seconds_spent
from tools.training.failures import failed
from tools.training.trial_store import predictions_file, read_predictions
from tools.training.types import FailureKind, Predictions, TrialEvent, TrialResult

_Outcome = TypeVar("_Outcome")

_LOOK_EVERY = 0.1
"""Seconds between looks at the progress of running trials."""

_SIGNALS = {
    "SIGKILL": "usually the system, when memory runs out: try fewer execution.workers or a smaller "
    "training.batch_size",
    "SIGSEGV": "a crash in native code: try execution.device=cpu, or another version of torch",
    "SIGBUS": "no space in shared memory: try training.loader_workers=0",
}


class LocalExecutor:
    """Runs trials in one worker process for each plan; see `tools.execution.executor.Executor`.

    Starts processes by spawning: a script that uses it needs the usual `if __name__ == "__main__":`.
    Ctrl-C reaches this process only; leaving the context kills the workers, and workers whose parent was killed
    end by themselves.
    """

    def __init__(self, plans: list[WorkerPlan], timeout: float | None) -> None:
        """`timeout` is in seconds for one sitting of one trial; no process starts before `warm_up`, or work."""
        if not plans:
            raise ConfigurationError("an executor needs at least one worker (execution.workers)")
        self._seats = [_Seat(plan) for plan in plans]
        self._timeout = timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        _dismiss(self._seats)

    def warm_up(self) -> None:
        """Starts the workers: importing torch takes them seconds, in which the caller can do something else."""
        for seat in self._seats:
            seat.submit(wake, (), None)

    def train(
        self, specs: Sequence[TrialSpec], on_event: Callable[[TrialEvent], None]
    ) -> Iterator[TrialResult]:
        """Exactly one result for each of `specs`, as they end; see `Executor.train`."""

        def follow(job: _Job) -> None:
            for report in job.tail.new():
                on_event(TrialEvent(job.spec.key, "epoch", job.seat.plan.device, epoch=report))

        def conclude(job: _Job) -> TrialResult:
            result = self._result(job)
            if result.failure not in (None, "non_finite_loss"):
                # its memory, or its device's state, may be spoilt: the next trial gets a fresh process
                job.seat.dismiss()
            follow(job)
            on_event(TrialEvent(result.key, "ended", job.seat.plan.device, result=result))
            return result

        def start(seat: _Seat, spec: TrialSpec) -> _Job:
            future = seat.submit(train_in_worker, (spec, seat.plan.device), self._timeout)
            return _Job(spec, seat, future, EpochTail(spec.directory), seconds_spent(spec.directory))

        def started(job: _Job) -> None:
            on_event(TrialEvent(job.spec.key, "started", job.seat.plan.device))

        yield from self._run(specs, start, started, follow, conclude)

    def evaluate(self, specs: Sequence[TrialSpec], split: str) -> list[Predictions]:
        """Predictions of finished trials on `split`, in the order of `specs`; see `Executor.evaluate`."""

        def start(seat: _Seat, spec: TrialSpec) -> _Job:
            future = seat.submit(evaluate_in_worker, (spec, split, seat.plan.device), None)
            return _Job(spec, seat, future, EpochTail(spec.directory), 0.0)

        def conclude(job: _Job) -> None:
            error = job.future.exception()
            reason = _death(error) if error is not None else job.future.result()
            if reason is not None:
                job.seat.dismiss()
                raise AugurError(
                    f"the trial {job.spec.key[:12]} (seed {job.spec.seed}) could not be evaluated on {split}: "
                    f"{reason}"
                )

        missing = [spec for spec in specs if not predictions_file(spec.directory, split).is_file()]
        for _ in self._run(missing, start, _nothing, _nothing, conclude):
            pass
        found = [read_predictions(spec.directory, split) for spec in specs]
        return [predictions for predictions in found if predictions is not None]

    def _run(
        self,
        specs: Sequence[TrialSpec],
        start: "Callable[[_Seat, TrialSpec], _Job]",
        started: "Callable[[_Job], None]",
        follow: "Callable[[_Job], None]",
        conclude: "Callable[[_Job], _Outcome]",
    ) -> "Iterator[_Outcome]":
        """Keeps every seat busy, also while the caller looks at an outcome; yields outcomes as jobs end."""
        waiting, idle = deque(specs), deque(self._seats)
        running: list[_Job] = []
        outcomes: deque[_Outcome] = deque()
        try:
            while waiting or running:
                while waiting and idle:
                    job = start(idle.popleft(), waiting.popleft())
                    running.append(job)
                    started(job)
                while outcomes:
                    yield outcomes.popleft()
                wait([job.future for job in running], timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
                for job in [job for job in running if job.future.done()]:
                    running.remove(job)
                    if isinstance(job.future.exception(), BrokenProcessPool) and not job.again:
                        # the worker died while it was idle, before it took this trial
                        job.seat.dismiss()
                        running.append(replace(start(job.seat, job.spec), again=True))
                        continue
                    outcomes.append(conclude(job))
                    idle.append(job.seat)
                for job in running:
                    follow(job)
            yield from outcomes
        finally:
            _dismiss([job.seat for job in running])

    def _result(self, job: "_Job") -> TrialResult:
        error = job.future.exception()
        if error is None:
            return read_outcome(job.spec.directory)
        failure: FailureKind = "worker_died"
        reason = _death(error)
        if isinstance(error, FutureTimeout):
            failure = "timeout"
            reason = (
                f"not finished after {self._timeout:g} s: raise execution.trial_timeout, or lower training.epochs; "
                "run again, it goes on from its checkpoint"
            )
        plan = job.seat.plan
        machine = {"device": plan.device, "threads": str(plan.threads)}
        return failed(job.spec, failure, reason, machine, job.seconds_before + time.monotonic() - job.started)


def _nothing(job: "_Job") -> None:
    """Nobody asked to hear of it."""


@dataclass(frozen=True, eq=False)
class _Job:
    spec: TrialSpec
    seat: "_Seat"
    future: "Future[Any]"
    tail: EpochTail
    seconds_before: float
    """Spent on the trial in earlier sittings."""
    started: float = field(default_factory=time.monotonic)
    again: bool = False
    """Whether another worker was meant to run it, and was dead before."""


class _Seat:
    """The place of one worker, whichever process sits there."""

    def __init__(self, plan: WorkerPlan) -> None:
        self.plan = plan
        self._pool: ProcessPool | None = None

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout: float | None
    ) -> "Future[Any]":
        with _interrupts_held_back():
            if self._pool is not None and not self._pool.active:  # the idle worker died
                self.dismiss()
            if self._pool is None:
                self._pool = ProcessPool(
                    max_workers=1,
                    context=get_context("spawn"),
                    initializer=start_worker,
                    initargs=(self.plan.threads,),
                )
            return self._pool.schedule(function, args=arguments, timeout=timeout)

    def dismiss(self) -> None:
        """Kills the worker, whatever it does; the next submission starts another."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()
            pool.join()


def _dismiss(seats: list[_Seat]) -> None:
    if seats:
        with ThreadPoolExecutor(len(seats)) as together:
            list(together.map(_Seat.dismiss, seats))


def _death(error: BaseException) -> str:
    """Why a worker gave no answer, and what to try."""
    if not isinstance(error, ProcessExpired):
        return f"its worker process could not go on ({type(error).__name__}: {error})"
    code = error.exitcode
    if code >= 0:
        return f"its worker process ended with exit code {code}; run again, it goes on from its checkpoint"
    name = signal.Signals(-code).name
    hint = _SIGNALS.get(name, "run again, it goes on from its checkpoint")
    return f"its worker process was killed by {name} ({hint})"


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C waits. Processes and threads started in here inherit that, and never see it.

    Pebble ignores SIGINT in its workers, but only once they are up, and importing torch takes seconds.
    """
    resource_tracker.ensure_running()  # which lets SIGINT through again, when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""Trials on this machine: worker processes that can be killed, each with its own device, reused between trials.

Pebble owns the processes: it starts them, kills the one that runs out of time, and notices the one that died. Each
worker has a pool of its own, so that it keeps its device. This file decides which trial runs where and what each way
of ending means.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context, resource_tracker
from typing import Any, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from tools.errors import AugurError, ConfigurationError
from tools.execution.devices import WorkerPlan
from tools.execution.worker import (
    do_nothing,
    evaluate_in_worker,
    read_outcome,
    start_worker,
    train_in_worker,
)
from tools.training.config import TrialSpec
from tools.training.epoch_log import EpochTail, seconds_spent
from tools.training.failures import failed
from tools.training.trial_store import predictions_file, read_predictions
from tools.training.types import FailureKind, Predictions, TrialEvent, TrialResult

_Outcome = TypeVar("_Outcome")
_OnEvent = Callable[[TrialEvent], None]
_Task = Callable[[TrialSpec, str], Any]
"""What a worker does with a trial on its device."""

_POLL_SECONDS = 0.1
"""Between two readings of the progress of running trials."""

_AGAIN = "run again, it resumes from its checkpoint"

_SIGNALS = {
    "SIGKILL": "usually by the system, when memory runs out: try fewer execution.workers or a smaller "
    "training.batch_size",
    "SIGSEGV": "a crash in native code: try execution.device=cpu, or another version of torch",
    "SIGBUS": "no space in shared memory: try training.loader_workers=0",
}


class LocalExecutor:
    """Runs trials in one worker process for each plan; see `tools.execution.executor.Executor`.

    Processes are spawned, so a script that uses it needs the usual `if __name__ == "__main__":`.
    Ctrl-C reaches this process only; leaving the context kills the workers, and workers whose parent was killed
    end by themselves.
    """

    def __init__(self, plans: list[WorkerPlan], timeout: float | None) -> None:
        """`timeout`: seconds for one session of one trial. Processes start with `warm_up` or the first trial."""
        if not plans:
            raise ConfigurationError("an executor needs at least one worker (execution.workers)")
        self._workers = [_TrialWorker(plan) for plan in plans]
        self._timeout = timeout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        _kill(self._workers)

    def warm_up(self) -> None:
        """Start the workers: importing torch takes them seconds, in which the caller can do something else."""
        for worker in self._workers:
            worker.submit(do_nothing, (), None)

    def train(self, specs: Sequence[TrialSpec], on_event: _OnEvent) -> Iterator[TrialResult]:
        """Exactly one result for each of `specs`, as they end; see `Executor.train`."""

        def conclude(trial: _RunningTrial) -> TrialResult:
            result = self._result(trial)
            if result.failure not in (None, "non_finite_loss"):
                # its memory, or the state of its device, may be damaged: the next trial gets a new process
                trial.worker.kill()
            trial.report_epochs(on_event)
            on_event(TrialEvent(result.key, "ended", trial.worker.plan.device, result=result))
            return result

        yield from self._run(specs, train_in_worker, self._timeout, conclude, on_event)

    def evaluate(self, specs: Sequence[TrialSpec], split: str) -> list[Predictions]:
        """Predictions of finished trials on `split`, in the order of `specs`; see `Executor.evaluate`."""

        def conclude(trial: _RunningTrial) -> None:
            error = trial.future.exception()
            reason = _death(error) if error is not None else trial.future.result()
            if reason is not None:
                trial.worker.kill()
                raise AugurError(
                    f"the trial {trial.spec.key[:12]} (seed {trial.spec.seed}) could not be evaluated on {split}: "
                    f"{reason}"
                )

        missing = [spec for spec in specs if not predictions_file(spec.directory, split).is_file()]
        for _ in self._run(missing, partial(evaluate_in_worker, split), None, conclude, lambda event: None):
            pass
        found = [read_predictions(spec.directory, split) for spec in specs]
        return [predictions for predictions in found if predictions is not None]

    def _run(
        self,
        specs: Sequence[TrialSpec],
        task: _Task,
        timeout: float | None,
        conclude: "Callable[[_RunningTrial], _Outcome]",
        on_event: _OnEvent,
    ) -> "Iterator[_Outcome]":
        """Keep every worker busy, even while the caller handles an outcome; yield outcomes as trials end."""
        waiting, idle = deque(specs), deque(self._workers)
        running: list[_RunningTrial] = []
        outcomes: deque[_Outcome] = deque()
        try:
            while waiting or running:
                while waiting and idle:
                    trial = _start(idle.popleft(), waiting.popleft(), task, timeout)
                    running.append(trial)
                    on_event(TrialEvent(trial.spec.key, "started", trial.worker.plan.device))
                while outcomes:
                    yield outcomes.popleft()
                wait([trial.future for trial in running], timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                for trial in [trial for trial in running if trial.future.done()]:
                    running.remove(trial)
                    if isinstance(trial.future.exception(), BrokenProcessPool) and not trial.restarted:
                        # the worker died while it was idle, before it got this trial
                        trial.worker.kill()
                        running.append(_start(trial.worker, trial.spec, task, timeout, restarted=True))
                        continue
                    outcomes.append(conclude(trial))
                    idle.append(trial.worker)
                for trial in running:
                    trial.report_epochs(on_event)
            yield from outcomes
        finally:
            _kill([trial.worker for trial in running])

    def _result(self, trial: "_RunningTrial") -> TrialResult:
        error = trial.future.exception()
        if error is None:
            return read_outcome(trial.spec.directory)
        failure: FailureKind = "worker_died"
        reason = _death(error)
        if isinstance(error, FutureTimeout):
            failure = "timeout"
            reason = (
                f"not finished after {self._timeout:g} s: raise execution.trial_timeout, or lower training.epochs; "
                + _AGAIN
            )
        plan = trial.worker.plan
        machine = {"device": plan.device, "threads": str(plan.threads)}
        seconds = trial.seconds_before + time.monotonic() - trial.started
        return failed(trial.spec, failure, reason, machine, seconds)


@dataclass(frozen=True, eq=False)
class _RunningTrial:
    spec: TrialSpec
    worker: "_TrialWorker"
    future: "Future[Any]"
    tail: EpochTail
    seconds_before: float
    """Spent on the trial in earlier sessions."""
    restarted: bool
    """Whether the worker that should have run it was found dead."""
    started: float = field(default_factory=time.monotonic)

    def report_epochs(self, on_event: _OnEvent) -> None:
        """Pass on the epochs that ended since the last call."""
        for report in self.tail.new():
            on_event(TrialEvent(self.spec.key, "epoch", self.worker.plan.device, epoch=report))


def _start(
    worker: "_TrialWorker", spec: TrialSpec, task: _Task, timeout: float | None, restarted: bool = False
) -> _RunningTrial:
    future = worker.submit(task, (spec, worker.plan.device), timeout)
    tail = EpochTail(spec.directory)
    return _RunningTrial(spec, worker, future, tail, seconds_spent(spec.directory), restarted)


class _TrialWorker:
    """A worker process, which is started when it is needed, and again after it was killed."""

    def __init__(self, plan: WorkerPlan) -> None:
        self.plan = plan
        self._pool: ProcessPool | None = None

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout: float | None
    ) -> "Future[Any]":
        with _interrupts_blocked():
            if self._pool is not None and not self._pool.active:  # it died while it was idle
                self.kill()
            if self._pool is None:
                self._pool = ProcessPool(
                    max_workers=1,
                    context=get_context("spawn"),
                    initializer=start_worker,
                    initargs=(self.plan.threads,),
                )
            return self._pool.schedule(function, args=arguments, timeout=timeout)

    def kill(self) -> None:
        """Kill the process, whatever it is doing; the next submission starts another."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()
            pool.join()


def _kill(workers: list[_TrialWorker]) -> None:
    if workers:
        with ThreadPoolExecutor(len(workers)) as threads:
            list(threads.map(_TrialWorker.kill, workers))


def _death(error: BaseException) -> str:
    """Why a worker gave no answer, and what to try."""
    if not isinstance(error, ProcessExpired):
        return f"its worker process failed ({type(error).__name__}: {error})"
    code = error.exitcode
    if code >= 0:
        return f"its worker process ended with exit code {code}; {_AGAIN}"
    name = signal.Signals(-code).name
    return f"its worker process was killed by {name} ({_SIGNALS.get(name, _AGAIN)})"


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Delay Ctrl-C. Processes and threads that are started meanwhile inherit the block, and never receive it.

    Pebble ignores SIGINT in its workers, but only once they run, and importing torch takes seconds.
    """
    resource_tracker.ensure_running()  # which unblocks SIGINT when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

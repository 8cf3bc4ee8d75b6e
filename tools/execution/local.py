"""Trials on this machine: worker processes that can be killed, each with its own device, reused between trials.

`worker_process.py` owns the processes. This file decides which trial runs where, and what each way of ending means: a
worker that died is replaced and the trial resumes from its checkpoint, at most twice; a disk that refuses, or
images that are gone, stop everything, because no trial is to blame for it; the rest is the trial's own result.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from shutil import rmtree
from statistics import fmean
from typing import Any, Self, TypeVar

from tools.disk import DiskError
from tools.errors import AugurError, ConfigurationError, ImagesGone
from tools.execution.devices import WorkerPlan
from tools.execution.ending import Ending
from tools.execution.worker import (
    BEGUN,
    TIMING,
    WAITING,
    Task,
    evaluate_in_worker,
    read_outcome,
    time_in_worker,
    train_in_worker,
)
from tools.execution.worker_process import WorkerProcess, kill_all
from tools.files import DamagedFile, read_checked_json
from tools.training.config import TrialSpec
from tools.training.epoch_log import EpochTail, StepTail, seconds_spent
from tools.training.failures import failed
from tools.training.trial_store import read_predictions
from tools.training.types import FailureKind, Predictions, Timing, TrialEvent, TrialResult

_Outcome = TypeVar("_Outcome")
_OnEvent = Callable[[TrialEvent], None]

MOST_TRIES = 3
"""Of a trial whose worker dies; also of a worker that dies before it begins a trial."""

_POLL_SECONDS = 0.1
"""Between two readings of the progress of running trials."""

_TIMING_SECONDS = 240.0
"""After which a worker that measures the speed is given up: long, as whoever waits half a minute for a batch most needs
to know."""

_WITHOUT_LOADERS = "From now on each trial loads its images in its own process; its numbers are the same"


class WorkersDie(AugurError):
    """Worker processes end before they begin a trial: something is wrong with the machine, not with a trial."""

    resumable = True


class LocalExecutor:
    """Runs trials in one worker process for each plan; see `tools.execution.executor.Executor`.

    Processes import the main module again, so a script that uses it needs the usual `if __name__ == "__main__":`.
    Ctrl-C reaches this process only; leaving the context kills the workers, and workers whose parent was killed
    end by themselves.
    """

    def __init__(
        self,
        plans: list[WorkerPlan],
        timeout: float | None,
        worker: Callable[[WorkerPlan], WorkerProcess] = WorkerProcess,
    ) -> None:
        """`timeout`: seconds for one session of one trial. Processes start with `warm_up` or the first trial.

        `worker` makes each of them.
        """
        if not plans:
            raise ConfigurationError("an executor needs at least one worker (execution.workers)")
        self._workers = [worker(plan) for plan in plans]
        self._timeout = timeout
        self._loaders = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        kill_all(self._workers)

    def warm_up(self) -> None:
        """Start the workers: importing torch takes them seconds, in which the caller can do something else."""
        for worker in self._workers:
            worker.start()

    def train(self, specs: Sequence[TrialSpec], on_event: _OnEvent) -> Iterator[TrialResult]:
        """Exactly one result for each of `specs`, as they end; see `Executor.train`."""

        def conclude(trial: _RunningTrial, ending: Ending) -> TrialResult:
            seconds = trial.seconds_before + time.monotonic() - trial.started
            result = concluded(trial.spec, ending, trial.worker.plan, self._timeout, seconds)
            if result.failure not in (None, "non_finite_loss"):
                # its memory, or the state of its device, may be damaged: the next trial gets a new process
                trial.worker.kill()
            trial.report_epochs(on_event)
            on_event(TrialEvent(result.key, "ended", trial.worker.plan.device, result=result))
            return result

        yield from self._run(specs, train_in_worker, self._timeout, conclude, on_event)

    def time_trials(self, spec: TrialSpec, scratch: Path) -> list[Timing]:
        """One for each worker that could measure it; see `Executor.time_trials`."""
        return [Timing(**found) for found in self._timed(spec, scratch, ())]

    def time_updates(self, spec: TrialSpec, scratch: Path, sizes: Sequence[int]) -> dict[int, float]:
        """The mean over the workers; see `Executor.time_updates`."""
        found = self._timed(spec, scratch, sizes)
        known = [size for size in sizes if found and all(str(size) in each for each in found)]
        return {size: fmean(each[str(size)] for each in found) for size in known}

    def _timed(self, spec: TrialSpec, scratch: Path, sizes: Sequence[int]) -> list[dict[str, Any]]:
        """What each worker measured that could."""

        def conclude(trial: _RunningTrial, ending: Ending) -> dict[str, Any] | None:
            if ending.kind != "done":
                trial.worker.kill()
                return None
            return read_checked_json(trial.spec.directory / TIMING)

        specs = [
            spec.model_copy(update={"directory": scratch / str(number)})
            for number in range(len(self._workers))
        ]
        task = partial(time_in_worker, tuple(sizes))
        try:
            found = list(self._run(specs, task, _TIMING_SECONDS, conclude, lambda event: None))
        finally:
            rmtree(scratch, ignore_errors=True)
        return [each for each in found if each is not None]

    def take_pace(self) -> list[str]:
        """Nothing: the bars show it."""
        return []

    def evaluate(
        self,
        specs: Sequence[TrialSpec],
        split: str,
        on_event: _OnEvent = lambda event: None,
    ) -> list[Predictions]:
        """Predictions of finished trials on `split`, in the order of `specs`; see `Executor.evaluate`."""

        def conclude(trial: _RunningTrial, ending: Ending) -> None:
            if ending.kind != "done":
                trial.worker.kill()
                raise AugurError(
                    f"the trial {trial.spec.key[:12]} (seed {trial.spec.seed}) could not be evaluated on {split}: "
                    f"{ending.text}"
                )

        missing = [spec for spec in specs if not _is_evaluated(spec, split)]
        for _ in self._run(missing, partial(evaluate_in_worker, split), None, conclude, on_event):
            pass
        found = [read_predictions(spec.directory, split) for spec in specs]
        return [predictions for predictions in found if predictions is not None]

    def _run(
        self,
        specs: Sequence[TrialSpec],
        task: Task,
        timeout: float | None,
        conclude: "Callable[[_RunningTrial, Ending], _Outcome]",
        on_event: _OnEvent,
    ) -> "Iterator[_Outcome]":
        """Keep every worker busy, even while the caller handles an outcome; yield outcomes as trials end."""
        waiting, idle = deque(specs), deque(self._workers)
        running: list[_RunningTrial] = []
        outcomes: deque[_Outcome] = deque()
        try:
            while waiting or running:
                while waiting and idle:
                    trial = _RunningTrial(waiting.popleft(), idle.popleft())
                    running.append(trial)
                    # told first: a tiny trial may end after this process was killed, and then nobody knows whose it was
                    on_event(TrialEvent(trial.spec.key, "started", trial.worker.plan.device))
                    trial.begin(task, self._loaders)
                while outcomes:
                    yield outcomes.popleft()
                wait([each for trial in running for each in trial.worker.waitables], _POLL_SECONDS)
                for trial in tuple(running):
                    ending = trial.ending(timeout, on_event)
                    trial.report_epochs(on_event)
                    if ending is None or self._tries_again(trial, ending, task, on_event):
                        continue
                    running.remove(trial)
                    outcomes.append(conclude(trial, ending))
                    idle.append(trial.worker)
            yield from outcomes
        finally:
            kill_all([trial.worker for trial in running])

    def _tries_again(self, trial: "_RunningTrial", ending: Ending, task: Task, on_event: _OnEvent) -> bool:
        """Whether the trial was begun again, because its worker died and that may not happen twice.

        Raises:
            DiskError: the disk refused something.
            ImagesGone: the images that trials read are missing or damaged.
            WorkersDie: workers die before they begin the trial.
        """
        if ending.kind == "disk":
            raise DiskError(ending.text)
        if ending.kind == "images":
            raise ImagesGone(ending.text)
        if ending.kind == "shared_memory" and self._loaders and trial.spec.loader_workers:
            self._loaders = False
            note = f"{ending.text}. {_WITHOUT_LOADERS}"
        elif ending.kind not in ("died", "shared_memory"):
            return False
        elif not trial.has_begun:
            trial.not_begun += 1
            if trial.not_begun == MOST_TRIES:
                raise WorkersDie(
                    f"{MOST_TRIES} worker processes in a row ended before they began a trial: {ending.text}. Try "
                    "execution.device=cpu and execution.workers=1, and see agent doctor."
                )
            note = ""
        else:
            trial.tries += 1
            if trial.tries == MOST_TRIES:
                return False
            note = f"{ending.text}; it resumes from its checkpoint (try {trial.tries + 1} of {MOST_TRIES})"
        trial.worker.kill()
        if note:
            on_event(TrialEvent(trial.spec.key, "note", trial.worker.plan.device, text=note))
        trial.begin(task, self._loaders)
        return True


def concluded(
    spec: TrialSpec, ending: Ending, plan: WorkerPlan, timeout: float | None, seconds: float
) -> TrialResult:
    """The result of a trial whose last session ended as `ending` says.

    Args:
        spec: the trial's.
        ending: not 'disk', which is no result.
        plan: of the worker.
        timeout: of a session, in seconds.
        seconds: spent on it in all, for failures that leave no result.
    """
    failure: FailureKind = "worker_died"
    reason = f"it failed {MOST_TRIES} times, the last time because {ending.text}"
    if ending.kind == "done":
        try:
            return read_outcome(spec.directory)
        except DamagedFile as damage:
            reason = str(damage)
    elif ending.kind == "late":
        failure = "timeout"
        reason = (
            f"not finished after {timeout:g} s: raise execution.trial_timeout, or lower training.epochs; "
            "run again, it resumes from its checkpoint"
        )
    return failed(spec, failure, reason, {"device": plan.device, "threads": str(plan.threads)}, seconds)


@dataclass(eq=False)
class _RunningTrial:
    spec: TrialSpec
    worker: WorkerProcess
    tries: int = 0
    """How often a worker has died of it."""
    not_begun: int = 0
    """How often a worker has died before it began it."""
    started: float = field(default_factory=time.monotonic)
    _begun: float | None = None
    """When the worker took it in hand, on the monotonic clock; waiting for another process does not count."""

    def __post_init__(self) -> None:
        self._tail, self._steps = EpochTail(self.spec.directory), StepTail(self.spec.directory)
        self.seconds_before = seconds_spent(self.spec.directory)
        """Spent on the trial in earlier sessions."""

    @property
    def has_begun(self) -> bool:
        return self._begun is not None

    def begin(self, task: Task, loaders: bool) -> None:
        """Hand it to the worker; without `loaders`, it loads its images itself."""
        spec = self.spec if loaders else self.spec.model_copy(update={"loader_workers": 0})
        self._begun = None
        self.worker.submit(task, spec)

    def ending(self, timeout: float | None, on_event: _OnEvent) -> Ending | None:
        """How it ended, or None while it runs."""
        for message in self.worker.news():
            if isinstance(message, Ending):
                for note in message.notes:
                    self._tell(note, on_event)
                return message
            if message == WAITING:
                self._tell("another process trains it: waiting for its result", on_event)
            elif message == BEGUN:
                self._begun = time.monotonic()
            else:
                self._tell(message, on_event)
        if timeout is not None and self._begun is not None and time.monotonic() - self._begun > timeout:
            return Ending("late")
        return None

    def _tell(self, text: str, on_event: _OnEvent) -> None:
        on_event(TrialEvent(self.spec.key, "note", self.worker.plan.device, text=text))

    def report_epochs(self, on_event: _OnEvent) -> None:
        """Pass on the epochs that ended since the last call, and where in the next one the trial is."""
        device = self.worker.plan.device
        for report in self._tail.new():
            on_event(TrialEvent(self.spec.key, "epoch", device, epoch=report))
        if (done := self._steps.new()) is not None and done > self._tail.last:
            on_event(TrialEvent(self.spec.key, "step", device, done=done, epochs=self.spec.recipe.epochs))


def _is_evaluated(spec: TrialSpec, split: str) -> bool:
    """Whether its predictions can be believed; damaged ones are made again by a worker, which says so."""
    try:
        return read_predictions(spec.directory, split) is not None
    except DamagedFile:
        return False

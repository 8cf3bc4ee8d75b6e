"""Trials on GPUs, one pack of them on each; see `tools.execution.executor.Executor`.

Each pack is one process (`packed_worker.py`). This file decides which trial goes where, and what each way of ending
means, as `local.py` does. Where a pack's process dies, nobody knows which of its trials is to blame: all resume from
their checkpoints, and those that were there at two deaths are trained alone, by the single trainer, as are models that
cannot be captured.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Self

from tools.disk import DiskError
from tools.errors import ConfigurationError, ImagesGone
from tools.execution.devices import WorkerPlan
from tools.execution.ending import Ending
from tools.execution.local import MOST_TRIES, LocalExecutor, WorkersDie, concluded
from tools.execution.packed_worker import Note, PackPlan, serve_pack
from tools.execution.worker import BEGUN, WAITING
from tools.execution.worker_process import UNREADABLE, WorkerProcess, kill_all
from tools.training.config import TrialSpec
from tools.training.epoch_log import EpochTail, seconds_spent
from tools.training.packed.pace import Pace
from tools.training.types import Predictions, Timing, TrialEvent, TrialResult

_OnEvent = Callable[[TrialEvent], None]

_POLL_SECONDS = 0.1
"""Between two readings of the progress of running trials."""

_AHEAD = 18
"""Trials that a process is given, so that a slot is refilled at once."""

_GRACE_SECONDS = 60.0
"""Beyond a trial's time-out, after which a pack that does not end it itself is killed."""

_LAST_SECONDS = 2.0
"""That a process which has closed its pipe is given to end."""

MOST_DEATHS = 2
"""Of packs that a trial was in, before it is trained alone."""


@dataclass(eq=False)
class _Packed:
    """A trial that a pack has been given."""

    spec: TrialSpec
    deaths: int = 0
    begun: float | None = None
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.tail = EpochTail(self.spec.directory)
        self.seconds_before = seconds_spent(self.spec.directory)


class PackProcess(WorkerProcess):
    """A process that trains a pack; a new one takes the place of one that was killed."""

    def __init__(self, plan: PackPlan) -> None:
        super().__init__(WorkerPlan(plan.device, plan.threads))
        self._pack = plan
        self.trials: dict[str, _Packed] = {}
        self.not_begun = 0
        """Deaths in a row before any trial was begun."""

    def _life(self, connection: Any) -> tuple[Callable[..., None], tuple[Any, ...]]:
        return serve_pack, (connection, self._pack, self._output)

    def give(self, trial: _Packed) -> None:
        """Have a trial trained."""
        self.start()
        trial.begun = None
        self.trials[trial.spec.key] = trial
        with suppress(OSError):  # it has died: `messages` says so
            self._connection.send(trial.spec)

    def messages(self) -> Iterator[tuple[str, Any]]:
        """(key, message) since the last call; if the process has died, the last one is an Ending without a key."""
        if self._process is None:
            return
        alive = self._process.is_alive()  # before the pipe is read: what it sent before it died counts
        try:
            while self._connection.poll():
                yield self._connection.recv()
        except UNREADABLE:
            self._process.join(_LAST_SECONDS)  # it is ending: its own exit code says more than a kill
            self._process.kill()
            alive = False
        if not alive:
            self._process.join()
            yield "", self._death(self._output, 0)

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None


class PackedExecutor:
    """One pack for each of `plans`; the single trainer does what packs cannot."""

    def __init__(
        self,
        plans: Sequence[PackPlan],
        pack: Callable[[PackPlan], PackProcess] = PackProcess,
        worker: Callable[[WorkerPlan], WorkerProcess] = WorkerProcess,
    ) -> None:
        """Processes start with `warm_up` or the first trial; `pack` and `worker` make them."""
        if not plans:
            raise ConfigurationError("an executor needs at least one worker (execution.workers)")
        self.plans = tuple(plans)
        self._packs = [pack(plan) for plan in plans]
        self._timeout = plans[0].timeout
        self._alone = LocalExecutor([pack.plan for pack in self._packs], self._timeout, worker)
        self._not_captured: set[str] = set()
        self._told_alone: set[str] = set()
        self._paces: list[tuple[str, Pace]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            kill_all(self._packs)
        finally:
            self._alone.__exit__(*exception)

    def warm_up(self) -> None:
        """Start the processes: importing torch takes them seconds."""
        for pack in self._packs:
            pack.start()
        self._alone.warm_up()

    def time_trials(self, spec: TrialSpec, scratch: Path) -> list[Timing]:
        """None: a trial alone says nothing of the speed of a pack."""
        return []

    def time_updates(self, spec: TrialSpec, scratch: Path, sizes: Sequence[int]) -> dict[int, float]:
        """None, for the same reason."""
        return {}

    def take_pace(self) -> list[str]:
        """How fast the packs were that ended their trials since the last call, in words."""
        told = [pace.in_words(device) for device, pace in self._paces]
        self._paces.clear()
        return told

    def evaluate(
        self, specs: Sequence[TrialSpec], split: str, on_event: _OnEvent = lambda event: None
    ) -> list[Predictions]:
        """Predictions of finished trials on `split`, in the order of `specs`; see `Executor.evaluate`."""
        return self._alone.evaluate(specs, split, on_event)

    def train(self, specs: Sequence[TrialSpec], on_event: _OnEvent) -> Iterator[TrialResult]:
        """Exactly one result for each of `specs`, as they end; see `Executor.train`."""
        alone: list[TrialSpec] = []
        waiting: deque[_Packed] = deque()
        for spec in specs:
            if why := spec.alone_because:
                self._tell_alone(spec, why, on_event)
            if why or spec.model.name in self._not_captured:
                alone.append(spec)
            else:
                waiting.append(_Packed(spec))
        try:
            while waiting or any(pack.trials for pack in self._packs):
                self._distribute(waiting)
                wait(
                    [each for pack in self._packs if pack.is_running for each in pack.waitables],
                    _POLL_SECONDS,
                )
                for pack in self._packs:
                    for trial, ending in self._news(pack, waiting, on_event):
                        if ending.kind == "alone":
                            self._tell_once(trial, pack, ending, on_event)
                            alone.append(trial.spec)
                            continue
                        yield self._concluded(trial, pack, ending, on_event)
                    for trial in pack.trials.values():
                        self._report(trial, pack, on_event)
        finally:
            busy = [pack for pack in self._packs if pack.trials]
            for pack in busy:
                pack.trials.clear()
            kill_all(busy)
        if alone:
            yield from self._alone.train(alone, on_event)

    def _distribute(self, waiting: deque[_Packed]) -> None:
        while waiting:
            pack = min(self._packs, key=lambda each: len(each.trials))
            if len(pack.trials) >= _AHEAD:
                return
            pack.give(waiting.popleft())

    def _news(
        self, pack: PackProcess, waiting: deque[_Packed], on_event: _OnEvent
    ) -> Iterator[tuple[_Packed, Ending]]:
        """What a pack says; trials that ended, and how.

        Raises:
            DiskError: the disk refused something.
            ImagesGone: the images that trials read are missing or damaged.
            WorkersDie: processes die before they begin a trial.
        """
        for key, message in pack.messages():
            trial = pack.trials.get(key)
            if isinstance(message, Ending) and not key:
                yield from self._died(pack, message, waiting, on_event)
                return
            if isinstance(message, Note):
                self._tell(pack, key, message.text, on_event)
            elif isinstance(message, Pace):
                self._paces.append((pack.plan.device, message))
            elif trial is None:
                continue
            elif message == BEGUN:
                self._begin(trial, pack, on_event)
            elif message == WAITING:
                self._tell(pack, key, "another process trains it: waiting for its result", on_event)
            elif isinstance(message, Ending):
                if message.kind == "disk":
                    raise DiskError(message.text)
                if message.kind == "images":
                    raise ImagesGone(message.text)
                del pack.trials[key]
                yield trial, message
        if self._hangs(pack):
            yield from self._killed(pack, waiting)

    def _begin(self, trial: _Packed, pack: PackProcess, on_event: _OnEvent) -> None:
        pack.not_begun = 0
        if trial.begun is None and not trial.deaths:
            on_event(TrialEvent(trial.spec.key, "started", pack.plan.device))
        trial.begun = time.monotonic()

    def _died(
        self, pack: PackProcess, ending: Ending, waiting: deque[_Packed], on_event: _OnEvent
    ) -> Iterator[tuple[_Packed, Ending]]:
        """The process has ended: a new one resumes its trials, but those that were there too often."""
        trials = list(pack.trials.values())
        running = [trial for trial in trials if trial.begun is not None]
        if running:
            text = f"{ending.text}; its {len(running)} trials resume from their checkpoints"
            self._tell(pack, running[0].spec.key, text, on_event)
        pack.trials = {}
        pack.kill()
        if trials and not running:
            pack.not_begun += 1
            if pack.not_begun == MOST_TRIES:
                raise WorkersDie(
                    f"{MOST_TRIES} worker processes in a row ended before they began a trial: {ending.text}. Try "
                    "execution.pack=off or execution.device=cpu, and see agent doctor."
                )
        for trial in running:
            trial.deaths += 1
            if trial.deaths == MOST_DEATHS:
                yield trial, Ending("alone", "")
        waiting.extendleft(reversed([trial for trial in trials if trial.deaths < MOST_DEATHS]))

    def _hangs(self, pack: PackProcess) -> bool:
        if self._timeout is None:
            return False
        latest = time.monotonic() - self._timeout - _GRACE_SECONDS
        return any(trial.begun is not None and trial.begun < latest for trial in pack.trials.values())

    def _killed(self, pack: PackProcess, waiting: deque[_Packed]) -> Iterator[tuple[_Packed, Ending]]:
        """The pack did not end a trial in time: that one is late, the others resume."""
        assert self._timeout is not None
        trials, pack.trials = list(pack.trials.values()), {}
        pack.kill()
        latest = time.monotonic() - self._timeout
        for trial in trials:
            if trial.begun is not None and trial.begun < latest:
                yield trial, Ending("late")
            else:
                waiting.appendleft(trial)

    def _concluded(
        self, trial: _Packed, pack: PackProcess, ending: Ending, on_event: _OnEvent
    ) -> TrialResult:
        seconds = trial.seconds_before + time.monotonic() - trial.started
        result = concluded(trial.spec, ending, pack.plan, self._timeout, seconds)
        self._report(trial, pack, on_event)
        on_event(TrialEvent(result.key, "ended", pack.plan.device, result=result))
        return result

    def _tell_alone(self, spec: TrialSpec, why: str, on_event: _OnEvent) -> None:
        if why not in self._told_alone:
            self._told_alone.add(why)
            text = f"{why} is trained one trial at a time, not in packs (execution.pack)"
            on_event(TrialEvent(spec.key, "note", self.plans[0].device, text=text))

    def _tell_once(self, trial: _Packed, pack: PackProcess, ending: Ending, on_event: _OnEvent) -> None:
        name = trial.spec.model.name
        if ending.text and name not in self._not_captured:
            self._not_captured.add(name)
            text = (
                f"{trial.spec.model.title} cannot be trained in packs on {pack.plan.device} ({ending.text}): its "
                "trials are trained one at a time (execution.pack)"
            )
            on_event(TrialEvent(trial.spec.key, "note", pack.plan.device, text=text))

    def _tell(self, pack: PackProcess, key: str, text: str, on_event: _OnEvent) -> None:
        """A note; one that is about no single trial is shown with any of the pack's."""
        if key not in pack.trials:
            key = next(iter(pack.trials), "")
        if key:
            on_event(TrialEvent(key, "note", pack.plan.device, text=text))

    def _report(self, trial: _Packed, pack: PackProcess, on_event: _OnEvent) -> None:
        for report in trial.tail.new():
            on_event(TrialEvent(trial.spec.key, "epoch", pack.plan.device, epoch=report))

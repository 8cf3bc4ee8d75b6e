"""Trials side by side: takes them in, gives each a slot, lets their courses take turns, and says how each ended.

Knows nothing of processes and pipes: `tools.execution.packed_worker` runs it. A trial that fails leaves the others as
they are; where memory runs out, half of the slots are given up and their trials wait.
"""

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch

from tools.disk import DiskError
from tools.errors import AugurError, ImagesGone
from tools.machine import free_memory, is_out_of_memory
from tools.training.batches import training_images
from tools.training.config import TrialSpec
from tools.training.epoch_log import seconds_spent
from tools.training.loop import end_failed, explained, kept_result
from tools.training.packed.augmenters import FeedersDie
from tools.training.packed.course import Course, Trial, Wait
from tools.training.packed.feeder import Feeder
from tools.training.packed.graphs import CannotCapture
from tools.training.packed.meter import Meter
from tools.training.packed.slot import STEPS, Shape, Slot
from tools.training.packed.stores import Stores
from tools.training.types import FailureKind, TrialResult

MOST_SLOTS = 16
"""Trials at a time where the memory would hold more: the device is busy then."""

_SHARE_OF_MEMORY = 0.85
"""Of what is free, that slots may take where their number is measured."""


@dataclass(eq=False)
class Entry:
    """A trial that waits or runs."""

    spec: TrialSpec
    held: ExitStack = field(default_factory=ExitStack)
    """What is let go when it ends, such as its lock."""
    seconds_before: float = 0.0
    """Spent on it by earlier sessions and slots."""
    began: float = field(default_factory=time.monotonic)
    trial: Trial | None = None
    course: Course | None = None
    slot: Slot | None = None


class Uncapturable(AugurError):
    """The trial's model cannot run in a pack."""


Outcome = TrialResult | DiskError | ImagesGone | Uncapturable | None
"""How a trial ended; None: it ran out of time."""


class Pack:
    """Runs trials on one device, as many at a time as fit."""

    def __init__(
        self,
        device: str,
        size: int | None,
        processes: int,
        on_end: Callable[[TrialSpec, Outcome], None],
        on_begin: Callable[[TrialSpec], None] = lambda spec: None,
        on_note: Callable[[str], None] = lambda text: None,
        timeout: float | None = None,
    ) -> None:
        """Nothing is started before the first trial comes.

        Args:
            device: 'cuda:N', or 'cpu', where nothing is gained by it.
            size: trials at a time; None: as many as the memory holds, `MOST_SLOTS` at most.
            processes: that augment; with 0, images are made in this process.
            on_end: called once for each trial.
            on_begin: called when a trial is given a slot.
            on_note: called with what the user should know.
            timeout: seconds for one session of one trial.
        """
        self.device, self.size = device, size or MOST_SLOTS
        self.meter = Meter()
        self.current: TrialSpec | None = None
        """The trial that is being worked on, while it is."""
        self._measured = size is not None
        self._processes, self._timeout = processes, timeout
        self._on_end, self._on_begin, self._on_note = on_end, on_begin, on_note
        self._cuda = torch.device(device).type == "cuda"
        self._waiting: deque[Entry] = deque()
        self._running: list[Entry] = []
        self._idle: list[Slot] = []
        self._stores = Stores(device)
        self._feeder: tuple[tuple[int, int, str], Feeder] | None = None
        if self._cuda:
            torch.cuda.set_device(device)
            # a pack is no faster with it, and each shape of a slot takes up to a second longer to build (docs/gpu.md)
            torch.backends.cudnn.benchmark = False

    @property
    def running(self) -> list[TrialSpec]:
        """The trials that have a slot."""
        return [entry.spec for entry in self._running]

    @property
    def feeder(self) -> Feeder | None:
        """What makes the augmented images; None before the first trial."""
        return None if self._feeder is None else self._feeder[1]

    @property
    def trials(self) -> int:
        """That wait or run."""
        return len(self._waiting) + len(self._running)

    def add(self, spec: TrialSpec, held: ExitStack | None = None) -> None:
        """Train it when there is room. Its lock is held; `held` is closed when it has ended."""
        self._waiting.append(Entry(spec, held or ExitStack(), seconds_spent(spec.directory)))

    def turn(self) -> bool:
        """Let every trial do what it can do now; returns whether anything was done.

        Raises:
            Exception: the device, or the processes that augment, can no longer be used. No trial is to blame.
        """
        self._refill()
        waits = []
        accounts = [entry.trial.account for entry in self._running if entry.trial is not None]
        for entry in tuple(self._running):
            if entry in self._running:  # a neighbour may have given up its slot
                waits.append(self._advance(entry))
        self.current = None
        self.meter.tick(accounts, waits)
        return any(wait is Wait.TURN for wait in waits)

    def close(self) -> None:
        """Give everything up. Trials that had not ended resume from their checkpoints another time."""
        for entry in (*self._running, *self._waiting):
            if entry.trial is not None:
                entry.trial.close()
            entry.held.close()
        self._running.clear()
        self._waiting.clear()
        self._drop_idle()
        if self._feeder is not None:
            self._feeder[1].close()
            self._feeder = None

    def _refill(self) -> None:
        """Begin one trial, if there is room; its first turn shows how many fit."""
        if not self._waiting or len(self._running) >= self.size:
            return
        entry = next((each for each in self._waiting if self._is_fed(each.spec)), None)
        if entry is None:
            return
        self._waiting.remove(entry)
        before, self.current = self._used(), entry.spec
        entry.began = time.monotonic()
        self._on_begin(entry.spec)
        try:
            kept = kept_result(entry.spec)
            if kept is not None:
                self._end(entry, kept)
                return
            entry.slot = self._slot_for(Shape.of(entry.spec))
            feeder = self._feeder_for(entry.spec)
            entry.trial = Trial(entry.spec, entry.slot, feeder, self._stores, self.size)
            entry.course = entry.trial.course()
        except Exception as error:
            self._fail(entry, error)
            return
        self._running.append(entry)
        self._advance(entry)
        self._measure(before)

    def _advance(self, entry: Entry) -> Wait:
        assert entry.course is not None
        self.current = entry.spec
        if self._timeout is not None and time.monotonic() - entry.began > self._timeout:
            self._end(entry, None)
            return Wait.TURN
        try:
            return next(entry.course)
        except StopIteration as stop:
            self._end(entry, stop.value)
        except Exception as error:
            self._fail(entry, error)
        return Wait.TURN

    def _fail(self, entry: Entry, error: Exception) -> None:
        """What an error of a trial means: for it alone, unless memory ran out or the device is lost."""
        if isinstance(error, FeedersDie) or _is_lost(error):
            raise error
        if isinstance(error, CannotCapture):
            self._end(entry, Uncapturable(str(error)), reusable=False)
            return
        others = [each for each in self._running if each is not entry]
        if is_out_of_memory(error) and (others or self._idle):
            error.__traceback__ = None  # it holds the trial's tensors
            self._make_room(entry, len(others) + 1)
            return
        outcome: Outcome
        try:
            kind, reason = explained(entry.spec, self.device, error)
            outcome = self._failed(entry, kind, reason)
        except (DiskError, ImagesGone) as refused:
            outcome = refused
        error.__traceback__ = None  # it holds the trial's tensors
        self._end(entry, outcome, reusable=not is_out_of_memory(error))

    def _failed(self, entry: Entry, kind: FailureKind, reason: str) -> TrialResult:
        account = 0.0 if entry.trial is None else entry.trial.account.seconds
        return end_failed(entry.spec, self.device, kind, reason, entry.seconds_before + account)

    def _make_room(self, entry: Entry, running: int) -> None:
        """Memory ran out with so many `running`: half of them go on, the others wait; empty slots are given up."""
        given_up = [entry]
        if running > 1:
            self.size, self._measured = running // 2, True
            self._on_note(
                f"out of memory on {self.device} with {running} trials at a time: {self.size} from now on "
                "(execution.pack)"
            )
            given_up += [each for each in reversed(self._running) if each is not entry]
        for each in given_up[: max(1, running - self.size)]:
            self._leave(each, reusable=False)
            self._waiting.appendleft(each)
        self._drop_idle()

    def _end(self, entry: Entry, outcome: Outcome, reusable: bool = True) -> None:
        self._leave(entry, reusable)
        entry.held.close()
        self._on_end(entry.spec, outcome)

    def _leave(self, entry: Entry, reusable: bool) -> None:
        """Take it out of its slot."""
        if entry in self._running:
            self._running.remove(entry)
        if entry.course is not None:
            entry.course.close()
        if entry.trial is not None:
            entry.trial.close()
            entry.seconds_before += entry.trial.account.seconds
        if entry.slot is not None and reusable:
            self._idle.append(entry.slot)
        entry.trial = entry.course = entry.slot = None

    def _slot_for(self, shape: Shape) -> Slot:
        for slot in self._idle:
            if slot.shape == shape:
                self._idle.remove(slot)
                return slot
        while self._idle and len(self._idle) + len(self._running) >= self.size:
            self._idle.pop(0)
            free_memory()
        return Slot(shape, self.device)

    def _is_fed(self, spec: TrialSpec) -> bool:
        """Whether it can begin now: a feeder is for one size of images and batches, until no trial uses it."""
        return not self._running or self._feeder is None or self._feeder[0] == _fed(spec)

    def _feeder_for(self, spec: TrialSpec) -> Feeder:
        if self._feeder is not None and self._feeder[0] != _fed(spec):
            self._feeder[1].close()
            self._feeder = None
        if self._feeder is None:
            image_size, batch_size, draws = wanted = _fed(spec)
            shared = training_images(spec).most_numbers if draws == "shared" else 0
            feeder = Feeder(self._processes, image_size, batch_size, STEPS, self.size, self._cuda, shared)
            self._feeder = (wanted, feeder)
        return self._feeder[1]

    def _drop_idle(self) -> None:
        self._idle.clear()
        free_memory()

    def _used(self) -> int:
        return torch.cuda.memory_reserved(self.device) if self._cuda else 0

    def _measure(self, before: int) -> None:
        """How many slots fit, from what the first one took."""
        if self._measured or not self._running:
            return
        self._measured = True
        if not self._cuda:
            self.size = 1
            return
        torch.cuda.synchronize(self.device)
        taken = max(1, self._used() - before)
        fitting = 1 + int(_SHARE_OF_MEMORY * torch.cuda.mem_get_info(self.device)[0] / taken)
        self.size = max(1, min(self.size, fitting))


def _fed(spec: TrialSpec) -> tuple[int, int, str]:
    """What a feeder is made for."""
    return spec.image_size, spec.recipe.batch_size, spec.recipe.draws


def _is_lost(error: Exception) -> bool:
    """Whether the device, and with it this process, can no longer be used."""
    kind: Any = getattr(torch, "AcceleratorError", None)
    lost = (kind is not None and isinstance(error, kind)) or "CUDA error" in str(error)
    return lost and not is_out_of_memory(error)

"""How far running trials are, how long that took, and how long the rest takes if it goes on like that."""

import time
from dataclasses import dataclass

from tools.training.types import TrialEvent

_FIRST_SECONDS = 3.0
"""Before which it is not said how long something still takes."""


@dataclass
class Part:
    """How far something is (0..1): when it was first heard of, and now."""

    first: float
    since: float
    """On the monotonic clock."""
    now: float

    @property
    def left(self) -> float | None:
        """Seconds that it still takes; None while that cannot be known."""
        gone, done = time.monotonic() - self.since, self.now - self.first
        return None if done <= 0 or gone < _FIRST_SECONDS else (1 - self.now) * gone / done


class Pace:
    """Follows `total` pieces of work, of which some run at a time."""

    def __init__(self, total: int) -> None:
        self.total, self.ended = total, 0
        self.whole = Part(0.0, time.monotonic(), 0.0)
        self._running: dict[str, Part] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the first began."""
        return time.monotonic() - self.whole.since

    def reach(self, done: int) -> None:
        """So many pieces have ended."""
        self.ended = done
        self._sum_up()

    def update(self, event: TrialEvent) -> Part | None:
        """A trial has begun, trained more, or ended; how far it is, if that is known."""
        if event.kind == "ended":
            self._running.pop(event.key, None)
            self.reach(self.ended + 1)
            return None
        if event.epoch is not None:
            return self._advance(event.key, event.epoch.epoch / event.epoch.epochs)
        if event.kind == "step" and event.epochs:
            return self._advance(event.key, event.done / event.epochs)
        return None

    def _advance(self, key: str, share: float) -> Part:
        part = self._running.get(key)
        if part is None or share < part.now:  # new; or begun again, from its last checkpoint
            part = self._running[key] = Part(share, time.monotonic(), share)
        part.now = share
        self._sum_up()
        return part

    def _sum_up(self) -> None:
        running = sum(part.now for part in self._running.values())
        self.whole.now = min(1.0, (self.ended + running) / self.total) if self.total else 1.0


class Lines:
    """When to say how far something is where nothing can be drawn: after ten seconds, and then ever more rarely."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()
        self.said_any = False

    def due(self) -> bool:
        """Whether it is time for a line, which is then taken as said: after ten seconds, or half of all the time."""
        now = time.monotonic()
        if now - self._said < max(10.0, min(600.0, 0.5 * (now - self._began))):
            return False
        self._said, self.said_any = now, True
        return True

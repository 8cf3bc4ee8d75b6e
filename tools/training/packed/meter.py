"""How fast a pack trains, and how long its device waits for augmented images."""

import time
from collections.abc import Sequence

from tools.training.packed.course import Account, Wait
from tools.training.packed.pace import Pace


class Meter:
    """Divides the time among the trials that run, and counts."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.images = 0
        self._seconds = self._waiting = self._trials = 0.0

    def tick(self, accounts: Sequence[Account], waits: Sequence[Wait]) -> None:
        """The time since the last call was used by these trials, whose courses then waited like this."""
        now = time.perf_counter()
        passed, self._last = now - self._last, now
        if not accounts:
            return
        for account in accounts:
            account.seconds += passed / len(accounts)
            self.images += account.images - account.counted
            account.counted = account.images
        self._seconds += passed
        self._trials += passed * len(accounts)
        if waits:
            self._waiting += passed * sum(wait is Wait.IMAGES for wait in waits) / len(waits)

    def taken(self) -> Pace:
        """What was measured since the last call."""
        seconds = self._seconds
        found = Pace(
            self.images,
            seconds,
            self._waiting / seconds if seconds else 0.0,
            self._trials / seconds if seconds else 0.0,
        )
        self.images, self._seconds, self._waiting, self._trials = 0, 0.0, 0.0, 0.0
        return found

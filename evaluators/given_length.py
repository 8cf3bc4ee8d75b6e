"""What trainings of a length that was given say of it: how their accuracy went from epoch to epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.length import times


@dataclass(frozen=True)
class WithinSchedule:
    """How one candidate did from epoch to epoch of trainings that all had the full length."""

    best_epoch: int
    best: float
    """The highest validation accuracy, mean over seeds."""
    last_epoch: int
    last: float

    def place(self) -> str:
        """Where the highest validation accuracy is, in a few words."""
        if self.best_epoch == self.last_epoch or f"{100 * self.best:.1f}" == f"{100 * self.last:.1f}":
            return f"at the end ({100 * self.last:.1f})"
        return f"after {self.best_epoch} ({100 * self.best:.1f}; at the end {100 * self.last:.1f})"

    def sentence(self) -> str:
        """What no augmentation would have scored at its best epoch."""
        if self.best_epoch == self.last_epoch:
            return (
                f"highest validation accuracy at the last of {times(self.last_epoch)} ({100 * self.last:.1f})"
            )
        return (
            f"highest validation accuracy after {self.best_epoch} of {times(self.last_epoch)} "
            f"({100 * self.best:.1f}; at the end {100 * self.last:.1f}), by the curve within one schedule: its rate "
            "had not fallen yet, and the highest of many epochs is a little too high"
        )


def within_schedule(accuracies: Sequence[Sequence[float]]) -> WithinSchedule | None:
    """The best epoch of trainings of one length.

    Args:
        accuracies: validation accuracy (0..1) after each epoch, one row for each seed; None where there are none.
    """
    length = min((len(each) for each in accuracies), default=0)
    if not length:
        return None
    means = np.mean([each[:length] for each in accuracies], axis=0)
    best = length - 1 if means[-1] >= means.max() else int(means.argmax())
    return WithinSchedule(best + 1, float(means[best]), length, float(means[-1]))


def within_given(epochs: int, none: WithinSchedule | None, default: WithinSchedule | None) -> str:
    """What trainings of a given length say of it, in a sentence; no other length was tried.

    Args:
        epochs: of every training.
        none: no augmentation, where a trial of it finished.
        default: the default policy, likewise.
    """
    seen = [
        f"{each.place()} {name}"
        for name, each in (("without augmentation", none), ("with the default policy", default))
        if each is not None
    ]
    peaks = f" Validation accuracy peaks {' and '.join(seen)}." if seen else ""
    return f"{times(epochs)}, as given.{peaks} No other length was tried; --epochs auto finds one."

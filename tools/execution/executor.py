"""What the agent needs from whatever runs its trials."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, Self

from tools.training.config import TrialSpec
from tools.training.types import Predictions, Timing, TrialEvent, TrialResult


class Executor(Protocol):
    """Runs trials, several at a time. A context manager: leaving it kills those still running."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def train(
        self, specs: Sequence[TrialSpec], on_event: Callable[[TrialEvent], None]
    ) -> Iterator[TrialResult]:
        """Exactly one result for each of `specs`, as they end; a failure is a result.

        `on_event` is called in the caller's thread, while it waits for the next result. Closing the iterator
        stops the running trials and starts no more; training a stopped trial again resumes from its checkpoint.

        Raises:
            DiskError: a file could not be read or written. No trial has failed; those that ran resume when they are
                trained again.
        """
        ...

    def time_trials(self, spec: TrialSpec, scratch: Path) -> list[Timing]:
        """How fast a trial like `spec` would train beside others, by a few batches in every worker at once.

        Args:
            spec: what would be trained; nothing of it is kept.
            scratch: a folder that is made, and deleted again.

        Returns:
            One for each worker that could measure it; none where trials run side by side in packs, whose speed shows
            in the first trials only.
        """
        ...

    def time_updates(self, spec: TrialSpec, scratch: Path, sizes: Sequence[int]) -> dict[int, float]:
        """Size → seconds an image that an update of the model takes, in every worker at once, as `time_trials` has it.

        Args:
            spec: of a trial; its images are not read.
            scratch: a folder that is made, and deleted again.
            sizes: of images, in pixels; those that the model cannot take are left out.
        """
        ...

    def take_pace(self) -> list[str]:
        """Lines that say how fast trials were trained since the last call, where that is worth telling."""
        ...

    def evaluate(
        self,
        specs: Sequence[TrialSpec],
        split: str,
        on_event: Callable[[TrialEvent], None] = lambda event: None,
    ) -> list[Predictions]:
        """Predictions of finished trials on `split` (as `evaluate_trial` has it), in the order of `specs`.

        Raises:
            AugurError: one of them could not be evaluated; the text says which, and why.
        """
        ...

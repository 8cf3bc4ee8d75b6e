"""Augmented epochs that several trials are fed from: every image is made once, when the first trial needs it.

An image of shared draws depends on its number and the epoch of the draws only, so that trials of other folds, which
train on other images, share those that they have in common. An epoch for which there is no memory is not kept: each
trial then has its images made for itself, and they are the same.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from tools.training.batches import Batch, TrainingImages
from tools.training.config import TrialSpec
from tools.training.packed.augmenters import Augmenters
from tools.training.packed.jobs import SHARED, Job

_IMAGES_OF_A_JOB = 256


@dataclass(eq=False)
class _Epoch:
    """One epoch of the draws of one policy, as far as it has been asked for."""

    row: int
    places: np.ndarray
    """int64: by an image's number its place after `row`; -1 where it has not been asked for."""
    made_by: np.ndarray
    """int64: by an image's number the job that makes it, as its place in `jobs`."""
    rows: int
    filled: int = 0
    jobs: list[Job] = field(default_factory=list)
    unfinished: list[Job] = field(default_factory=list)
    users: int = 0


class Share:
    """What one part needs of a shared epoch."""

    def __init__(self, epochs: "SharedEpochs", epoch: _Epoch, numbers: np.ndarray) -> None:
        self._epochs, self._epoch, self._numbers = epochs, epoch, numbers
        self._jobs = [epoch.jobs[place] for place in np.unique(epoch.made_by[numbers])]
        epoch.users += 1

    def is_ready(self) -> bool:
        """Whether all its images are there; raises what making them raised."""
        self._jobs = [job for job in self._jobs if not self._epochs.is_done(self._epoch, job)]
        return not self._jobs

    def copy_to(self, images: torch.Tensor) -> None:
        """The part's images, uint8 (N, 3, S, S); it is then done with."""
        rows = torch.from_numpy(self._epoch.row + self._epoch.places[self._numbers])
        torch.index_select(self._epochs.images, 0, rows, out=images)
        self._epoch.users -= 1

    def give_up(self) -> None:
        """It is not needed any longer."""
        self._epoch.users -= 1


class SharedEpochs:
    """Those of a pack."""

    def __init__(self, augmenters: Augmenters) -> None:
        self._augmenters, self._arena = augmenters, augmenters.arenas[SHARED]
        self._epochs: OrderedDict[tuple[object, ...], _Epoch] = OrderedDict()
        self.made = 0
        """Images that were asked of the processes."""

    @property
    def images(self) -> torch.Tensor:
        """Of all epochs, uint8 (rows, 3, S, S)."""
        return self._arena.images

    def share(self, spec: TrialSpec, source: TrainingImages, batches: Sequence[Batch]) -> Share | None:
        """What `batches` of one epoch need of its draws; None where they are not shared, or no memory is left."""
        drawn = batches[0].shared
        if drawn is None:
            return None
        key = (spec.cache, spec.policy, spec.synthetic, *drawn)
        epoch = self._epochs.get(key) or self._new(key, source)
        if epoch is None:
            return None
        self._epochs.move_to_end(key)
        indices = np.concatenate([batch.indices for batch in batches])
        numbers = source.numbers[indices]
        missing = np.unique(indices[epoch.places[numbers] < 0])
        for start in range(0, len(missing), _IMAGES_OF_A_JOB):
            self._make(epoch, spec, source, missing[start : start + _IMAGES_OF_A_JOB], drawn)
        return Share(self, epoch, numbers)

    def is_done(self, epoch: _Epoch, job: Job) -> bool:
        """Whether the images of `job` are there."""
        if job in epoch.unfinished:
            if not self._augmenters.is_done(job):
                return False
            epoch.unfinished.remove(job)
        return True

    def _make(
        self,
        epoch: _Epoch,
        spec: TrialSpec,
        source: TrainingImages,
        indices: np.ndarray,
        drawn: tuple[int, int],
    ) -> None:
        numbers = source.numbers[indices]
        job = self._augmenters.submit(spec, [Batch(0, indices, drawn)], SHARED, epoch.row + epoch.filled)
        epoch.places[numbers] = epoch.filled + np.arange(len(indices))
        epoch.made_by[numbers] = len(epoch.jobs)
        epoch.jobs.append(job)
        epoch.unfinished.append(job)
        epoch.filled += len(indices)
        self.made += len(indices)

    def _new(self, key: tuple[object, ...], source: TrainingImages) -> _Epoch | None:
        rows = source.most_numbers
        row = self._arena.take(rows)
        while row is None and self._drop_one():
            row = self._arena.take(rows)
        if row is None:
            return None
        made = _Epoch(row, np.full(rows, -1), np.full(rows, -1), rows)
        self._epochs[key] = made
        return made

    def _drop_one(self) -> bool:
        """Forget the epoch that was not used for longest, if there is one that nobody reads or writes."""
        for key, epoch in self._epochs.items():
            if epoch.users:
                continue
            if all(self._is_over(job) for job in epoch.unfinished):
                self._arena.give_back(epoch.row, epoch.rows)
                del self._epochs[key]
                return True
        return False

    def _is_over(self, job: Job) -> bool:
        return self._augmenters.forget(job)

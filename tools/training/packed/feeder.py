"""What the trials of a pack are fed with: augmented epochs, made ahead of time by other processes.

A `Feed` gives one trial its parts in order. Own draws are made for the trial alone, batch by batch, under the random
numbers that the single trainer uses. Shared draws (`shared_epochs.py`) are made once for all trials that share them.
"""

import psutil

from tools.training.batches import EpochBatches, TrainingImages
from tools.training.config import TrialSpec
from tools.training.packed.arena import Arena
from tools.training.packed.augmenters import Augmenters
from tools.training.packed.feed import Feed, Supply
from tools.training.packed.jobs import PARTS, SHARED
from tools.training.packed.shared_epochs import SharedEpochs

MOST_MEMORY = 2 * 2**30
"""Bytes for parts that are made ahead, at most; a tenth of the machine's memory if that is less."""


class Feeder:
    """The processes, their memory, and the feeds of the trials that run."""

    def __init__(
        self,
        processes: int,
        image_size: int,
        batch_size: int,
        steps: int,
        feeds: int,
        pinned: bool = False,
        shared_images: int = 0,
    ) -> None:
        """Start the processes; they need seconds until they can work.

        Args:
            processes: that augment; with 0, images are made in this process when they are needed.
            image_size: side of the images in pixels.
            batch_size: of the trials, at most.
            steps: of a part.
            feeds: trials at a time.
            pinned: whether parts are copied to a CUDA device.
            shared_images: of an epoch, where draws are shared; memory is taken for two epochs for each of `feeds`.
        """
        rows_of_part = steps * batch_size + 1
        bytes_of_part = rows_of_part * 3 * image_size**2
        memory = min(MOST_MEMORY, psutil.virtual_memory().total // 10)
        wanted = max(4 * feeds, 3 * processes)
        parts = max(2 * feeds, min(wanted, memory // bytes_of_part))
        arenas = {PARTS: Arena(parts * rows_of_part, image_size, processes > 0, pinned)}
        if shared_images:
            rows = min(2 * feeds * shared_images, memory // (3 * image_size**2))
            arenas[SHARED] = Arena(max(1, rows), image_size, processes > 0)
        self._augmenters = Augmenters(processes, arenas)
        self.shared = SharedEpochs(self._augmenters) if shared_images else None
        self._supply = Supply(self._augmenters, self.shared, steps, parts, rows_of_part)

    def feed(self, spec: TrialSpec, source: TrainingImages, batches: EpochBatches, first_epoch: int) -> Feed:
        """The parts of a trial from `first_epoch` to its last; close it when the trial ends, however it ends."""
        feed = Feed(self._supply, spec, source, batches, first_epoch)
        self._supply.feeds.append(feed)
        return feed

    def close(self) -> None:
        """End the processes and free the memory."""
        self._augmenters.close()

"""Training batches: which images, in which order, under which random numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from tools.datasets.cached import SplitView, open_cache
from tools.errors import DataError
from tools.policy.build import BuiltPolicy, build
from tools.policy.canonical import from_canonical
from tools.training.config import TrialSpec
from tools.training.orphans import exit_with_parent
from tools.training.seeds import Stream, derived_seed


@dataclass(frozen=True)
class Batch:
    """Which images make one batch, and the seed of their augmentation."""

    seed: int
    indices: np.ndarray
    """(B,) int64."""


class EpochBatches(Sampler[Batch]):
    """The batches of one epoch in an order that follows from the trial's seed and the epoch alone.

    Every image comes once. A remainder of a single image joins the batch before it, because batch
    normalisation cannot learn from one; any other remainder is a batch of its own.
    """

    def __init__(self, images: int, batch_size: int, seed: int) -> None:
        """`images` at least 2, `batch_size` at least 2."""
        if images < 2:
            raise DataError(f"the training split has {images} image(s): training needs at least 2")
        self._images, self._seed = images, seed
        starts = list(range(0, images, batch_size))
        if images - starts[-1] == 1 and len(starts) > 1:
            starts.pop()
        self._cuts = list(zip(starts, [*starts[1:], images], strict=True))
        self.epoch = 1
        """Set before each epoch, counted from 1."""

    def __len__(self) -> int:
        return len(self._cuts)

    def __iter__(self) -> Iterator[Batch]:
        order = np.random.default_rng(derived_seed(self._seed, Stream.ORDER, self.epoch))
        shuffled = order.permutation(self._images)
        for number, (start, stop) in enumerate(self._cuts):
            seed = derived_seed(self._seed, Stream.AUGMENTATION, self.epoch, number)
            yield Batch(seed, shuffled[start:stop])


class TrainingImages(Dataset):
    """Augmented training images; picklable into loader processes, which open the cache for themselves."""

    def __init__(self, cache: Path, policy: str, image_size: int, classes: int) -> None:
        """`policy` is canonical JSON; the rest as in `TrialSpec`."""
        self._cache, self._policy = cache, policy
        self._image_size, self._classes = image_size, classes

    def __getstate__(self) -> dict[str, object]:
        opened = ("view", "policy")
        return {name: value for name, value in vars(self).items() if name not in opened}

    @cached_property
    def view(self) -> SplitView:
        """The training split."""
        return open_cache(self._cache).split("train")

    @cached_property
    def policy(self) -> BuiltPolicy:
        """The augmentation, ready to run."""
        return build(from_canonical(self._policy), self._image_size, self._classes)

    def __len__(self) -> int:
        return len(self.view.labels)

    def __getitems__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Images uint8 (B, 3, S, S) and labels int64 (B,), the same whichever process asks."""
        labels = torch.from_numpy(np.asarray(self.view.labels)[batch.indices])
        if self.policy.is_identity:
            return torch.from_numpy(self.view.images[batch.indices]).permute(0, 3, 1, 2), labels
        torch.manual_seed(batch.seed)
        augmented = [self.policy.augment(np.asarray(self.view.images[index])) for index in batch.indices]
        return torch.stack(augmented), labels


def training_loader(
    spec: TrialSpec, images: TrainingImages, batches: EpochBatches, device: str
) -> DataLoader:
    """Yields (images, labels) as `TrainingImages.__getitems__` gives them, one batch of `batches` at a time.

    Raises nothing of its own; errors of loader processes surface here.
    """
    return DataLoader(
        images,
        # to DataLoader a Batch is a list of indices, and what it makes of one is already a batch
        batch_sampler=batches,  # pyright: ignore[reportArgumentType]
        collate_fn=_as_it_is,  # pyright: ignore[reportArgumentType]
        worker_init_fn=_start_loader_process,
        num_workers=spec.loader_workers,
        persistent_workers=spec.loader_workers > 0,
        pin_memory=torch.device(device).type == "cuda",
    )


def _start_loader_process(number: int) -> None:
    exit_with_parent()


def _as_it_is(batch: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    return batch

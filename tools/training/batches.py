"""Training batches: which images, in which order, under which random numbers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from tools.datasets.cache.read import SplitView, open_cache
from tools.errors import DataError
from tools.policy.built_policy import BuiltPolicy, build
from tools.policy.canonical import from_canonical
from tools.processes import exit_with_parent
from tools.training.config import TrialSpec
from tools.training.imbalance import BalancedDraw
from tools.training.seeds import Stream, derived_seed, draws_of
from tools.training.synthetic import Mixing, UsableImages, open_synthetic
from tools.training.views import PoolView, source_places, training_view


@dataclass(frozen=True)
class Batch:
    """Which images make one batch, and the seed of their augmentation."""

    seed: int
    indices: np.ndarray
    """(B,) int64."""
    shared: tuple[int, int] | None = None
    """(block, epoch) of shared draws: each image then has a seed of its own, and that of the batch is not used."""
    epoch: int = 1
    """Of the trial, which decides the policy where that changes on the way."""
    number: int = 0
    """Of the batch in its epoch, from 0."""


def takes_scores(number: int) -> bool:
    """Whether the images of an epoch's batch `number` (from 0) are changed by their scores, where the policy asks for
    them: every second batch."""
    return number % 2 == 1


@dataclass(frozen=True)
class SharedDraws:
    """Augmented epochs that trials of one block share, of which each begins with another one.

    Which epoch of the draws an epoch of a trial has does not depend on how long the trial is.
    """

    block: int
    first: int

    def at(self, epoch: int) -> tuple[int, int]:
        """(block, epoch of the draws) of a trial's `epoch`, counted from 1."""
        return self.block, self.first + epoch - 1


class Mixture:
    """Real and synthetic images under one numbering, and which of them an epoch uses.

    Real images have the numbers 0..N-1, as in the training split; synthetic ones N..N+M-1, as in their set.
    """

    def __init__(self, real: int, sources: np.ndarray, mixing: Mixing) -> None:
        """`real` is N; `sources` int64 (M,), each in 0..N-1."""
        self._real, self._mixing = real, mixing
        self._synthetic = len(sources)
        if mixing.mode == "replace":
            self._by_source = real + np.argsort(sources, kind="stable")
            self._versions = np.bincount(sources, minlength=real)
            self._first = np.cumsum(self._versions) - self._versions

    @property
    def images(self) -> int:
        """Images of an epoch."""
        both = self._mixing.mode == "extra" and not self._mixing.step_matched
        return self._real + self._synthetic if both else self._real

    def draw(self, order: np.random.Generator, balance: BalancedDraw | None = None) -> np.ndarray:
        """The images of an epoch in their order, int64 (images,); `order` is a new generator for this epoch.

        `balance`, of all images for 'extra' and of the real ones for 'replace', draws as many of every class.

        'extra' shuffles both kinds; step-matched, it keeps as many as there are real ones, each at most once.
        'replace' keeps the order that the real images have in a trial without synthetic ones, so that both trials see
        the same sources at the same steps; what replaces an image depends on the generator and its number only.
        """
        if self._mixing.mode == "extra":
            if balance is not None:
                return balance.draw(order, self.images)
            return order.permutation(self._real + self._synthetic)[: self.images]
        shuffled = order.permutation(self._real) if balance is None else balance.draw(order, self._real)
        chance, choice = order.random((self._real, 2)).T
        replaced = np.flatnonzero((chance < self._mixing.probability) & (self._versions > 0))
        version = (choice[replaced] * self._versions[replaced]).astype(np.int64)
        shown = np.arange(self._real)
        shown[replaced] = self._by_source[self._first[replaced] + version]
        return shown[shuffled]


class EpochBatches(Sampler[Batch]):
    """The batches of one epoch, in an order that depends on the trial's seed and the epoch only.

    Every image is used once, or as often as the mixture with synthetic ones or the balance draws it. A single image
    that is left over joins the batch before it, because batch normalisation cannot learn from one; more make a batch of
    their own.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        seed: int,
        mixture: Mixture | None = None,
        draws: SharedDraws | None = None,
        balance: BalancedDraw | None = None,
    ) -> None:
        """`images` (real ones) at least 2, `batch_size` at least 2; `draws` where they are shared; `balance` where an
        epoch has as many images of every class."""
        if images < 2:
            raise DataError(f"the training split has {images} image(s): training needs at least 2")
        self._seed, self._mixture, self._draws, self._balance = seed, mixture, draws, balance
        self.images = images if mixture is None else mixture.images
        """In one epoch, synthetic ones included."""
        starts = list(range(0, self.images, batch_size))
        if self.images - starts[-1] == 1 and len(starts) > 1:
            starts.pop()
        self._cuts = list(zip(starts, [*starts[1:], self.images], strict=True))
        self.epoch = 1
        """Set before each epoch, counted from 1."""

    def __len__(self) -> int:
        return len(self._cuts)

    @property
    def sizes(self) -> list[int]:
        """Images of each batch."""
        return [stop - start for start, stop in self._cuts]

    def __iter__(self) -> Iterator[Batch]:
        order = np.random.default_rng(derived_seed(self._seed, Stream.ORDER, self.epoch))
        shuffled = self._drawn(order)
        for number, (start, stop) in enumerate(self._cuts):
            seed = derived_seed(self._seed, Stream.AUGMENTATION, self.epoch, number)
            shared = None if self._draws is None else self._draws.at(self.epoch)
            yield Batch(seed, shuffled[start:stop], shared, self.epoch, number)

    def _drawn(self, order: np.random.Generator) -> np.ndarray:
        if self._mixture is not None:
            return self._mixture.draw(order, self._balance)
        if self._balance is not None:
            return self._balance.draw(order, self.images)
        return order.permutation(self.images)


class TrainingImages(Dataset):
    """Augmented training images. Can be sent to loader processes, which open the files themselves.

    Numbered as in `Mixture`: the real ones, then the synthetic ones.
    """

    def __init__(self, spec: TrialSpec) -> None:
        """`spec` says which images, and how they are augmented."""
        self._spec = spec

    def __getstate__(self) -> dict[str, object]:
        opened = ("view", "synthetic", "policies", "numbers", "_pool")
        return {name: value for name, value in vars(self).items() if name not in opened}

    @cached_property
    def view(self) -> SplitView:
        """The real images."""
        return training_view(self._spec)

    @cached_property
    def synthetic(self) -> UsableImages | None:
        """The synthetic images that the trial may train on, where it has any, with their sources in `view`.

        Raises:
            DataError: they cannot be opened, or were not made from this training split.
        """
        spec = self._spec
        if spec.synthetic is None:
            return None
        opened = open_synthetic(spec.synthetic.folder, spec.synthetic.key)
        training_split = open_cache(spec.cache).split("train")
        opened.refuse_unless_made_for(training_split.labels, spec.classes, spec.image_size)
        return UsableImages(opened, source_places(spec))

    @cached_property
    def policies(self) -> dict[int, BuiltPolicy]:
        """First epoch → the augmentation from then on, ready to run; the last one first."""
        spec = self._spec
        phases = reversed(from_canonical(spec.policy).phases)
        return {first: build(each, spec.image_size, spec.classes) for first, each in phases}

    @property
    def policy(self) -> BuiltPolicy:
        """The augmentation of the first epoch, and of all where it does not change."""
        return self.policies[1]

    def policy_at(self, epoch: int) -> BuiltPolicy:
        """The augmentation of `epoch`, counted from 1."""
        return next(policy for first, policy in self.policies.items() if first <= epoch)

    @cached_property
    def numbers(self) -> np.ndarray:
        """int64 (N + M,): what shared draws know each image by, whichever of the search's images a trial trains on.

        Real ones by their place in the training split, with the validation split after it; then the synthetic ones.
        """
        view, synthetic = self.view, self.synthetic
        real = view.places if isinstance(view, PoolView) else np.arange(len(view))
        return real if synthetic is None else np.concatenate([real, self._pool + synthetic.rows])

    @property
    def most_numbers(self) -> int:
        """Above all `numbers`, in whatever fold; where there are no folds, only the training split has any."""
        if self._spec.fold is None and self.synthetic is None:
            return len(self.view)
        return self._pool + (0 if self.synthetic is None else self.synthetic.in_set)

    @cached_property
    def _pool(self) -> int:
        cached = open_cache(self._spec.cache)
        return len(cached.split("train")) + len(cached.split("validation"))

    @property
    def counted_labels(self) -> np.ndarray:
        """int64: of the images that make the sizes of the classes: the real ones, and synthetic ones that are extra."""
        mixing = self._spec.synthetic and self._spec.synthetic.mixing
        extra = mixing is not None and mixing.mode == "extra"
        return self.labels(np.arange(len(self))) if extra else np.asarray(self.view.labels)

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """int64 (B,) of these images."""
        if self.synthetic is None:
            return self.view.labels[indices]
        return np.concatenate([self.view.labels, self.synthetic.labels])[indices]

    def __len__(self) -> int:
        return len(self.view) + (0 if self.synthetic is None else len(self.synthetic))

    def __getitems__(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Images uint8 (B, 3, S, S) and labels int64 (B,), the same in every process.

        Where the batch takes scores, which the classifier alone can give, the images are augmented up to there.
        """
        pixels, labels = self._read(batch.indices)
        policy = self.policy_at(batch.epoch)
        augment = policy.augment
        if policy.is_scored and takes_scores(batch.number):
            augment = policy.augment_until_score
        if policy.is_identity:
            return torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.from_numpy(labels)
        if batch.shared is not None:
            images = torch.stack([self._drawn(augment, pixels[i], batch, i) for i in range(len(pixels))])
            return images, torch.from_numpy(labels)
        torch.manual_seed(batch.seed)
        return torch.stack([augment(image) for image in pixels]), torch.from_numpy(labels)

    def _drawn(
        self, augment: Callable[[np.ndarray], torch.Tensor], image: np.ndarray, batch: Batch, place: int
    ) -> torch.Tensor:
        """One image under shared draws: it depends on its number and their epoch, not on the batch."""
        assert batch.shared is not None
        block, epoch = batch.shared
        number = int(self.numbers[batch.indices[place]])
        torch.manual_seed(derived_seed(block, Stream.SHARED, epoch, number))
        return augment(image)

    def _read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the batch's images and labels; nothing else is read from disk."""
        view, synthetic = self.view, self.synthetic
        if synthetic is None:
            return view.images[indices], view.labels[indices]
        real = indices < len(view)
        made = indices[~real] - len(view)
        pixels = np.empty((len(indices), *view.images.shape[1:]), dtype=np.uint8)
        labels = np.empty(len(indices), dtype=np.int64)
        pixels[real], labels[real] = view.images[indices[real]], view.labels[indices[real]]
        pixels[~real], labels[~real] = synthetic.read(made)
        return pixels, labels


def training_images(spec: TrialSpec) -> TrainingImages:
    """The augmented training images of a trial; nothing is opened yet."""
    return TrainingImages(spec)


def epoch_batches(spec: TrialSpec, images: TrainingImages) -> EpochBatches:
    """The batches of a trial over `images`, which were made for it.

    Raises:
        DataError: there are too few real images, or the synthetic ones do not fit them.
    """
    recipe, synthetic = spec.recipe, images.synthetic
    mixture = draws = None
    if spec.synthetic is not None and synthetic is not None:
        mixture = Mixture(len(images.view), synthetic.sources, spec.synthetic.mixing)
    if recipe.draws == "shared":
        draws = SharedDraws(*draws_of(spec.seed))
    balance = BalancedDraw(images.counted_labels) if recipe.imbalance == "balanced_sampling" else None
    return EpochBatches(len(images.view), recipe.batch_size, spec.seed, mixture, draws, balance)


def training_loader(
    spec: TrialSpec, images: TrainingImages, batches: EpochBatches, device: str
) -> DataLoader:
    """Yields (images, labels) as `TrainingImages.__getitems__` gives them, one batch of `batches` at a time.

    Errors in loader processes are raised while iterating.
    """
    return DataLoader(
        images,
        # DataLoader takes a Batch for a list of indices; what the data set returns for it is already a batch
        batch_sampler=batches,  # pyright: ignore[reportArgumentType]
        collate_fn=_unchanged,  # pyright: ignore[reportArgumentType]
        worker_init_fn=_start_loader_process,
        num_workers=spec.loader_workers,
        persistent_workers=spec.loader_workers > 0,
        pin_memory=torch.device(device).type == "cuda",
    )


def _start_loader_process(number: int) -> None:
    exit_with_parent()


def _unchanged(batch: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    return batch

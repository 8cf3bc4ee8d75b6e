"""Which source and which background make which image of a set, and which random numbers each one gets.

Everything here follows from the seed and the counts alone, never from what has been done so far, by how many
processes or in which order: that is why an interrupted set comes out the same.

Where cut-outs have to be recognised, which refuses many, a class has the share of the images that it has of the
training set, however few of its sources can be used: these have more copies each. Else all sources have as many.

Sources come in a random order, and each gets its copies. For every block of as many sources as there are backgrounds,
the backgrounds come in another random order, and copy c of the source at place s gets the one at place s + offset(c).
No order knows the labels, so the background cannot predict them; every background is used about equally often; and no
source meets a background twice while it has no more copies than there are backgrounds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tools.aga.store.pieces import key_of
from tools.errors import ConfigurationError

_ORDER, _BACKGROUNDS, _OFFSETS = 1, 2, 3
"""Streams of random numbers. A placement's has three numbers and so is none of them."""
_CANDIDATES = 3
"""Backgrounds that are tried at most for each one that is wanted."""


@dataclass(frozen=True)
class PlannedImage:
    """One synthetic image to be made."""

    number: int
    """From 0, in the order of the set."""
    place: int
    """Of its source among the usable ones, from 0."""
    copy: int
    """Counted from 0 for each source."""
    background: int
    """Its place in the pool, from 0."""


class SetPlan:
    """Which source and which background make which image."""

    def __init__(
        self,
        images: int,
        labels: Sequence[int],
        pool: int,
        seed: int,
        shares: Mapping[int, int] | None = None,
    ) -> None:
        """`images` of usable sources with these `labels` on `pool` backgrounds, each at least 1.

        `shares`: training images of each label, in whose proportion the images are divided; None: without regard to it.
        """
        self.images = images
        self._pool = pool
        usable = len(labels)
        self._order = np.random.default_rng([seed, _ORDER]).permutation(usable)
        blocks = np.tile(np.arange(pool), (-(-usable // pool), 1))
        self._backgrounds = np.random.default_rng([seed, _BACKGROUNDS]).permuted(blocks, axis=1)
        self._offsets = np.random.default_rng([seed, _OFFSETS]).permutation(pool)
        labels, shares = ([0] * usable, {0: 1}) if shares is None else (labels, shares)
        copies = _copies(np.asarray(labels)[self._order], _divided(images, labels, shares))
        self._ends = np.cumsum(copies)
        self._starts = self._ends - copies

    def __len__(self) -> int:
        return self.images

    def __getitem__(self, number: int) -> PlannedImage:
        """Copies of one source follow one another; the first sources of a class in the order have one more."""
        if not 0 <= number < self.images:
            raise IndexError(number)
        place = int(np.searchsorted(self._ends, number, side="right"))
        copy = number - int(self._starts[place])
        block, within = divmod(place, self._pool)
        background = self._backgrounds[block, (within + self._offsets[copy % self._pool]) % self._pool]
        return PlannedImage(number, int(self._order[place]), copy, int(background))


def _divided(images: int, labels: Sequence[int], shares: Mapping[int, int]) -> dict[int, int]:
    """How many of the `images` each label gets that a usable source has, in proportion to `shares`; all add up.

    What is left after rounding down goes to the largest remainders.
    """
    present = sorted(set(labels))
    whole = sum(shares[label] for label in present)
    given = {label: images * shares[label] // whole for label in present}
    by_remainder = sorted(present, key=lambda label: (-(images * shares[label] % whole), label))
    for label in by_remainder[: images - sum(given.values())]:
        given[label] += 1
    return given


def _copies(labels: np.ndarray, given: Mapping[int, int]) -> np.ndarray:
    """How many copies each source has, int64 (N,), where sources come with these `labels`, int64 (N,)."""
    copies = np.zeros(len(labels), np.int64)
    for label, images in given.items():
        own = np.flatnonzero(labels == label)
        copies[own] = images // len(own)
        copies[own[: images % len(own)]] += 1
    return copies


def image_count(scale: float, sources: int) -> int:
    """Synthetic images for a training split of `sources`: `scale` times as many, rounded.

    Sources without a usable subject count too: the others get more copies, so that 2 means twice the real images.

    Raises:
        ConfigurationError: `scale` is not above 0 and at most 10, or too small for a single image.
    """
    if not 0 < scale <= 10:
        raise ConfigurationError(
            f"scale is {scale}: it must be above 0 and at most 10 (synthetic images for each real one)"
        )
    images = round(scale * sources)
    if images < 1:
        raise ConfigurationError(
            f"scale {scale} of {sources} training images makes no image: choose a larger one"
        )
    return images


def pool_size(pool: float, sources: int, images: int) -> int:
    """Backgrounds to be made: `pool` for each source, but no more than images that need one."""
    return min(math.ceil(pool * sources), images)


def candidate_limit(wanted: int) -> int:
    """How many backgrounds are tried at most to have `wanted`."""
    return _CANDIDATES * wanted


def background_seed(seed: int, caption: str, time: int) -> int:
    """Of the picture that is made when a caption comes up for the `time`-th time (from 0): 0..2^31 - 1.

    Follows from the caption, not from its place, so that another proposal with the same caption has the same picture.
    """
    return int(key_of(seed=seed, caption=caption, time=time)[:8], 16) >> 1


def placement_numbers(seed: int, source: int, copy: int) -> np.random.Generator:
    """The random numbers of one placement; `source` is the training row."""
    return np.random.default_rng([seed, source, copy])

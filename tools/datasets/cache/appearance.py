"""What is odd about decoded images: black, blank, hidden, mixed. It is read from the looks that decoding kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tools.datasets.cache.levels import TYPE, Span
from tools.datasets.cache.look import DEEP, KINDS, Flag, Kind
from tools.datasets.types import Card, Record

_DARK, _BRIGHT = 32, 223
"""An image none of whose pixels is as bright (dark) is nearly black (white)."""
_SMALL_RANGE = 0.25
"""16-bit images that use no more of their range lose most of their grey levels."""
_FEW_LEVELS = 4
_FEW_IMAGES = 5
"""Fewer images of a kind say nothing about classes."""
_ALL, _NONE = 0.9, 0.1
"""Shares of a class that count as all and none of it."""
_NAMED = 5


@dataclass(frozen=True)
class Oddity:
    """One thing that is odd, in words, and the images that it is true of."""

    what: str
    text: str
    files: tuple[str, ...]

    @property
    def line(self) -> str:
        """The text, with some of the files."""
        more = f" and {len(self.files) - _NAMED:,} more" if len(self.files) > _NAMED else ""
        return f"{self.text} ({', '.join(self.files[:_NAMED])}{more})"


def oddities(records: Sequence[Record], looks: np.ndarray, card: Card, span: Span | None) -> list[Oddity]:
    """Everything that is odd.

    Args:
        records: images.
        looks: `look.LOOK` (N,), one for each record; those that were not looked at are passed over.
        card: of the data set.
        span: the numbers that became black and white; None for the range of the type.
    """
    seen = np.flatnonzero(looks["seen"])
    if not len(seen):
        return []
    images = _Images([records[at] for at in seen.tolist()], looks[seen], card)
    dark = _of_small_range(images) if span is None else np.zeros(len(seen), dtype=bool)
    found = [_small_range(images, dark)] if dark.any() else []
    found += [
        images.odd(what, text, which) for what, text, which in _single_images(images, dark) if which.any()
    ]
    found += [images.odd("mixture", text, which) for text, which in _mixtures(images)]
    return found


@dataclass(frozen=True)
class _Images:
    """Those that were looked at."""

    records: Sequence[Record]
    looks: np.ndarray
    card: Card

    def odd(self, what: str, text: str, which: np.ndarray) -> Oddity:
        count = f"{int(which.sum()):,} image{'' if which.sum() == 1 else 's'}"
        return Oddity(
            what, text.format(n=count), tuple(self.records[at].file for at in np.flatnonzero(which).tolist())
        )

    @property
    def labels(self) -> np.ndarray:
        """bool (C, N): which images are of each class."""
        sets = [self.card.labels_of(record.label) for record in self.records]
        return np.array([[number in each for each in sets] for number in range(len(self.card.classes))])

    @property
    def train(self) -> np.ndarray:
        return np.array([record.split == "train" for record in self.records])

    def has(self, flag: Flag) -> np.ndarray:
        return (self.looks["flags"] & int(flag)) != 0

    def of(self, *kinds: Kind) -> np.ndarray:
        return np.isin(self.looks["kind"], [KINDS.index(kind) for kind in kinds])


def _of_small_range(images: _Images) -> np.ndarray:
    """Images of more than 8 bits, where all of them together use little of the range of their type."""
    grey, others = images.of("16-bit grey"), [images.of("16-bit colour"), images.of("DICOM")]
    small = np.zeros(len(images.looks), dtype=bool)
    if grey.any() and images.looks["high"][grey].max() <= _SMALL_RANGE * TYPE[1]:
        small |= grey
    for which in others:
        if which.any() and 0 < images.looks["brightest"][which].max() <= _SMALL_RANGE * 255:
            small |= which
    return small


def _small_range(images: _Images, which: np.ndarray) -> Oddity:
    grey = which & images.of("16-bit grey")
    used = f"at most {images.looks['high'][grey].max():,.0f}" if grey.any() else "few"
    what = "in DICOM" if (which & images.of("DICOM")).any() else "of 16 bits"
    brightest, levels = images.looks["brightest"][which].max(), images.looks["levels"][which].max()
    return images.odd(
        "small range",
        f"{{n}} {what} use {used} of 65,535, so that they are nearly black: their brightest pixel becomes "
        f"{brightest} of 255, and {levels} grey levels are left. --data.range dataset scales them by the range that "
        "the training images use",
        which,
    )


def _single_images(images: _Images, explained: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """What may be odd about an image by itself: its name, a text with {n} for their number, and which images it is."""
    looks = images.looks
    varied = looks["constant"] == 0
    yield "constant", "{n} of a single colour", ~varied
    yield (
        "nearly black",
        f"{{n}} nearly black, no pixel brighter than {_DARK - 1} of 255",
        varied & ~explained & (looks["brightest"] < _DARK),
    )
    yield (
        "nearly white",
        f"{{n}} nearly white, no pixel darker than {_BRIGHT + 1} of 255",
        varied & (looks["darkest"] > _BRIGHT),
    )
    yield (
        "few levels",
        f"{{n}} with at most {_FEW_LEVELS} grey levels, as masks and maps of labels have",
        varied & ~explained & (looks["levels"] <= _FEW_LEVELS),
    )
    yield (
        "hidden",
        "{n} transparent in more than half of the area, with other colours hidden there. Transparent pixels become "
        "black: save them without transparency if what is hidden is the picture",
        images.has(Flag.HIDES_PICTURE),
    )
    yield "frames", "{n} with several frames or pages, of which the first is used", images.has(Flag.FRAMES)
    yield (
        "metadata",
        "{n} with metadata that cannot be read, so that it is not known whether they are stored upright",
        images.has(Flag.BAD_METADATA),
    )
    yield (
        "CMYK",
        "{n} in CMYK that do not say whether they are inverted: save them as RGB if they look like negatives",
        images.has(Flag.PLAIN_CMYK),
    )


def _mixtures(images: _Images) -> Iterator[tuple[str, np.ndarray]]:
    """Images stored otherwise than the rest."""
    one_bit, deep = images.of("1 bit"), images.of(*DEEP)
    if one_bit.any() and not one_bit.all():
        yield f"{{n}} of {len(one_bit):,} of 1 bit, black and white: are they masks of the others?", one_bit
    if deep.any() and not deep.all():
        yield (
            f"{{n}} of {len(deep):,} of more than 8 bits, which are scaled by another range than the others: their "
            "brightness tells them apart",
            deep,
        )
    ways = [(kind, images.looks["kind"] == number) for number, kind in enumerate(KINDS)]
    telling = [(kind, which) for kind, which in ways if _tells_class(images, which)]
    # Of two ways of storing that tell the class, the rarer one says it all.
    for kind, which in sorted(telling, key=lambda way: way[1].sum())[: max(1, len(telling) - 1)]:
        counts = _by_class(images, which & images.train)
        yield f"{{n}} stored as {kind}, which tells their class (in training images, {counts})", which


def _tells_class(images: _Images, which: np.ndarray) -> bool:
    """Whether nearly all training images of one class are among these, and nearly none of another class."""
    of_class = [images.train & members for members in images.labels]
    shares = [float(which[each].mean()) for each in of_class if each.sum() >= _FEW_IMAGES]
    return len(shares) > 1 and max(shares) >= _ALL and min(shares) <= _NONE


def _by_class(images: _Images, which: np.ndarray) -> str:
    counts = images.labels[:, which].sum(axis=1)
    parts = [f"{name} {count:,}" for name, count in zip(images.card.classes, counts, strict=True)]
    return ", ".join(parts[:10]) + (f" and {len(parts) - 10} more" if len(parts) > 10 else "")

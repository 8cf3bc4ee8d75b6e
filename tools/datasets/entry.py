"""A row of the registry of data sets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tools.datasets.config import DataConfig
from tools.datasets.types import Card, Dataset


@dataclass(frozen=True)
class Entry:
    """A row of the registry: what is known about a data set without its images."""

    open: Callable[[DataConfig], Dataset]
    """Finds the images and labels; carves no splits (`assign_splits` does)."""
    card: Card
    counts: tuple[Mapping[str, int], ...] = ()
    """Published numbers of images, 'all' or by split (before anything is carved); one mapping for each known layout. ()
    if nothing is published."""
    shift_of: str | None = None
    """As `Dataset.shift_of`."""
    variants: tuple[str, ...] = ()
    """What `data.variant` may be, besides unset."""
    fetch: str = ""
    """The library that can download it: 'kaggle:OWNER/NAME', 'hf:REPO', 'torchvision:NAME', 'medmnist:FLAG'; '' if
    only the commands of `card.download` can."""

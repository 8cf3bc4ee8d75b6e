"""The table of data sets: a name, and what opens it. A new data set is a file of its own and a row here."""

from collections.abc import Callable
from difflib import get_close_matches

from tools.datasets.collections.hf_sets import open_hub
from tools.datasets.collections.medmnist_sets import open_medmnist
from tools.datasets.collections.torchvision_sets import open_torchvision
from tools.datasets.config import DataConfig
from tools.datasets.folder.folder import open_folder
from tools.datasets.known import (
    alzheimer_parkinson,
    aptos,
    cub,
    demo,
    imagenet10,
    imagenet_sketch,
    imagenet_v2,
    iwildcam,
    limuc,
    melanoma,
)
from tools.datasets.known.common import check_variant
from tools.datasets.splits.assign import settle
from tools.datasets.types import Dataset, Entry
from tools.errors import ConfigurationError

ENTRIES: dict[str, Entry] = {
    entry.card.name: entry
    for entry in (
        demo.ENTRY,
        aptos.ENTRY,
        melanoma.ENTRY,
        limuc.ENTRY,
        alzheimer_parkinson.ENTRY,
        imagenet10.ENTRY,
        imagenet_v2.ENTRY,
        imagenet_sketch.ENTRY,
        cub.ENTRY,
        iwildcam.ENTRY,
    )
}
"""Data sets that have a name of their own, in the order in which they are listed."""

_COLLECTIONS: dict[str, tuple[str, Callable[[DataConfig], Dataset]]] = {
    "torchvision": ("NAME", open_torchvision),
    "hf": ("OWNER/NAME", open_hub),
    "medmnist": ("FLAG", open_medmnist),
}
"""PREFIX of names such as PREFIX:NAME → what stands for NAME in messages, and what opens them."""


def dataset_names() -> list[str]:
    """Names that `data.dataset` may have; PREFIX:NAME for those of the collections."""
    return ["folder", *ENTRIES, *(f"{prefix}:{word}" for prefix, (word, _) in _COLLECTIONS.items())]


def open_published(config: DataConfig) -> Dataset:
    """Find the images and labels of any data set, in the splits that it was published with; decodes nothing.

    Args:
        config: where only `path` is set, it is opened as 'folder'; where nothing is set, 'demo' is.

    Raises:
        ConfigurationError: there is no data set of that name, or it does not go with the path.
        DataError: it is missing or malformed; the message says where it was looked for and how to get it.
    """
    name = config.dataset or ("folder" if config.path is not None else "demo")
    if name in ENTRIES:
        check_variant(name, config, ENTRIES[name].variants)
        return ENTRIES[name].open(config)
    prefix, colon, _ = name.partition(":")
    if name == "folder" or (colon and prefix in _COLLECTIONS):
        check_variant(name, config, ())
        return open_folder(config) if name == "folder" else _COLLECTIONS[prefix][1](config)
    near = get_close_matches(name, dataset_names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigurationError(
        f"there is no data set {name!r}: {hint}Known are {', '.join(dataset_names())}; for images of your own, use "
        "--data PATH."
    )


def open_dataset(config: DataConfig) -> Dataset:
    """As `open_published`, and with the splits that the settings ask for.

    Splits that are made here are provisional until `cache.build_cache` has seen which images are alike: those are
    put into one split.

    Raises:
        ConfigurationError: as `open_published`, or a setting does not go with the data set.
        DataError: as `open_published`, or the splits cannot be made.
    """
    published = open_published(config)
    return settle(published, config)

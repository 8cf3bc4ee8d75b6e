"""The table of data sets by name. A new data set is a module with its card (YAML), and a row here."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tools.datasets.collections.hf_sets import open_hub
from tools.datasets.collections.medmnist_sets import open_medmnist
from tools.datasets.collections.torchvision_sets import open_torchvision
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
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
from tools.datasets.modality import with_modality
from tools.datasets.splits.assign import assign_splits
from tools.datasets.types import Dataset, Record
from tools.errors import AugurError, ConfigurationError, did_you_mean

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
"""Data sets with a name of their own, in the order in which they are listed."""

_COLLECTIONS: dict[str, tuple[str, Callable[[DataConfig], Dataset]]] = {
    "torchvision": ("NAME", open_torchvision),
    "hf": ("OWNER/NAME", open_hub),
    "medmnist": ("FLAG", open_medmnist),
}
"""PREFIX of names such as PREFIX:NAME → what messages write for NAME, and what opens them."""


def dataset_names() -> list[str]:
    """Values of `data.dataset`; PREFIX:NAME for those of the collections."""
    return ["folder", *ENTRIES, *(f"{prefix}:{word}" for prefix, (word, _) in _COLLECTIONS.items())]


def open_published(config: DataConfig) -> Dataset:
    """Find the images and labels of any data set, in the splits that it was published with; decodes nothing.

    Args:
        config: if only `path` is set, it is opened as 'folder'; if neither is set, 'demo' is opened.

    Raises:
        ConfigurationError: there is no data set or variant of that name, or it does not accept a path.
        DataError: it is missing or malformed; the message says where it was expected and how to get it.
    """
    name = config.dataset
    if name is None:
        name = "demo" if config.path is None else "folder"
    if name != "folder":
        _check_own_images(name, config)
    dataset = with_modality(_open(name, config), config)
    if config.always is None:
        return dataset
    from tools.datasets.cache.always import with_always  # imports torch

    return with_always(dataset, config.always, config.max_pixels)


def _open(name: str, config: DataConfig) -> Dataset:
    if name in ENTRIES:
        _check_variant(name, config, ENTRIES[name].variants)
        return ENTRIES[name].open(config)
    prefix, colon, _ = name.partition(":")
    if name == "folder" or (colon and prefix in _COLLECTIONS):
        _check_variant(name, config, ())
        if name == "folder":
            return open_folder(config, lambda dataset: _search_records(dataset, config))
        return _COLLECTIONS[prefix][1](config)
    hint = did_you_mean(name, dataset_names())
    raise ConfigurationError(
        f"there is no data set {name!r}{': ' + hint if hint else '.'} Known are {', '.join(dataset_names())}; for "
        "images of your own, use --data PATH."
    )


def open_dataset(config: DataConfig) -> Dataset:
    """As `open_published`, with the splits that the settings ask for.

    Splits that are made here are provisional until `cache.build_cache` has seen which images are alike: those are
    put into one split.

    Raises:
        ConfigurationError: as `open_published`, or a setting does not fit the data set.
        DataError: as `open_published`, or the splits cannot be made.
    """
    return assign_splits(open_published(config), config)


def _search_records(dataset: Dataset, config: DataConfig) -> Sequence[Record]:
    """The records that are not in the test split, neither as given nor as it is carved by names, labels and groups.

    Where pictures turn out to be alike, the final split may differ, since it keeps them together; few labels do not
    matter, so that all of them have the same default size.
    """
    all_labels = config.model_copy(update={"fraction": None, "per_class": None, "on_leak": "drop"})
    try:
        divided = assign_splits(dataset, all_labels)
    except AugurError:  # no study is possible: said where the splits are made
        divided = replace(dataset, records=() if "test" in dataset.missing else dataset.records)
    return [record for record in divided.records if record.split != "test"]


def _check_own_images(name: str, config: DataConfig) -> None:
    """Settings that say how a folder is read have no meaning for a data set that is known."""
    given = {
        "data.layout": config.layout != "auto",
        "data.labels": config.labels is not None,
        "data.exclude": bool(config.exclude),
        "data.similar_labels": config.similar_labels != "stop",
        "data.several_labels": config.several_labels != "auto",
        "data.missing_labels": config.missing_labels != "stop",
    }
    if set_ones := [key for key, is_set in given.items() if is_set]:
        raise ConfigurationError(
            f"{', '.join(set_ones)}: only for images of your own (--data PATH without --dataset); {name} has its own "
            "layout and labels"
        )


def _check_variant(name: str, config: DataConfig, known: Sequence[str]) -> None:
    if config.variant is not None and config.variant not in known:
        variants = f"known are {', '.join(known)}" if known else "it has no variants"
        raise ConfigurationError(
            f"data.variant: {name} has no variant {config.variant!r}: {variants}. Leave data.variant unset for its "
            "usual splits."
        )

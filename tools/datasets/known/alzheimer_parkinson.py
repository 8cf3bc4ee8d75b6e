"""`alzheimer-parkinson`: slices of brain MRI, Alzheimer's disease, Parkinson's disease or neither.

The Kaggle data set farjanakabirsamanta/alzheimer-diseases-3-class. The name of its outer folder is not documented, so
the folder that holds the splits is searched for.
"""

from collections.abc import Iterator
from pathlib import Path

from tools.datasets.cards import read_card
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.folder.folder import open_split_folders
from tools.datasets.folder.walk import folders_within, split_folders, subfolders, tree
from tools.datasets.location import data_folder, not_found
from tools.datasets.types import Dataset, Split
from tools.errors import DataError

CARD = read_card(Path(__file__).with_suffix(".yaml"))

_CLASSES: dict[str, str] = dict(zip(("ad", "control", "pd"), CARD.classes, strict=True))
"""Name of a class folder in lower case → its class."""
_LEVELS = 3
"""At most this many folders are around the one that holds the splits."""
_LAYOUTS = (("[ANY FOLDER/]{train,test}/{AD,CONTROL,PD}/*.jpg",),)


def open_alzheimer_parkinson(config: DataConfig) -> Dataset:
    """Open the slices at `config.path`, or in data/alzheimer-parkinson. Validation is carved from train.

    Images that are in both published splits are kept in test only.

    Raises:
        DataError: they are not there, are there more than once, or a class folder has an unknown name.
    """
    root = data_folder(CARD.name, config)
    candidates = list(_folders_with_splits(root))
    if not candidates:
        raise not_found(CARD.title, root, _LAYOUTS, CARD.download)
    if len(candidates) > 1:
        raise DataError(
            f"{CARD.title} was found {len(candidates)} times in {root.absolute()}:\n"
            f"{tree([str(folder) for folder, _ in candidates])}\n"
            f"Choose one: --data {candidates[0][0]}"
        )
    folder, by_split = candidates[0]
    return open_split_folders(CARD, folder, by_split, _CLASSES)


def _folders_with_splits(root: Path) -> Iterator[tuple[Path, dict[Split, list[Path]]]]:
    """Folders that hold train and test with class folders in each, and their split folders."""
    for folder in folders_within(root, _LEVELS):
        by_split = split_folders(folder)
        if {"train", "test"} <= by_split.keys() and all(
            any(each.name.strip().casefold() in _CLASSES for each in subfolders(place))
            for places in by_split.values()
            for place in places
        ):
            yield folder, by_split


ENTRY = Entry(open_alzheimer_parkinson, CARD, fetch="kaggle:farjanakabirsamanta/alzheimer-diseases-3-class")

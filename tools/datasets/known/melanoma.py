"""`melanoma`: dermoscopic photographs, benign or malignant, in the layouts of two Kaggle data sets."""

from pathlib import Path

from tools.datasets.cards import read_card
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.folder.folder import open_split_folders
from tools.datasets.folder.walk import split_folders
from tools.datasets.location import data_folder, not_found
from tools.datasets.types import Dataset

CARD = read_card(Path(__file__).with_suffix(".yaml"))

_INNER = "melanoma_cancer_dataset"
_LAYOUTS = (
    ("{train,test}/{Benign,Malignant}/*.jpg",),
    (f"{_INNER}/{{train,test}}/{{benign,malignant}}/*.jpg",),
)


def open_melanoma(config: DataConfig) -> Dataset:
    """Open the melanoma images at `config.path`, or in data/melanoma. Validation is carved from train.

    Images that are in both published splits are kept in test only.

    Raises:
        DataError: they are not there, or a class folder is neither benign nor malignant.
    """
    root = data_folder(CARD.name, config)
    inner = root / _INNER if (root / _INNER).is_dir() else root
    by_split = split_folders(inner) if inner.is_dir() else {}
    if not {"train", "test"} <= by_split.keys():
        raise not_found(CARD.title, root, _LAYOUTS, CARD.download)
    return open_split_folders(CARD, inner, by_split, {name: name for name in CARD.classes})


ENTRY = Entry(
    open_melanoma,
    CARD,
    counts=({"train": 11879, "test": 2000}, {"train": 9605, "test": 1000}),
    fetch="kaggle:bhaveshmittal/melanoma-cancer-dataset",
)

"""`imagenet-sketch`: black and white drawings of the classes of ImageNet; tests classifiers of ImageNet10."""

from pathlib import Path

from tools.datasets.cards import read_card
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.known.imagenet import NAMES, SUPERCLASSES, TRAINED_ON, class_folders, shifted_test
from tools.datasets.location import data_folder, not_found
from tools.datasets.types import Dataset

_INNER = "sketch"

CARD = read_card(Path(__file__).with_suffix(".yaml"), classes=NAMES, superclasses=SUPERCLASSES)

_LAYOUTS = (
    (f"{_INNER}/WNID/*.JPEG                      WNID: n01592084 and the other nine; more are ignored",),
    ("WNID/*.JPEG",),
)


def open_imagenet_sketch(config: DataConfig) -> Dataset:
    """Open ImageNet-Sketch at `config.path`, or in data/imagenet-sketch; it has a test split only.

    Raises:
        DataError: it is not there, or a class has no folder or no images.
    """
    root = data_folder(CARD.name, config)
    for place in (root / _INNER, root):
        folders = class_folders(place)
        if folders.found:
            return shifted_test(CARD, folders, ())
    raise not_found(CARD.title, root, _LAYOUTS, CARD.download)


ENTRY = Entry(open_imagenet_sketch, CARD, shift_of=TRAINED_ON, fetch="kaggle:wanghaohan/imagenetsketch")

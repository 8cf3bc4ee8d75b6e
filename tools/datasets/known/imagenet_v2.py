"""`imagenet-v2`: new photographs, collected the way ImageNet's were; tests classifiers of ImageNet10.

The authors published three test sets of 10,000 images each, which differ in how many of the people asked had to see
the class in an image. Folders are named by the index of the class, 0 to 999. (Sorted by name, '10' comes before '2':
numbering the sorted folders gives wrong labels.) A repackaged form names them by wnid.
"""

from pathlib import Path

from tools.datasets.cards import read_card
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.known.imagenet import NAMES, SUPERCLASSES, TRAINED_ON, class_folders, shifted_test
from tools.datasets.location import data_folder, not_found
from tools.datasets.types import Dataset

_FOLDERS = {
    "matched-frequency": "imagenetv2-matched-frequency-format-val",
    "threshold-0.7": "imagenetv2-threshold0.7-format-val",
    "top-images": "imagenetv2-top-images-format-val",
}
"""Variant → the folder in its archive; the first is what papers call ImageNet-V2."""

CARD = read_card(Path(__file__).with_suffix(".yaml"), classes=NAMES, superclasses=SUPERCLASSES)

_LAYOUTS = (
    (
        f"{_FOLDERS['matched-frequency']}/{{0,1,…,999}}/*.jpeg",
        "                                        or another variant's folder; 19, 20, 33, 37, 57, 65, 72, 78, 81, 83",
        "                                        are used",
    ),
    ("{0,1,…,999}/*.jpeg, or WNID/*.jpeg      the folders of the classes themselves",),
)


def open_imagenet_v2(config: DataConfig) -> Dataset:
    """Open ImageNet-V2 at `config.path`, or in data/imagenet-v2; it has a test split only.

    Args:
        config: `variant` is 'matched-frequency', 'threshold-0.7' or 'top-images'; where it is unset, the first of
            these whose folder is there.

    Raises:
        DataError: it is not there, or a class has no folder or no images.
    """
    wanted = config.variant
    root = data_folder(CARD.name, config)
    there = {variant: place for variant in _FOLDERS if (place := _variant_folder(root, variant)) is not None}
    if there:
        used = wanted or next(iter(there))
        others = [variant for variant in there if variant != used]
        other_variants = f"; data.variant can select {' or '.join(others)}" if others else ""
        notes = [f"the variant {used} is used{other_variants}"]
        place = there.get(used)
    else:
        notes = []
        place = None if wanted else root
    folders = class_folders(place, indices=True) if place is not None else None
    if folders is None or not folders.found:
        title = f"The variant {wanted} of {CARD.title}" if wanted else CARD.title
        raise not_found(title, root, _LAYOUTS, _download_commands(wanted))
    return shifted_test(CARD, folders, notes)


def _variant_folder(root: Path, variant: str) -> Path | None:
    """The folder of the variant: in `root`, or `root` itself."""
    name = _FOLDERS[variant]
    if root.absolute().name == name:
        return root
    return root / name if (root / name).is_dir() else None


def _download_commands(variant: str | None) -> str:
    if variant is None:
        return CARD.download
    archive = _FOLDERS[variant].removesuffix("-format-val")
    return CARD.download.replace("imagenetv2-matched-frequency", archive)


ENTRY = Entry(open_imagenet_v2, CARD, counts=({"test": 100},), variants=tuple(_FOLDERS), shift_of=TRAINED_ON)

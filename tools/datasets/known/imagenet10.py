"""`imagenet10`: ten animal classes of ImageNet-1k, the subset of the AGA paper (Rahat et al., 2024).

The paper trains on ImageNet's train and reports accuracy on ImageNet's val, 50 images of each class, whose labels
are public; the official test images have none. So val is the test split here, opened once when everything is decided,
and validation is carved from train: no number is reported on images that were used for a choice.

Three layouts: train and val with class folders; the tree of Kaggle's and the official archive, where val is flat and
Kaggle's LOC_val_solution.csv labels it; and class folders alone, where test is carved too. All 1,000 classes may be
present: only ten folders are opened.
"""

import re
from pathlib import Path

from tools.datasets.assemble import Item, assemble
from tools.datasets.cards import read_card
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.folder.csv_table import read_table
from tools.datasets.folder.source import FolderSource
from tools.datasets.known.imagenet import NAMES, SUPERCLASSES, TEN, class_folders, class_images
from tools.datasets.location import check_files, data_folder, not_found
from tools.datasets.types import Dataset
from tools.errors import DataError

_TREE = "ILSVRC/Data/CLS-LOC"
_BASES = ("", _TREE, "Data/CLS-LOC", "CLS-LOC")
"""Where train and val may be, below the folder that is given."""
_LABELS = "LOC_val_solution.csv"
_WNID = re.compile(r"n[0-9]{8}")
_ARCHIVE = "data/imagenet10/imagenet-object-localization-challenge.zip"

CARD = read_card(Path(__file__).with_suffix(".yaml"), classes=NAMES, superclasses=SUPERCLASSES)

_LAYOUTS = (
    ("{train,val}/WNID/*.JPEG                      WNID: n01592084 and the other nine; more are ignored",),
    (
        f"{_LABELS}                         ImageId,PredictionString: the classes of val",
        f"{_TREE}/{{train/WNID,val}}/*.JPEG",
    ),
    ("WNID/*.JPEG                                  validation and test are carved",),
)


def open_imagenet10(config: DataConfig) -> Dataset:
    """Open the ten classes at `config.path`, or in data/imagenet10. Validation is carved from train; val is test.

    Raises:
        DataError: they are not there, a class has no folder or no images, or val is flat and its labels are missing,
            malformed, or name an image that is not there.
    """
    root = data_folder(CARD.name, config)
    for base in (root / each for each in _BASES):
        train = class_folders(base / "train")
        if train.found:
            items, notes = class_images(train, base, "train")
            held_out, more = _held_out(base, root)
            break
    else:
        base = root
        bare = class_folders(root)
        if not bare.found:
            raise not_found(CARD.title, root, _LAYOUTS, CARD.download)
        items, notes = class_images(bare, root, "train")
        held_out, more = [], []
    assembled = assemble([*items, *held_out], base, CARD.classes)
    return Dataset(
        CARD,
        assembled.records,
        FolderSource(base),
        notes=(*notes, *more),
        missing=assembled.missing,
    )


def _held_out(base: Path, root: Path) -> tuple[list[Item], list[str]]:
    """ImageNet's val as the test split; nothing where there is no val."""
    val = base / "val"
    if not val.is_dir():
        return [], ["there is no folder val: test is carved from train, and is not the one of the AGA paper"]
    folders = class_folders(val)
    flat = not folders.found and not folders.others
    items, notes = _labelled_by_table(val, base, root) if flat else class_images(folders, base, "test")
    return items, [
        f"test is ImageNet's val, {len(items)} images; the official test images have no labels",
        *notes,
    ]


def _labelled_by_table(val: Path, base: Path, root: Path) -> tuple[list[Item], list[str]]:
    """The images of a flat val that are of the ten classes by Kaggle's table."""
    places = list(dict.fromkeys((root, base, root.absolute().parent)))
    table = next((place / _LABELS for place in places if (place / _LABELS).is_file()), None)
    if table is None:
        raise DataError(
            f"{val} has no class folders, and {_LABELS}, which says the class of each of its images, is not in "
            f"{', '.join(map(str, places))}. Put it into {root} (it is part of {_ARCHIVE}), or sort the images "
            "into folders val/WNID."
        )
    names = {each.wnid: each.name for each in TEN}
    items: list[Item] = []
    others = 0
    for row in read_table(table, ("ImageId", "PredictionString")):
        image, prediction = row.values["ImageId"], row.values["PredictionString"]
        wnid = prediction.partition(" ")[0]  # boxes follow, each with the wnid again
        if not image or not _WNID.fullmatch(wnid):
            raise DataError(
                f"{row.at}: expected an image and a wnid (n and 8 digits), found {image!r} and {prediction!r}"
            )
        if wnid in names:
            items.append(Item(f"val/{image}.JPEG", names[wnid], "test"))
        else:
            others += 1
    unlabelled = [name for name in NAMES if all(item.label != name for item in items)]
    if unlabelled:
        raise DataError(
            f"{table} gives no image of val the class {', '.join(unlabelled)}: it is truncated, or not that of the "
            "competition imagenet-object-localization-challenge"
        )
    check_files(CARD.title, items, FolderSource(base))
    return items, [f"{others} images of other classes in {table.name} are not used"] if others else []


ENTRY = Entry(open_imagenet10, CARD)

"""`imagenet10`: ten animal classes of ImageNet-1k, the subset of the AGA paper (Rahat et al., 2024).

The paper trains on ImageNet's train and reports accuracy on ImageNet's val, 50 images of each class, whose labels
are public; the official test images have none. So val is the test split here, opened once when all is decided, and
validation is carved from train: no number is reported on images that a choice was made on.

Three layouts: train and val with class folders; the tree of Kaggle's and the official archive, where val is flat and
Kaggle's LOC_val_solution.csv labels it; and class folders alone, where test is carved too. All 1,000 classes may be
there: only ten folders are looked into.
"""

import csv
import re
from pathlib import Path

from tools.datasets.assemble import Item, assemble
from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.known.common import check_files, missing, place_of
from tools.datasets.known.imagenet import NAMES, SUPERCLASSES, TEN, TRAINED_ON, class_folders, class_images
from tools.datasets.types import Card, Dataset, Entry
from tools.errors import DataError

_TREE = "ILSVRC/Data/CLS-LOC"
_BASES = ("", _TREE, "Data/CLS-LOC", "CLS-LOC")
"""Where train and val are, below the place that is given."""
_LABELS = "LOC_val_solution.csv"
_WNID = re.compile(r"n[0-9]{8}")
_ARCHIVE = "data/imagenet10/imagenet-object-localization-challenge.zip"

CARD = Card(
    name=TRAINED_ON,
    title="ImageNet10, the subset of the AGA paper",
    modality="natural",
    description=(
        "Colour photographs of one animal class each, collected on the web, of any size and framing: from close-ups "
        "that fill the image to small animals in a landscape, sometimes several, sometimes held in a hand or partly "
        "hidden. Four classes are birds: chickadee (small, black cap and bib, white cheeks), water ouzel (a plump "
        "grey-brown dipper at running water), ptarmigan (a grouse, mottled brown in summer and white in winter) and "
        "prairie chicken (a brown grouse with dense bars; displaying males show orange air sacs). Two are turtles: "
        "loggerhead turtle (large head, smooth reddish-brown shell, flippers) and box turtle (high domed shell with "
        "yellow or orange marks, feet with claws). Two are snakes: garter snake (slender, pale stripes along the "
        "body) and sea snake (paddle-shaped tail, often dark and light rings). The others are the black and gold "
        "garden spider (black abdomen with yellow patches, often in its web) and the tick (a small flat oval body "
        "with eight legs, mostly photographed very close). The label is the animal, not the scene; but scenes go "
        "with classes (streams with ouzels, snow with ptarmigans, water and sand with sea snakes and loggerheads, "
        "skin and grass with ticks), so a classifier may learn the background instead, and new backgrounds can teach "
        "it not to. What must not change: the marks that tell apart classes of one kind, which are colour and fine "
        "pattern (stripes or rings, bars, yellow on black, cap and bib). Strong hue shifts, inversion, solarising, "
        "posterising, heavy blur and noise remove them; erasing and tight crops can remove a small animal "
        "altogether. Pose, distance, light, weather and season vary naturally; left and right are exchangeable. "
        "Snakes, spiders, ticks and turtles seen from above have any orientation, while birds are nearly always "
        "upright."
    ),
    classes=NAMES,
    metric="validation_accuracy",
    image_size=224,
    licence="ImageNet's terms of access: non-commercial research and education only; accept them before downloading",
    citation=(
        "O. Russakovsky et al.: ImageNet Large Scale Visual Recognition Challenge. IJCV 115, 2015. "
        "https://doi.org/10.1007/s11263-015-0816-y; the subset: F. Rahat et al.: Data Augmentation for Image "
        "Classification using Generative AI, 2024. https://doi.org/10.48550/arXiv.2409.00547"
    ),
    download="\n".join(
        [
            "after accepting the rules of the competition (about 160 GB; only the ten classes are unpacked):",
            "kaggle competitions download -c imagenet-object-localization-challenge -p data/imagenet10",
            f"unzip -q {_ARCHIVE} {_LABELS} '{_TREE}/val/*' -d data/imagenet10",
            f"for wnid in {' '.join(each.wnid for each in TEN)}; do",
            f'  unzip -q {_ARCHIVE} "{_TREE}/train/$wnid/*" -d data/imagenet10',
            "done",
        ]
    ),
    warnings=(
        "networks pretrained on ImageNet-1k were trained on these training images and their labels, and chosen on "
        "these test images: for a fair number train from scratch, as the AGA paper does",
        "test is ImageNet's val, on which the AGA paper also picks its best epoch; here validation is carved from "
        "train, so the classifier sees fewer training images and is not chosen on test",
        "the AGA paper counts 13,046 training images; ImageNet-1k has at most 1,300 of a class, so 13,000 of ten",
    ),
    superclasses=SUPERCLASSES,
)

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
    root = place_of(CARD.name, config)
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
            raise missing(CARD.title, root, _LAYOUTS, CARD.download)
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
    items, notes = _listed(val, base, root) if flat else class_images(folders, base, "test")
    return items, [
        f"test is ImageNet's val, {len(items)} images; the official test images have no labels",
        *notes,
    ]


def _listed(val: Path, base: Path, root: Path) -> tuple[list[Item], list[str]]:
    """The images of a flat val that Kaggle's table gives one of the ten classes."""
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
    with table.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened, restval="")
        if not {"ImageId", "PredictionString"} <= set(reader.fieldnames or ()):
            raise DataError(
                f"{table} needs the columns ImageId,PredictionString; it has "
                f"{', '.join(reader.fieldnames or ()) or 'none'}"
            )
        for row in reader:
            image = row["ImageId"].strip()
            wnid = row["PredictionString"].strip().partition(" ")[0]  # boxes follow, each with the wnid again
            if not image or not _WNID.fullmatch(wnid):
                raise DataError(
                    f"{table}, line {reader.line_num}: expected an image and a wnid (n and 8 digits), found "
                    f"{image!r} and {row['PredictionString']!r}"
                )
            if wnid in names:
                items.append(Item(f"val/{image}.JPEG", names[wnid], "test"))
            else:
                others += 1
    unlabelled = [name for name in NAMES if all(item.label != name for item in items)]
    if unlabelled:
        raise DataError(
            f"{table} gives no image of val the class {', '.join(unlabelled)}: it is cut off, or not the one of the "
            "competition imagenet-object-localization-challenge"
        )
    check_files(CARD.title, items, FolderSource(base))
    return items, [f"{others} images of other classes in {table.name} are not used"] if others else []


ENTRY = Entry(open_imagenet10, CARD)

"""`imagenet-v2`: photographs collected anew, in the way ImageNet's were; tests classifiers of ImageNet10.

The authors published three test sets of 10,000 images each, which differ in how many of the people asked had to see
the class in an image. Folders are named by the index of the class, 0 to 999: in the order of names '10' comes before
'2', and who numbers them so gets wrong labels. A repackaged form names them by wnid.
"""

from pathlib import Path

from tools.datasets.config import DataConfig
from tools.datasets.known.common import missing, place_of
from tools.datasets.known.imagenet import NAMES, SUPERCLASSES, TRAINED_ON, class_folders, shifted_test
from tools.datasets.types import Card, Dataset, Entry

_FOLDERS = {
    "matched-frequency": "imagenetv2-matched-frequency-format-val",
    "threshold-0.7": "imagenetv2-threshold0.7-format-val",
    "top-images": "imagenetv2-top-images-format-val",
}
"""Variant → the folder in its archive; the first is the one that papers mean by ImageNet-V2."""

CARD = Card(
    name="imagenet-v2",
    title="ImageNet-V2, the ten classes of ImageNet10",
    modality="natural",
    description=(
        "Colour photographs from Flickr of the ten animal classes of ImageNet10, ten of each, collected and labelled "
        "anew by the procedure of ImageNet. It has a test split only: how well classifiers that were trained on "
        "ImageNet10 do on new photographs of the same kind. What is shown and what decides the label is as in "
        "ImageNet10: the animal, by colour and fine pattern, in any scene. Nothing is trained or chosen on it. The "
        "three variants differ in agreement among the people who were asked whether an image shows its class: "
        "matched-frequency follows the agreement found in ImageNet's val class by class, threshold-0.7 has images "
        "that at least 70% agreed on, top-images those with the highest agreement; the last is the easiest."
    ),
    classes=NAMES,
    metric="validation_accuracy",
    image_size=224,
    licence=(
        "the images' own (Flickr); usable as ImageNet is, for non-commercial research and education. The code is MIT"
    ),
    citation=(
        "B. Recht, R. Roelofs, L. Schmidt, V. Shankar: Do ImageNet Classifiers Generalize to ImageNet? ICML 2019. "
        "https://doi.org/10.48550/arXiv.1902.10811"
    ),
    download=(
        "hf download vaishaal/ImageNetV2 imagenetv2-matched-frequency.tar.gz --repo-type dataset "
        "--local-dir data/imagenet-v2\n"
        "tar -xf data/imagenet-v2/imagenetv2-matched-frequency.tar.gz -C data/imagenet-v2"
    ),
    warnings=(
        "100 test images: one image is a percentage point, and the 95% interval of an accuracy is about 10 points "
        "wide to each side at 50%, 6 at 90%",
        "the AGA paper tests on 102 images of these classes; the published sets have 10 of each class",
    ),
    superclasses=SUPERCLASSES,
)

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
    root = place_of(CARD.name, config)
    there = {variant: place for variant in _FOLDERS if (place := _place(root, variant)) is not None}
    if there:
        used = wanted or next(iter(there))
        others = [variant for variant in there if variant != used]
        aside = f"; {' and '.join(others)} can be asked for by data.variant" if others else ""
        notes = [f"the variant {used} is used{aside}"]
        place = there.get(used)
    else:
        notes = []
        place = None if wanted else root
    folders = class_folders(place, indices=True) if place is not None else None
    if folders is None or not folders.found:
        title = f"The variant {wanted} of {CARD.title}" if wanted else CARD.title
        raise missing(title, root, _LAYOUTS, _download(wanted))
    return shifted_test(CARD, folders, notes)


def _place(root: Path, variant: str) -> Path | None:
    """The folder of the variant: in `root`, or `root` itself."""
    name = _FOLDERS[variant]
    if root.absolute().name == name:
        return root
    return root / name if (root / name).is_dir() else None


def _download(variant: str | None) -> str:
    if variant is None:
        return CARD.download
    archive = _FOLDERS[variant].removesuffix("-format-val")
    return CARD.download.replace("imagenetv2-matched-frequency", archive)


ENTRY = Entry(open_imagenet_v2, CARD, counts=({"test": 100},), variants=tuple(_FOLDERS), shift_of=TRAINED_ON)

"""`imagenet-sketch`: black and white drawings of the classes of ImageNet; tests classifiers of ImageNet10."""

from tools.datasets.config import DataConfig
from tools.datasets.known.common import missing, place_of
from tools.datasets.known.imagenet import NAMES, SUPERCLASSES, TRAINED_ON, class_folders, shifted_test
from tools.datasets.types import Card, Dataset, Entry

_INNER = "sketch"

CARD = Card(
    name="imagenet-sketch",
    title="ImageNet-Sketch, the ten classes of ImageNet10",
    modality="natural",
    description=(
        "Black and white drawings, engravings and prints of the ten animal classes of ImageNet10, about 50 of each, "
        "found by an image search for sketches of the class and cleaned by hand; mostly one animal on white paper, "
        "some with shading, text or a watermark. It has a test split only: how much classifiers that were trained on "
        "the photographs of ImageNet10 rely on colour, texture and background, which are missing here, and how much "
        "on shape, which alone decides the label. Nothing is trained or chosen on it. Where too few drawings were "
        "found, flipped and rotated copies fill the class up."
    ),
    classes=NAMES,
    metric="validation_accuracy",
    image_size=224,
    licence="none is stated for the drawings, which were found by image search; the repository of the authors is MIT",
    citation=(
        "H. Wang, S. Ge, Z. Lipton, E. P. Xing: Learning Robust Global Representations by Penalizing Local "
        "Predictive Power. NeurIPS 2019. https://doi.org/10.48550/arXiv.1905.13549"
    ),
    download="kaggle datasets download -d wanghaohan/imagenetsketch -p data/imagenet-sketch --unzip",
    warnings=(
        "some images are flipped or rotated copies of others of their class, so its images are not independent and "
        "an interval of its accuracy is somewhat too narrow",
        "the AGA paper tests on 511 images of these classes; how many a download has is not published by class",
    ),
    superclasses=SUPERCLASSES,
)

_LAYOUTS = (
    (f"{_INNER}/WNID/*.JPEG                      WNID: n01592084 and the other nine; more are ignored",),
    ("WNID/*.JPEG",),
)


def open_imagenet_sketch(config: DataConfig) -> Dataset:
    """Open ImageNet-Sketch at `config.path`, or in data/imagenet-sketch; it has a test split only.

    Raises:
        DataError: it is not there, or a class has no folder or no images.
        ConfigurationError: a variant is asked for.
    """
    root = place_of(CARD.name, config)
    for place in (root / _INNER, root):
        folders = class_folders(place)
        if folders.found:
            return shifted_test(CARD, folders, ())
    raise missing(CARD.title, root, _LAYOUTS, CARD.download)


ENTRY = Entry(open_imagenet_sketch, CARD, shift_of=TRAINED_ON, fetch="kaggle:wanghaohan/imagenetsketch")

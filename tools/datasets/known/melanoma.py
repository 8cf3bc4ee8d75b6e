"""`melanoma`: dermoscopic photographs, benign or malignant, in the layouts of two Kaggle data sets."""

from dataclasses import replace
from pathlib import Path

from tools.datasets.assemble import assemble
from tools.datasets.config import DataConfig
from tools.datasets.folder.folder import class_items
from tools.datasets.folder.source import FolderSource
from tools.datasets.folder.walk import split_folders
from tools.datasets.known.common import missing, place_of
from tools.datasets.types import Card, Dataset, Entry, Split
from tools.errors import DataError

_INNER = "melanoma_cancer_dataset"

CARD = Card(
    name="melanoma",
    title="Melanoma skin cancer",
    modality="dermoscopy",
    description=(
        "Dermoscopic close-ups of a single skin lesion, roughly centred, on skin of varying tone, with hairs, gel "
        "bubbles, rulers and dark corners of the lens as clutter. The label is whether the lesion is benign (mostly "
        "moles) or malignant (melanoma). Dermatologists judge asymmetry, an irregular border, several colours (brown, "
        "black, red, white, blue-grey) and structures such as an atypical pigment network or a blue-white veil. So "
        "colour and the lesion's outline carry the label: hue shifts, greyscale, inversion, solarising, posterising "
        "and strong saturation changes can turn one class into the other's look; strong elastic warps, shears and "
        "squeezing make a regular border irregular; erasing or tight crops can remove the border. Lesions have no "
        "preferred orientation: flips and any rotation keep the label. Mild brightness, contrast, white-balance-like "
        "colour, scale and blur changes imitate differences between dermatoscopes."
    ),
    classes=("benign", "malignant"),
    metric="validation_accuracy",
    image_size=224,
    licence="as stated on the Kaggle page of the copy that is used",
    citation=(
        "https://www.kaggle.com/datasets/bhaveshmittal/melanoma-cancer-dataset; "
        "https://www.kaggle.com/datasets/hasnainjaved/melanoma-skin-cancer-dataset-of-10000-images"
    ),
    download=(
        "kaggle datasets download -d bhaveshmittal/melanoma-cancer-dataset -p data/melanoma --unzip\n"
        "or\n"
        "kaggle datasets download -d hasnainjaved/melanoma-skin-cancer-dataset-of-10000-images "
        "-p data/melanoma --unzip"
    ),
    warnings=(
        "no patient or lesion ids are published: photographs of one lesion may be in different splits",
    ),
)

_LAYOUTS = (
    ("{train,test}/{Benign,Malignant}/*.jpg",),
    (f"{_INNER}/{{train,test}}/{{benign,malignant}}/*.jpg",),
)


def open_melanoma(config: DataConfig) -> Dataset:
    """Open the melanoma images at `config.path`, or in data/melanoma. Validation is carved from train.

    Images that are in both published splits stay in test only.

    Raises:
        DataError: they are not there, or a class folder is neither benign nor malignant.
    """
    root = place_of(CARD.name, config)
    inner = root / _INNER if (root / _INNER).is_dir() else root
    by_split = split_folders(inner) if inner.is_dir() else {}
    if not {"train", "test"} <= by_split.keys():
        raise missing(CARD.title, root, _LAYOUTS, CARD.download)
    places: list[tuple[Split, Path]] = [
        (split, folder) for split, folders in by_split.items() for folder in folders
    ]
    items, stray, ignored = class_items(places, inner)
    items = [replace(item, label=item.label.strip().lower()) for item in items]
    unknown = sorted({item.label for item in items} - set(CARD.classes))
    if unknown:
        raise DataError(
            f"{inner} has class folders that are neither benign nor malignant: {', '.join(unknown)}. For images of "
            "your own, use --dataset folder."
        )
    notes = [f"{stray + ignored} files are no images of a class and are not used"] if stray + ignored else []
    source = FolderSource(inner)
    assembled = assemble(items, inner, CARD.classes)
    return Dataset(
        CARD, assembled.records, source, notes=tuple(notes), missing=assembled.missing, known_leaks=True
    )


ENTRY = Entry(
    open_melanoma,
    CARD,
    counts=({"train": 11879, "test": 2000}, {"train": 9605, "test": 1000}),
    fetch="kaggle:bhaveshmittal/melanoma-cancer-dataset",
)

"""`alzheimer-parkinson`: slices of brain MRI, Alzheimer's disease, Parkinson's disease or neither.

The Kaggle data set farjanakabirsamanta/alzheimer-diseases-3-class. What its outer folder is called is not documented,
so the folder that holds the splits is looked for.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tools.datasets.assemble import assemble
from tools.datasets.config import DataConfig
from tools.datasets.folder.folder import class_items
from tools.datasets.folder.source import FolderSource
from tools.datasets.folder.walk import folders_within, split_folders, subfolders, tree
from tools.datasets.known.common import missing, place_of
from tools.datasets.types import Card, Dataset, Entry, Split
from tools.errors import DataError

_CLASSES = {"ad": "Alzheimer's disease", "control": "control", "pd": "Parkinson's disease"}
"""What a class folder is called, in any case → its class."""
_LEVELS = 3
"""So many folders may lie around the one that holds the splits."""

CARD = Card(
    name="alzheimer-parkinson",
    title="Alzheimer's and Parkinson's disease in brain MRI, 3 classes",
    modality="mri",
    description=(
        "Single slices of magnetic resonance scans of the head, saved as RGB pictures of one size that look grey: the "
        "brain in the middle of a black background, with or without the bright ring of skull and scalp. The label is "
        "the diagnosis of the person: Alzheimer's disease, Parkinson's disease, or control (neither). Alzheimer's "
        "disease shows as loss of tissue: wide ventricles, deep and broad sulci, a thin cortex, a small hippocampus "
        "and medial temporal lobe. Parkinson's disease changes such scans little and locally (midbrain, substantia "
        "nigra), so the difference to control is fine texture and contrast. What decides is therefore the size and "
        "shape of the fluid-filled spaces beside that of the tissue, and the order of the grey levels of fluid, grey "
        "and white matter: elastic warps, shears, uneven scaling and large erasing imitate or hide atrophy; inversion, "
        "solarising, posterising and equalising swap or merge tissues; strong blur, noise and downscaling remove the "
        "fine differences. Colour carries nothing: hue, saturation and colour jitter are no variation of a grey scan. "
        "The brain is nearly symmetric, so left and right may be swapped; upside down it is never seen. Natural "
        "variation: a head tilted by a few degrees or shifted, a slightly larger or smaller field of view, mild "
        "brightness, contrast and gamma, a smooth bias field, mild noise and blur of the scanner."
    ),
    classes=tuple(_CLASSES.values()),
    metric="validation_macro_f1",
    image_size=224,
    licence="as stated on the Kaggle page",
    citation=(
        "F. Kabir Samanta: Alzheimer Diseases 3 Class. Kaggle. "
        "https://www.kaggle.com/datasets/farjanakabirsamanta/alzheimer-diseases-3-class"
    ),
    download=(
        "kaggle datasets download -d farjanakabirsamanta/alzheimer-diseases-3-class -p data/alzheimer-parkinson --unzip"
    ),
    warnings=(
        "leakage: no patient ids are published, and one brain gives many slices that are nearly alike, so slices of "
        "one brain may be in train and in validation or test: read every score as too good for new patients",
        "where the scans come from is not published: classes may differ by scanner and preparation, too, and a "
        "classifier may score by that",
    ),
    superclasses=("brain",) * len(_CLASSES),
)

_LAYOUTS = (("[ANY FOLDER/]{train,test}/{AD,CONTROL,PD}/*.jpg",),)


def open_alzheimer_parkinson(config: DataConfig) -> Dataset:
    """Open the slices at `config.path`, or in data/alzheimer-parkinson. Validation is carved from train.

    Images that are in both published splits stay in test only.

    Raises:
        DataError: they are not there, they are there more than once, or a class folder is none of the three.
    """
    root = place_of(CARD.name, config)
    found = list(_found(root))
    if not found:
        raise missing(CARD.title, root, _LAYOUTS, CARD.download)
    if len(found) > 1:
        raise DataError(
            f"{CARD.title} was found {len(found)} times in {root.absolute()}:\n"
            f"{tree([str(folder) for folder, _ in found])}\n"
            f"Say which is meant: --data {found[0][0]}"
        )
    inner, places = found[0]
    items, stray, ignored = class_items(places, inner)
    unknown = sorted({item.label for item in items if _key(item.label) not in _CLASSES})
    if unknown:
        raise DataError(
            f"{inner} has class folders that are none of AD, CONTROL and PD: {', '.join(unknown)}. For images of your "
            "own, use --dataset folder."
        )
    items = [replace(item, label=_CLASSES[_key(item.label)]) for item in items]
    notes = [f"{stray + ignored} files are no images of a class and are not used"] if stray + ignored else []
    source = FolderSource(inner)
    assembled = assemble(items, inner, CARD.classes)
    return Dataset(
        CARD, assembled.records, source, notes=tuple(notes), missing=assembled.missing, known_leaks=True
    )


def _found(root: Path) -> Iterator[tuple[Path, list[tuple[Split, Path]]]]:
    """Folders that hold train and test with class folders, and their splits."""
    for folder in folders_within(root, _LEVELS):
        by_split = split_folders(folder)
        places: list[tuple[Split, Path]] = [
            (split, each) for split, folders in by_split.items() for each in folders
        ]
        if {"train", "test"} <= by_split.keys() and all(_has_classes(each) for _, each in places):
            yield folder, places


def _has_classes(folder: Path) -> bool:
    return any(_key(each.name) in _CLASSES for each in subfolders(folder))


def _key(name: str) -> str:
    return name.strip().casefold()


ENTRY = Entry(
    open_alzheimer_parkinson,
    CARD,
    fetch="kaggle:farjanakabirsamanta/alzheimer-diseases-3-class",
)

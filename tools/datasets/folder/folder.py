"""`folder`: any images of the user's own, as folders of classes, splits or patients, or listed in a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tools.datasets.assemble import Item, assemble
from tools.datasets.config import DataConfig
from tools.datasets.folder.card_file import make_card, read_card_file
from tools.datasets.folder.companions import CompanionRule
from tools.datasets.folder.read_folder import read_folder
from tools.datasets.folder.same_file import check_files
from tools.datasets.folder.source import FolderSource
from tools.datasets.folder.tables.label_names import settle_labels
from tools.datasets.folder.walk import (
    IMAGE_SUFFIXES,
    ImageFiles,
    find_images,
    subfolders,
    tree,
    visible_files,
)
from tools.datasets.types import Card, Dataset, Record, Split
from tools.errors import ConfigurationError, DataError
from tools.text import counted

_LAYOUTS = tree(
    [
        "CLASS/*.jpg                           class folders; validation and test are carved",
        "{train,val,test}/CLASS/*.jpg          split folders; val and test are carved from train where missing",
        "manifest.csv                          columns file,label and optionally split,group",
        "TABLE.csv and images anywhere         --data.labels TABLE.csv:ID_COLUMN:LABEL_COLUMN[:GROUP_COLUMN]",
        "anything else                         --data.layout, such as group/class: see docs/data.md",
    ]
)

FoldersBySplit = Mapping[Split, Sequence[Path]]
"""The folders that hold the class folders of each split."""

SearchRecords = Callable[[Dataset], Sequence[Record]]
"""The records of a data set that are not for the test."""


def given_search_records(dataset: Dataset) -> Sequence[Record]:
    """Those that are not in a given test split."""
    return [record for record in dataset.records if record.split != "test"]


def open_folder(config: DataConfig, search_records: SearchRecords = given_search_records) -> Dataset:
    """Open the images at `config.path`.

    `config.labels` or `config.layout` says how they are read. Else by `manifest.csv`, if there is one; else by split
    folders or class folders, if nothing speaks against it. A dataset.yaml describes the data set (see `card_file.py`).

    Args:
        config: everything that decides what is read.
        search_records: which images may be looked at for the card (its default size): never those of the test.

    Raises:
        ConfigurationError: no path is given, or a setting does not fit.
        DataError: the path is missing, holds no images or one class only, it is not clear what the classes are, a class
            is missing in a split, or a row of a table is wrong.
    """
    root = config.path
    if root is None:
        raise ConfigurationError("the data set 'folder' needs the path of your images: --data PATH")
    if not root.is_dir():
        raise DataError(
            f"{root} is {'a file' if root.exists() else 'missing'}; expected a folder with one of these layouts:\n"
            f"{_LAYOUTS}"
        )
    source = FolderSource(root)
    read = read_folder(root, config)
    if not read.items:
        raise DataError(f"there are no images in {root}; expected one of these layouts:\n{_LAYOUTS}")
    declared = read_card_file(root, read.base)
    if config.modality is not None:
        declared = declared.model_copy(update={"modality": config.modality})
    links = check_files(read.items, source, read.where)
    if read.labels is None and config.several_labels == "on":
        raise ConfigurationError(
            "data.several_labels on: it needs a table with a column of 0 and 1 for each label: "
            "--data.labels FILE:ID:LABEL,LABEL,…"
        )
    items, notes = read.items, []
    if read.labels is None:
        items, notes = settle_labels(read.items, read.where, declared.classes, config)
    if not items:
        raise DataError(f"no image in {root} has a label that is used: {'; '.join(notes)}")
    assembled = assemble(items, root, declared.classes or read.labels)
    made = Dataset(
        make_card(declared, assembled, source, ()),
        assembled.records,
        source,
        notes=(*read.notes, *links, *notes),
        warnings=tuple(read.warnings),
        missing=assembled.missing,
    )
    return replace(made, card=make_card(declared, assembled, source, search_records(made)))


def class_items(
    by_split: FoldersBySplit, root: Path, companions: CompanionRule = "auto"
) -> tuple[list[Item], int, dict[str, ImageFiles]]:
    """Images below class folders.

    Args:
        by_split: folders that hold class folders.
        root: what file names are relative to.
        companions: what is done with masks, annotated copies and thumbnails beside their images.

    Returns:
        The items; the number of images outside the class folders; and what is in each class folder, by its path below
        `root`. Files directly in `root` are not counted (a readme, a dataset.yaml).
    """
    items: list[Item] = []
    outside = 0
    found: dict[str, ImageFiles] = {}
    for split, places in by_split.items():
        for place in places:
            for folder in subfolders(place):
                files = find_images(folder, root, companions)
                found[folder.relative_to(root).as_posix()] = files
                items += [Item(file, folder.name, split) for file in files.images]
            outside += sum(file.suffix.lower() in IMAGE_SUFFIXES for file in visible_files(place))
    return items, outside, found


def open_split_folders(
    card: Card, root: Path, by_split: FoldersBySplit, class_of: Mapping[str, str]
) -> Dataset:
    """Open a published data set that has a folder for each split and in it one for each class.

    Args:
        card: its card.
        root: what file names are relative to.
        by_split: its split folders.
        class_of: name of a class folder in lower case → its class.

    Raises:
        DataError: a class folder has another name, or a class is missing in a split.
    """
    items, outside, found = class_items(by_split, root)
    unknown = sorted({item.label for item in items if item.label.strip().casefold() not in class_of})
    if unknown:
        raise DataError(
            f"{root} has class folders with unknown names: {', '.join(unknown)}; expected {', '.join(class_of)}. For "
            "images of your own, use --dataset folder."
        )
    items = [replace(item, label=class_of[item.label.strip().casefold()]) for item in items]
    unused = outside + sum(files.ignored for files in found.values())
    assembled = assemble(items, root, card.classes)
    return Dataset(
        card,
        assembled.records,
        FolderSource(root),
        notes=(f"{counted(unused, 'file is', 'files are')} no image of a class and not used",)
        if unused
        else (),
        missing=assembled.missing,
        known_leaks=True,
    )

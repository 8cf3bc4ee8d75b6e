"""`folder`: any images of the user's own, as class folders, with or without splits, or listed in a manifest.csv."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tools.datasets.assemble import Item, assemble
from tools.datasets.config import DataConfig
from tools.datasets.folder.card_file import make_card, read_card_file
from tools.datasets.folder.companions import CompanionRule
from tools.datasets.folder.left_out import passed_over_line, tell_left_out
from tools.datasets.folder.manifest import NAME as MANIFEST
from tools.datasets.folder.manifest import read_manifest
from tools.datasets.folder.source import FolderSource
from tools.datasets.folder.walk import (
    IMAGE_SUFFIXES,
    ImageFiles,
    find_images,
    passed_over_at,
    split_folders,
    subfolders,
    tree,
    visible_files,
)
from tools.datasets.types import Card, Dataset, Split
from tools.errors import ConfigurationError, DataError

_LAYOUTS = tree(
    [
        "CLASS/*.jpg                           class folders; validation and test are carved",
        "{train,val,test}/CLASS/*.jpg          split folders; val and test are carved from train where missing",
        "manifest.csv                          columns file,label and optionally split,group",
    ]
)

FoldersBySplit = Mapping[Split, Sequence[Path]]
"""The folders that hold the class folders of each split."""


def open_folder(config: DataConfig) -> Dataset:
    """Open the images at `config.path`.

    Layouts: `manifest.csv`, if there is one; else split folders (train, val or validation, test) of class folders;
    else class folders. Class folders may be nested. A dataset.yaml describes the data set (see `card_file.py`).

    Raises:
        ConfigurationError: no path is given.
        DataError: the path is missing, holds no images or one class only, a class is missing in a split, or a row of
            the manifest is wrong.
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
    listed = (root / MANIFEST).is_file()
    items, notes, warnings = _listed_items(root, config) if listed else _items_by_folder(root, config)
    if not items:
        raise DataError(f"there are no images in {root}; expected one of these layouts:\n{_LAYOUTS}")
    declared = read_card_file(root)
    assembled = assemble(items, root, declared.classes)
    card = make_card(declared, assembled, source)
    return Dataset(
        card,
        assembled.records,
        source,
        notes=tuple(notes),
        warnings=tuple(warnings),
        missing=assembled.missing,
    )


def _listed_items(root: Path, config: DataConfig) -> tuple[list[Item], list[str], list[str]]:
    items = read_manifest(root / MANIFEST, root)
    unlisted = len(set(find_images(root, root, config.companions).images) - {item.file for item in items})
    notes = [f"{unlisted} images are not listed in {MANIFEST} and are not used"] if unlisted else []
    return items, notes, []


def _items_by_folder(root: Path, config: DataConfig) -> tuple[list[Item], list[str], list[str]]:
    by_split: FoldersBySplit = split_folders(root)
    notes: list[str] = []
    if "train" in by_split:
        used = {folder for folders in by_split.values() for folder in folders}
        unused = [folder.name for folder in subfolders(root) if folder not in used]
        if unused:
            notes.append(f"folders beside the splits are not used: {', '.join(unused)}")
    elif by_split:
        raise DataError(
            f"{root} has the folder {next(iter(by_split.values()))[0].name} but no train; expected one of these "
            f"layouts:\n{_LAYOUTS}"
        )
    else:
        by_split = {"train": [root]}
    items, outside, found = class_items(by_split, root, config.companions)
    if outside:
        notes.append(f"{outside} images outside the class folders are not used")
    if passed_over := passed_over_at(root):
        notes.append(passed_over_line(passed_over))
    said, warnings = tell_left_out(found, root, config.companions)
    return items, notes + said, warnings


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
        notes=(f"{unused} files are not images of a class and are not used",) if unused else (),
        missing=assembled.missing,
        known_leaks=True,
    )

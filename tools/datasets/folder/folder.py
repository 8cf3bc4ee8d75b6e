"""`folder`: any images of the user's own, as class folders, with or without splits, or listed in a manifest.csv."""

from pathlib import Path

from tools.datasets.assemble import Assembled, Item, assemble
from tools.datasets.config import DataConfig
from tools.datasets.folder.card_file import make_card, read_card_file
from tools.datasets.folder.manifest import NAME as MANIFEST
from tools.datasets.folder.manifest import read_manifest
from tools.datasets.folder.source import FolderSource
from tools.datasets.folder.walk import (
    IMAGE_SUFFIXES,
    find_images,
    split_folders,
    subfolders,
    tree,
    visible_files,
)
from tools.datasets.types import Dataset, Split
from tools.errors import ConfigurationError, DataError

_LAYOUTS = tree(
    [
        "CLASS/*.jpg                           class folders; validation and test are carved",
        "{train,val,test}/CLASS/*.jpg          split folders; val and test are carved from train where missing",
        "manifest.csv                          columns file,label and optionally split,group",
    ]
)


def open_folder(config: DataConfig) -> Dataset:
    """Open the images at `config.path`.

    Layouts: `manifest.csv`, where there is one; else split folders (train, val or validation, test) of class
    folders; else class folders. Class folders may be nested. A dataset.yaml describes it (see `card_file.py`).

    Raises:
        ConfigurationError: no path is given.
        DataError: the path is missing, holds no images, one class only, a class is missing in a split, or a row of
            the manifest is wrong.
    """
    root = config.path
    if root is None:
        raise ConfigurationError("the data set 'folder' needs the path of your images: --data PATH")
    if not root.is_dir():
        raise DataError(
            f"{root} is {'a file' if root.exists() else 'missing'}; expected a folder with one of\n{_LAYOUTS}"
        )
    source = FolderSource(root)
    items, notes = _listed(root) if (root / MANIFEST).is_file() else _walked(root)
    if not items:
        raise DataError(f"no images in {root}; expected one of\n{_LAYOUTS}")
    declared = read_card_file(root)
    assembled: Assembled = assemble(items, root, declared.classes)
    card = make_card(declared, assembled, source)
    return Dataset(card, assembled.records, source, notes=tuple(notes), missing=assembled.missing)


def _listed(root: Path) -> tuple[list[Item], list[str]]:
    items = read_manifest(root / MANIFEST, root)
    unlisted = len(set(find_images(root, root).images) - {item.file for item in items})
    return items, [f"{unlisted} images that {MANIFEST} does not list are not used"] if unlisted else []


def _walked(root: Path) -> tuple[list[Item], list[str]]:
    by_split = split_folders(root)
    notes: list[str] = []
    if "train" in by_split:
        used = {folder for folders in by_split.values() for folder in folders}
        aside = [folder.name for folder in subfolders(root) if folder not in used]
        if aside:
            notes.append(f"folders beside the splits are not used: {', '.join(aside)}")
        places: list[tuple[Split, Path]] = [
            (split, folder) for split, folders in by_split.items() for folder in folders
        ]
    elif by_split:
        raise DataError(
            f"{root} has the folder {next(iter(by_split.values()))[0].name} but no train; expected one of\n{_LAYOUTS}"
        )
    else:
        places = [("train", root)]
    items, stray, ignored = class_items(places, root)
    if stray:
        notes.append(f"{stray} images outside of any class folder are not used")
    if ignored:
        notes.append(f"{ignored} files that are no images are not used")
    return items, notes


def class_items(places: list[tuple[Split, Path]], root: Path) -> tuple[list[Item], int, int]:
    """Images below class folders.

    Args:
        places: folders that hold class folders, with their split.
        root: what file names are relative to.

    Returns:
        The items; the number of images outside of class folders; the number of files that are no images. Files
        directly in `root` are not counted as such (a readme, a dataset.yaml).
    """
    items: list[Item] = []
    stray = ignored = 0
    for split, place in places:
        for folder in subfolders(place):
            found = find_images(folder, root)
            ignored += found.ignored
            items += [Item(file, folder.name, split) for file in found.images]
        stray += sum(file.suffix.lower() in IMAGE_SUFFIXES for file in visible_files(place))
    return items, stray, ignored

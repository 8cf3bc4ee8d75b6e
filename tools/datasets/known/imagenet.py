"""What ImageNet10 and its two out-of-distribution tests share: the ten classes and their folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.datasets.assemble import Item, assemble
from tools.datasets.folder.source import FolderSource
from tools.datasets.folder.walk import find_images, subfolders
from tools.datasets.types import Card, Dataset, Split
from tools.errors import DataError
from tools.text import counted

TRAINED_ON = "imagenet10"
"""Name of the data set whose classifiers ImageNet-V2 and ImageNet-Sketch test."""


@dataclass(frozen=True, slots=True)
class ImageNetClass:
    """A class of ImageNet-1k."""

    wnid: str
    """Its id in WordNet, by which folders are named."""
    index: int
    """Its position among the 1,000 sorted wnids, from 0: the folders of ImageNet-V2 are named by it."""
    name: str
    superclass: str
    """What a detector looks for."""


TEN = (
    ImageNetClass("n01592084", 19, "chickadee", "bird"),
    ImageNetClass("n01601694", 20, "water ouzel", "bird"),
    ImageNetClass("n01664065", 33, "loggerhead turtle", "turtle"),
    ImageNetClass("n01669191", 37, "box turtle", "turtle"),
    ImageNetClass("n01735189", 57, "garter snake", "snake"),
    ImageNetClass("n01751748", 65, "sea snake", "snake"),
    ImageNetClass("n01773157", 72, "black and gold garden spider", "spider"),
    ImageNetClass("n01776313", 78, "tick", "tick"),
    ImageNetClass("n01796340", 81, "ptarmigan", "bird"),
    ImageNetClass("n01798484", 83, "prairie chicken", "bird"),
)
"""The classes of ImageNet10, by wnid."""

NAMES = tuple(each.name for each in TEN)
SUPERCLASSES = tuple(each.superclass for each in TEN)


@dataclass(frozen=True)
class ClassFolders:
    """The folders of the ten classes in one place."""

    place: Path
    found: Mapping[str, Path]
    """Name of a class → its folder."""
    others: int
    """Folders of none of the ten classes; they are not opened."""


def class_folders(place: Path, *, indices: bool = False) -> ClassFolders:
    """The folders of the ten classes directly in `place`, which may be missing.

    Args:
        place: holds folders that are named by wnids.
        indices: they may also be named by the index of the class ('19', which is not the 19th by name).
    """
    by_key = {each.wnid: each for each in TEN}
    if indices:
        by_key |= {str(each.index): each for each in TEN}
    found: dict[str, Path] = {}
    others = 0
    for folder in subfolders(place) if place.is_dir() else []:
        if folder.name in by_key:
            found[by_key[folder.name].name] = folder
        else:
            others += 1
    return ClassFolders(place, found, others)


def class_images(folders: ClassFolders, root: Path, split: Split) -> tuple[list[Item], list[str]]:
    """The images of the ten classes, named relative to `root`, and notes on what is not used.

    Raises:
        DataError: a class has no folder, or no image in it.
    """
    lacking = [
        f"{each.wnid} ({each.name}, class {each.index})" for each in TEN if each.name not in folders.found
    ]
    if lacking:
        raise DataError(
            f"{folders.place} has no folder for {len(lacking)} of the ten classes of ImageNet10: "
            f"{', '.join(lacking)}. Was the archive unpacked completely?"
        )
    items: list[Item] = []
    ignored = 0
    for name in NAMES:
        images = find_images(folders.found[name], root)
        if not images.images:
            raise DataError(f"{folders.found[name]} holds no images of class {name!r}: unpack it again")
        items += [Item(file, name, split) for file in images.images]
        ignored += images.ignored
    where = folders.place.relative_to(root).as_posix()
    prefix = "" if where == "." else f"{where}: "
    notes = []
    if folders.others:
        notes.append(f"{prefix}{folders.others} folders of other classes are not used")
    if ignored:
        what = counted(ignored, "file is not an image and is", "files are not images and are")
        notes.append(f"{prefix}{what} not used")
    return items, notes


def shifted_test(card: Card, folders: ClassFolders, notes: Sequence[str]) -> Dataset:
    """A data set that is only used to test classifiers of ImageNet10.

    Raises:
        DataError: as `class_images`.
    """
    place = folders.place
    items, unused = class_images(folders, place, "test")
    assembled = assemble(items, place, card.classes, test_only=True)
    return Dataset(card, assembled.records, FolderSource(place), notes=(*notes, *unused), shift_of=TRAINED_ON)

"""What the levels of folders mean: a layout such as `split/class` or `group/class`, and the images read by it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tools.datasets.folder.finder import Folder, ImageFinder, folder_tree, unwrapped
from tools.datasets.folder.split_names import split_names
from tools.datasets.folder.walk import ImageFiles
from tools.datasets.types import SPLITS, Split

Levels = tuple[str, ...]
"""The words of a layout (`DataConfig.layout`), outermost folder first."""

_NUMBERED = re.compile(r"^(.*?[^\W\d_].*?)[\s._\-(\[#]*\d[\d\s._\-()\[\]]*$")
"""A name that ends in a number (cat.0, cat_001, cat (12)), and what is before it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An image, and what the folders around it say."""

    file: str
    label: str | None = None
    """None: the layout has no level for the class, or the file's name has none."""
    split: Split | None = None
    group: str | None = None
    labels: frozenset[str] | None = None
    """As `assemble.Item.labels`."""


@dataclass
class Arrangement:
    """The images of a folder, read by a layout."""

    images: list[Placed] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    """Images that lie above the last level."""
    by_class: bool = False
    """Whether the folders of the last level are the classes."""
    found: dict[str, ImageFiles] = field(default_factory=dict)
    """What lies in each folder of the last level (a class, say), by its path, with what is not used of it."""
    unused: dict[str, int] = field(default_factory=dict)
    """Folders that hold images, but are no split or have no class folders → their images."""
    unused_names: dict[str, frozenset[str]] = field(default_factory=dict)
    """Unused folder → names of the folders in it."""
    splits: dict[str, Split] = field(default_factory=dict)
    """Name of each split folder → its split."""

    @property
    def class_counts(self) -> Counter[str]:
        """Images of each class."""
        return Counter(image.label for image in self.images if image.label is not None)

    @property
    def split_counts(self) -> dict[str, int]:
        """Images of each split, in their usual order; empty if the layout has none."""
        counts = Counter(image.split for image in self.images)
        return {split: counts[split] for split in SPLITS if counts[split]}

    @property
    def groups(self) -> int:
        """Groups that are named."""
        return len({image.group for image in self.images if image.group is not None})


def arrange(finder: ImageFinder, tree: Folder, levels: Levels) -> Arrangement:
    """Read the folders of `tree` by a layout.

    A folder that only wraps another of the same or a meaningless name is passed through. Everything below the last
    level belongs to it.
    """
    found = Arrangement(by_class=levels[-1] == "class")
    _descend(finder, tree, levels, Placed(""), found)
    return found


def label_in_name(file: str) -> str | None:
    """The class in the name of a file that ends in a number: 'cat' of cat.0.jpg, cat_001.jpg and 'cat (1).jpg'."""
    stem = file.rpartition("/")[2].rpartition(".")[0]
    match = _NUMBERED.match(stem)
    return match[1].rstrip(" ._-([#") if match else None


def _descend(finder: ImageFinder, place: Folder, levels: Levels, known: Placed, found: Arrangement) -> None:
    level, *rest = levels
    if level == "filename":
        parts = {place.path: finder.images_in(place.path)}
        parts |= {folder: finder.images(folder) for folder in finder.folders(place.path)}
        for folder, images in parts.items():
            found.found[folder.relative_to(finder.root).as_posix()] = images
            found.images += [replace(known, file=file, label=label_in_name(file)) for file in images.images]
        return
    here = finder.images_in(place.path)
    direct = here.images
    if here.companions or here.doubtful or here.alone or here.special:
        found.found[place.path.relative_to(finder.root).as_posix()] = here
    if rest or level not in ("group", "any"):
        found.outside += direct
    else:
        found.images += [replace(known, file=file) for file in direct]
    splits = split_names(list(place.below)) if level == "split" else {}
    for name, folder in _folders(finder, place):
        if level == "split" and (name not in splits or _has_no_classes(folder, rest, place)):
            found.unused[_shown(finder, folder)] = folder.total
            found.unused_names[_shown(finder, folder)] = frozenset(unwrapped(folder).below)
            continue
        if level == "split":
            found.splits[name] = splits[name]
        below = replace(known, **_meaning(level, name, splits))
        if rest:
            _descend(finder, unwrapped(folder), tuple(rest), below, found)
        else:
            images = finder.images(folder.path)
            found.found[folder.path.relative_to(finder.root).as_posix()] = images
            found.images += [replace(below, file=file) for file in images.images]
    if not rest and level == "class":
        for path in finder.folders(place.path):  # those without an image, which the tree does not have
            found.found.setdefault(path.relative_to(finder.root).as_posix(), finder.images(path))


def _folders(finder: ImageFinder, place: Folder) -> Iterator[tuple[str, Folder]]:
    """The folders in `place` that hold images, also one that a link shows a second time, which the tree omits."""
    for path in finder.folders(place.path):
        folder = place.below.get(path.name) or folder_tree(finder, path)
        if folder.total:
            yield path.name, folder


def _meaning(level: str, name: str, splits: dict[str, Split]) -> dict[str, Any]:
    if level == "any":
        return {}
    return {"label" if level == "class" else level: splits[name] if level == "split" else name}


def _has_no_classes(folder: Folder, rest: Sequence[str], beside: Folder) -> bool:
    """Whether a split folder holds images without classes: directly, or in one folder that no other split has."""
    if not rest or rest[0] in ("filename", "any"):
        return False
    inner = unwrapped(folder)
    if not inner.below:
        return True
    if len(inner.below) > 1:
        return False
    (only,) = inner.below
    others = [set(unwrapped(each).below) for each in beside.below.values() if each is not folder]
    return len(others) > 0 and not any(only in names for names in others)


def _shown(finder: ImageFinder, folder: Folder) -> str:
    return folder.path.relative_to(finder.root).as_posix()

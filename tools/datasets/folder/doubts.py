"""What speaks against the first level of folders being the classes."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.datasets.folder.finder import Folder, ImageFinder, unwrapped
from tools.datasets.folder.layout import Arrangement, arrange
from tools.datasets.folder.split_names import split_names
from tools.datasets.folder.tables.table_search import MatchingTable
from tools.datasets.folder.walk import split_named
from tools.datasets.folder.wording import shortened

IMAGE_NAMES = frozenset(
    (
        *("image", "images", "img", "imgs", "pic", "pics", "picture", "pictures", "photo", "photos"),
        *("data", "raw", "original", "originals"),
    )
)
"""Names of folders that hold the images themselves."""
NO_CLASSES = IMAGE_NAMES | frozenset(
    (
        *("augmented", "aug", "output", "outputs", "overlay", "overlays", "heatmap", "heatmaps"),
        *("mask", "masks", "label", "labels", "annotation", "annotations", "gt", "groundtruth"),
        *("segmentation", "segmentations", "segmented", "bbox", "bboxes", "boxes"),
        *("preview", "previews", "thumbnail", "thumbnails", "thumbs"),
    )
)
"""Names of folders that say what lies in them, but no class."""
_PART = re.compile(
    r"(part|fold|split|batch|chunk|shard|zip|archive|images?|imgs?|pictures?|photos?|data|dataset|patient|subject|case|"
    r"person|participant|volunteer|user|session|day|date|scan|series|disc|disk|cd|folder|dir)[\W_]*[a-z]?\d+$|"
    r"^(pt|pat|sub|subj|p|s)[\W_]?\d+$",
    re.I,
)
"""A name that numbers a part of the images, or a person."""
_MUCH = 0.95
"""Share of images on which a table has to agree with the folders to confirm them."""


def class_folders_by_split(tree: Folder) -> dict[str, str]:
    """Folders named like splits that hold class folders → their splits."""
    named = split_names(list(tree.below))
    return {
        name: split
        for name, split in named.items()
        if any(below.casefold() not in NO_CLASSES for below in unwrapped(tree.below[name]).below)
        and not (len(unwrapped(tree.below[name]).below) == 1 and _repeats_name(tree.below[name]))
    }


def _repeats_name(folder: Folder) -> bool:
    """Whether its only folder has its name, as in test/test/*.jpg: then that is no class."""
    return [name.casefold() for name in folder.below] == [folder.name.casefold()]


def folder_doubts(tree: Folder) -> list[str]:
    """Reasons in the names of folders and in what lies where, in words; none if the first level can be believed."""
    names = list(tree.below)
    found = []
    if tree.direct > tree.total - tree.direct:
        found.append(f"most images ({tree.direct:,} of {tree.total:,}) lie in no folder")
    named = split_names(names)
    if named and len(named) == len(names):
        found.append(f"the folders are named like splits: {shortened(names)}")
    elif other := [name for name in names if is_never_a_class(name)]:
        found.append(f"{shortened(other)}: the name of a split, beside folders that are none")
    if other := [name for name in names if name.casefold() in NO_CLASSES]:
        found.append(f"{shortened(other)}: the name describes what it holds, not a class")
    if are_numbered(names):
        found.append(f"the names look like numbered parts or patients: {shortened(names)}")
    found += [
        f"{copy} holds folders with the names of those beside it ({shortened(same)}): it may be a copy"
        for copy, same in copies(tree)
    ]
    if again := recurring_names(tree):
        found.append(
            f"the same names recur below the folders: {shortened(sorted(again))} (below {shortened(names)})"
        )
    return found


def are_numbered(names: Sequence[str]) -> bool:
    """Whether all names number a part of the images, or a person."""
    return len(names) > 1 and all(_PART.search(name) for name in names)


def is_never_a_class(name: str) -> bool:
    """A train is a class of vehicles too."""
    return split_named(name) in ("validation", "test")


def copies(tree: Folder) -> list[tuple[str, list[str]]]:
    """Folders that hold folders with the names of at least half of their neighbours, two or more."""
    found = []
    for name, folder in tree.below.items():
        beside = {other.casefold() for other in tree.below if other != name}
        same = [below for below in unwrapped(folder).below if below.casefold() in beside]
        if len(same) >= 2 and 2 * len(same) >= len(beside):
            found.append((name, same))
    return found


def recurring_names(tree: Folder) -> set[str]:
    """Names of folders below the first level that are hardly anything but the same ones again, however capitalised.

    Each is given as it is spelt first.
    """
    tops = [unwrapped(folder) for folder in tree.below.values()]
    if len(tops) < 2 or any(2 * top.direct > top.total for top in tops):
        return set()
    spelling: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for top in tops:
        for name in top.below:
            spelling.setdefault(name.casefold(), name)
        counts.update({name.casefold() for name in top.below})
    again = {name for name, count in counts.items() if count > 1}
    mostly = 2 * sum(counts[name] for name in again) > counts.total()
    return {spelling[name] for name in again} if len(again) >= 2 and mostly else set()


def only_train_is_a_split(tree: Folder, splits: Mapping[str, str]) -> list[str]:
    """The doubt about folders beside `train`, no other split among them, that hold the same folders as it."""
    if set(splits.values()) != {"train"}:
        return []
    inside = {below for name in splits for below in unwrapped(tree.below[name]).below}
    alike = [
        name for name, top in tree.below.items() if name not in splits and inside & set(unwrapped(top).below)
    ]
    if not alike:
        return []
    return [
        f"{shortened(alike)} beside {shortened(list(splits))}: the same folders, but not the name of a split"
    ]


def only_one(tree: Folder) -> str:
    """The doubt about a single folder."""
    return f"there are images of one class only ({next(iter(tree.below))}), if the folders are the classes"


def table_doubts(finder: ImageFinder, tree: Folder, tables: Sequence[MatchingTable]) -> list[str]:
    """Tables whose labels are not those of the folders."""
    if len(tree.below) < 2:
        return [f"{table_name(table, finder)} lists {table.images:,} of the images" for table in tables]
    arranged = arrange(finder, tree, ("class",))
    return [
        f"{table_name(table, finder)} lists {table.images:,} of the images, and none of its columns agrees with the "
        "folders"
        for table in tables
        if not _confirms(table, arranged)
    ]


def _confirms(table: MatchingTable, arranged: Arrangement) -> bool:
    label_of = {image.file: (image.label or "").casefold() for image in arranged.images}
    for column in table.labels:
        pairs = {
            (label_of[file], value.casefold()) for file, value in column.of_image.items() if file in label_of
        }
        same = Counter(
            (label_of[file], value.casefold()) for file, value in column.of_image.items() if file in label_of
        )
        best = sum(
            max(same[pair] for pair in pairs if pair[0] == label) for label in {one for one, _ in pairs}
        )
        values = {
            max((pair for pair in pairs if pair[0] == label), key=same.__getitem__)[1] for label, _ in pairs
        }
        # One value for each folder, and another for every other folder: the column means the same as the folders.
        if same and best >= _MUCH * same.total() and len(values) == len({one for one, _ in pairs}) > 1:
            return True
    return False


def table_notes(tables: Sequence[MatchingTable], root: Path) -> list[str]:
    """What is said about tables beside folders that are believed."""
    return [
        f"{table.file.name} is not used, though it lists {table.images:,} of the images"
        + (f"; its column {table.group} may say which belong together" if table.group else "")
        + f": {table.flag(table.labels[0], root)} would read the labels from it"
        for table in tables
    ]


def group_hint(tree: Folder, layout: str = "class/group") -> list[str]:
    """Folders within the class folders may be patients, which a carved split would divide."""
    tops = [unwrapped(folder) for folder in tree.below.values()]
    count = len({name for top in tops for name in top.below})
    if count < 2 * len(tops) or any(top.direct for top in tops):
        return []
    examples = shortened([name for top in tops for name in top.below])
    return [
        f"each class has its images in folders of its own ({examples}): if these are patients or sources, "
        f"--data.layout {layout} keeps each in one split"
    ]


def table_name(table: MatchingTable, finder: ImageFinder) -> str:
    """A table's path, relative to the data's folder if it is in it."""
    root = finder.root
    return table.file.relative_to(root).as_posix() if table.file.is_relative_to(root) else str(table.file)

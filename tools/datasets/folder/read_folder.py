"""Read the labelled images of a folder: by its manifest.csv, by a table of labels, or by its folders."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.datasets.assemble import Item
from tools.datasets.config import DataConfig
from tools.datasets.folder.finder import Folder, ImageFinder, folder_tree
from tools.datasets.folder.layout import Arrangement, Placed, arrange
from tools.datasets.folder.left_out import passed_over_line, tell_left_out
from tools.datasets.folder.manifest import NAME as MANIFEST
from tools.datasets.folder.manifest import read_manifest
from tools.datasets.folder.readings import choose_layout, unclear
from tools.datasets.folder.split_names import split_names
from tools.datasets.folder.tables.label_spec import parse_labels
from tools.datasets.folder.tables.label_table import read_labels
from tools.datasets.folder.walk import passed_over_at, split_named
from tools.datasets.folder.wording import counts_in_words, shortened
from tools.errors import DataError
from tools.text import counted


@dataclass(frozen=True)
class ReadFolder:
    """The labelled images of a folder."""

    items: list[Item]
    """Labels as they are written; they may be empty."""
    where: Callable[[int], str]
    """The place of an item (by position) for messages."""
    notes: list[str]
    warnings: list[str]
    """What may be images and is not used, or may be none and is."""
    base: Path
    """The folder that holds the layout: the data's folder, or the one that it only wraps."""
    labels: tuple[str, ...] | None = None
    """Where an image may have several labels: all of them, in the order of their columns."""


def read_folder(root: Path, config: DataConfig) -> ReadFolder:
    """Find the images below `root` and their labels; opens no image.

    Raises:
        ConfigurationError: a setting does not fit what is there.
        DataError: it is not clear what the classes are (the text shows every reading with its flag), or a table is
            wrong.
    """
    finder = ImageFinder(root, config.exclude, config.companions)
    trees = _wrapped(folder_tree(finder, root))
    finder.check_excluded()
    base = trees[-1].path
    notes = [f"the images are in {base}, the only folder in {root}"] if len(trees) > 1 else []
    if not trees[-1].total and not (base / MANIFEST).is_file():
        _refuse_left_out(finder, base, config)
        return ReadFolder([], str, notes, [], base)
    if config.labels is not None:
        read = _by_table(finder, trees, config)
    elif config.layout != "auto":
        read = _by_layout(finder, trees, config)
    elif (base / MANIFEST).is_file():
        listed = read_manifest(base / MANIFEST, finder)
        places = [f"{base / MANIFEST}, line {line}" for line in listed.lines]
        read = ReadFolder(listed.items, places.__getitem__, listed.notes, [], base)
    else:
        try:
            choice = choose_layout(finder, trees[-1])
        except DataError:
            _refuse_left_out(finder, base, config)  # which may be what makes the layout unclear
            raise
        arranged = arrange(finder, trees[-1], choice.levels)
        read = _from_arrangement(arranged, base, finder, [*_spelled(arranged), *choice.notes], config)
    if (base / MANIFEST).is_file() and (config.labels is not None or config.layout != "auto"):
        notes.append(
            f"{MANIFEST} is not used, because {'data.labels' if config.labels else 'data.layout'} is set"
        )
    return replace(read, notes=[*notes, *read.notes])


def _refuse_left_out(finder: ImageFinder, base: Path, config: DataConfig) -> None:
    """Raise a DataError if a folder in `base` has images, none of which is used, or holds masks of the others."""
    folders = {each.relative_to(finder.root).as_posix(): finder.images(each) for each in finder.folders(base)}
    tell_left_out(folders, finder.root, config.companions)


def _wrapped(tree: Folder) -> list[Folder]:
    """`tree`, and the folders that are the only thing in one another, down to the one that holds the layout."""
    found = [tree]
    while not tree.direct and len(tree.below) == 1 and not (tree.path / MANIFEST).is_file():
        (inner,) = tree.below.values()
        if split_names([inner.name]) or not (inner.below or (inner.path / MANIFEST).is_file()):
            break
        tree = inner
        found.append(tree)
    return found


def _by_layout(finder: ImageFinder, trees: Sequence[Folder], config: DataConfig) -> ReadFolder:
    levels = tuple(config.layout.split("/"))
    for tree in reversed(trees):
        arranged = arrange(finder, tree, levels)
        if any(image.label is not None for image in arranged.images):
            return _from_arrangement(arranged, tree.path, finder, _spelled(arranged), config)
    tree = trees[-1]
    raise unclear(finder, tree, (), [f"read as {config.layout}, {tree.path} has no image with a class"])


def _by_table(finder: ImageFinder, trees: Sequence[Folder], config: DataConfig) -> ReadFolder:
    assert config.labels is not None
    spec = parse_labels(config.labels, finder.root)
    levels = ("any",) if config.layout == "auto" else tuple(config.layout.split("/"))
    tree = trees[-1]
    arranged = arrange(finder, tree, levels)
    if spec.group and "group" in levels:
        raise DataError(
            f"data.labels gives groups (the column {spec.group}), but so does data.layout {config.layout}: "
            "leave out one"
        )
    labelled = read_labels(spec, arranged.images, config.several_labels)
    if config.layout == "auto":
        _check_no_splits(labelled.images, tree, finder)
    items = [_item(image) for image in labelled.images]
    places = [f"{spec.file}, line {line}" for line in labelled.lines]
    notes, warnings = _notes(arranged, finder, config, classes=False)
    return ReadFolder(
        items, places.__getitem__, [*labelled.notes, *notes], warnings, tree.path, labelled.labels
    )


def _check_no_splits(images: Sequence[Placed], tree: Folder, finder: ImageFinder) -> None:
    """Whether the labelled images are in folders of splits is not decided silently."""
    depth = len(tree.path.relative_to(finder.root).parts)
    split_of = split_names(list(tree.below))
    counts = Counter(split_of.get(image.file.split("/")[depth]) for image in images)
    counts.pop(None, None)
    if len(counts) > 1:
        raise DataError(
            f"the labelled images are in folders named like splits ({counts_in_words(counts.items())}, by "  # type: ignore[arg-type]
            f"{shortened(list(split_of))}). Add --data.layout split to use these splits, or --data.layout any to have "
            "new ones carved."
        )


def _from_arrangement(
    arranged: Arrangement, base: Path, finder: ImageFinder, known: Sequence[str], config: DataConfig
) -> ReadFolder:
    labelled = [image for image in arranged.images if image.label is not None]
    without = [image.file for image in arranged.images if image.label is None]
    items = [_item(image) for image in labelled]
    more = [f"{counted(len(without), 'image')} whose names have no class are not used: {shortened(without)}"]
    notes, warnings = _notes(arranged, finder, config, classes=arranged.by_class)
    return ReadFolder(
        items,
        lambda at: str(finder.root / items[at].file),
        [*known, *notes, *(more if without else [])],
        warnings,
        base,
    )


def _item(image: Placed) -> Item:
    return Item(image.file, image.label or "", image.split or "train", image.group, image.labels)


def _notes(
    arranged: Arrangement, finder: ImageFinder, config: DataConfig, classes: bool
) -> tuple[list[str], list[str]]:
    """Notes and warnings on what is not used; `classes`: whether the folders of the last level are the classes."""
    notes = []
    if arranged.unused:
        notes.append(f"folders beside the splits are not used: {_with_counts(arranged)}")
    if arranged.outside:
        outside = counted(
            len(arranged.outside),
            "image outside the class folders is",
            "images outside the class folders are",
        )
        notes.append(f"{outside} not used")
    if passed_over := passed_over_at(finder.root):
        notes.append(passed_over_line(passed_over))
    told, warnings = tell_left_out(arranged.found, finder.root, config.companions, classes)
    return [*notes, *told], warnings


def _with_counts(arranged: Arrangement) -> str:
    """The unused folders; one with the same classes may be a split of a name that is not known."""
    classes = arranged.class_counts.keys()
    shown = []
    for name, count in arranged.unused.items():
        like = len(arranged.unused_names[name] & classes) > 1
        hint = " of the same classes: rename it if it is a split" if like else ""
        shown.append(f"{name} ({counted(count, 'image')}{hint})")
    return ", ".join(shown)


def _spelled(arranged: Arrangement) -> list[str]:
    """Which folder is which split, where its name is not simply that of the split."""
    odd = {name: split for name, split in arranged.splits.items() if split_named(name) is None}
    return (
        [f"splits by the names of the folders: {', '.join(f'{n} is {s}' for n, s in odd.items())}"]
        if odd
        else []
    )

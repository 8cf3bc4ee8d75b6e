"""How folders can be read: the one reading that is beyond doubt, or all of them for the user to choose."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tools.datasets.folder.doubts import (
    IMAGE_NAMES,
    NO_CLASSES,
    are_numbered,
    class_folders_by_split,
    copies,
    folder_doubts,
    group_hint,
    is_never_a_class,
    only_one,
    only_train_is_a_split,
    recurring_names,
    table_doubts,
    table_notes,
)
from tools.datasets.folder.finder import Folder, ImageFinder, unwrapped
from tools.datasets.folder.layout import Arrangement, Levels, arrange, label_in_name
from tools.datasets.folder.manifest import NAME as MANIFEST
from tools.datasets.folder.split_names import split_names
from tools.datasets.folder.tables.table_search import MatchingTable, matching_tables, quoted
from tools.datasets.folder.wording import counts_in_words, shortened
from tools.errors import DataError
from tools.text import counted

SPLITS_FILE = "splits.csv"
"""What a study leaves: no table of labels."""


@dataclass
class Reading:
    """One way to read the folders."""

    flag: str
    """What chooses it on the command line."""
    about: str
    """What it gives, with counts."""


@dataclass
class Choice:
    """What was found out about the levels of folders."""

    levels: Levels
    notes: list[str] = field(default_factory=list)


def choose_layout(finder: ImageFinder, tree: Folder) -> Choice:
    """The layout of a folder where only one makes sense.

    Raises:
        DataError: there is none or more than one; the text shows each with its counts and its flag.
    """
    tables, unread = matching_tables(finder, tree.path, _all_files(finder, tree), (MANIFEST, SPLITS_FILE))
    splits = class_folders_by_split(tree)
    within = [doubt for name in splits for doubt in folder_doubts(unwrapped(tree.below[name]))]
    within += only_train_is_a_split(tree, splits)
    if "train" in splits.values() and within:
        raise unclear(finder, tree, tables, list(dict.fromkeys(within)), unread)
    if "train" in splits.values():
        train = next(unwrapped(tree.below[name]) for name, split in splits.items() if split == "train")
        notes = [*table_notes(tables, finder.root), *group_hint(train, "split/class/group")]
        return Choice(("split", "class"), [*notes, *unread])
    if splits and len(splits) == len(tree.below):
        name = next(iter(splits))
        raise DataError(
            f"{tree.path} has the folder {name} but no train: every split but train can be carved. If {name} is no "
            "split, use --data.layout class; if it is only a part of the images, use --data.layout any/class."
        )
    doubts = [*folder_doubts(tree), *table_doubts(finder, tree, tables)]
    if not doubts and len(tree.below) > 1:
        return Choice(("class",), [*table_notes(tables, finder.root), *group_hint(tree), *unread])
    if not doubts:
        doubts = ["there are no folders that could be the classes" if not tree.below else only_one(tree)]
    raise unclear(finder, tree, tables, doubts, unread)


def unclear(
    finder: ImageFinder,
    tree: Folder,
    tables: Sequence[MatchingTable],
    doubts: Sequence[str],
    unread: Sequence[str] = (),
) -> DataError:
    """The error that shows every reading of a folder with its flag."""
    readings = _readings(finder, tree, tables)
    why = "".join(f"\n  - {doubt}" for doubt in doubts)
    more = "".join(f"\n({note})" for note in unread)
    if not readings:
        return DataError(
            f"it is not clear what the classes of {tree.path} are:{why}{more}\nGive a table of labels with "
            "--data.labels FILE:ID_COLUMN:LABEL_COLUMN, write a manifest.csv (columns file,label), or sort the images "
            "into a folder for each class."
        )
    shown = "".join(f"\n  {reading.flag}\n      {reading.about}" for reading in readings)
    return DataError(
        f"it is not clear what the classes of {tree.path} are:{why}{more}\n"
        f"Add the flag of the reading that you mean:{shown}"
    )


# ------------------------------------------------------------------ the readings that are offered


def _readings(finder: ImageFinder, tree: Folder, tables: Sequence[MatchingTable]) -> list[Reading]:
    total = len(_all_files(finder, tree))
    found = [
        Reading(table.flag(label, finder.root), table.about(label, total))
        for table in tables
        for label in table.labels
    ]
    for levels in _candidates(finder, tree, tables):
        arranged = arrange(finder, tree, levels)
        if len(_classes_in_all_splits(arranged)) > 1:
            found.append(Reading(f"--data.layout {'/'.join(levels)}", _about(arranged, levels)))
    excluded = [name for name, _ in copies(tree)]
    splits = class_folders_by_split(tree)
    odd = [name for name in tree.below if name.casefold() in NO_CLASSES or is_never_a_class(name)]
    excluded += [name for name in odd if name not in splits]
    inner = {
        name
        for top in tree.below.values()
        for name in unwrapped(top).below
        if name.casefold() in NO_CLASSES - IMAGE_NAMES and len(unwrapped(top).below) > 1
    }
    for name in dict.fromkeys([*excluded, *sorted(inner)]):
        rest = [each for each in tree.below if each != name]
        alone = len(rest) == 1 and len(unwrapped(tree.below[rest[0]]).below) < 2
        if name in tree.below and (not rest or alone):
            continue
        where = f"without {counted(_count_in(tree, name), 'image')} in {name}"
        path = (tree.path / name).relative_to(finder.root).as_posix() if name in tree.below else name
        left = f"; the folders are then {shortened(rest)}" if name in tree.below else ""
        found.append(Reading(f"--data.exclude {quoted(path)}", where + left))
    for name, same in copies(tree):
        found.append(
            Reading(
                f"--data {quoted(str(unwrapped(tree.below[name]).path))}",
                f"only what is in {name}: {shortened(same)}",
            )
        )
    return found


def _classes_in_all_splits(arranged: Arrangement) -> set[str]:
    """Where hardly a class is in every split, the level of the class is another one."""
    classes = set(arranged.class_counts)
    labelled = {(image.split, image.label) for image in arranged.images if image.label is not None}
    splits = {split for split, _ in labelled}
    return {label for label in classes if all((split, label) in labelled for split in splits)}


def _candidates(finder: ImageFinder, tree: Folder, tables: Sequence[MatchingTable]) -> list[Levels]:
    """Layouts that may make sense, the likeliest first."""
    found: list[Levels] = []
    tops = [unwrapped(folder) for folder in tree.below.values()]
    inner = [name for top in tops for name in top.below]
    classes_below = len(set(inner)) > 1 and any(name.casefold() not in NO_CLASSES for name in inner)
    recurring = bool(recurring_names(tree))
    splits = class_folders_by_split(tree)
    if "train" in splits.values():
        deeper = [name for top in tops for each in top.below.values() for name in unwrapped(each).below]
        if deeper:
            found += [("split", *levels) for levels in _two_levels(inner, deeper)]
        found.append(("split", "class"))
        return [*found, ("any", "class"), ("class",)] if only_train_is_a_split(tree, splits) else found
    if recurring and split_names(inner) and set(split_names(inner)) == set(inner):
        under = any(unwrapped(each).below for top in tops for each in top.below.values())
        found += [("any", "split", "class"), ("class", "split")] if under else [("class", "split")]
    elif classes_below and (recurring or len(tree.below) == 1):
        found += _two_levels(list(tree.below), inner) if len(tree.below) > 1 else [("any", "class")]
    if len(tree.below) > 1:
        found.append(("class",))
    named = split_names(list(tree.below))
    if not tables and _names_are_labels(_all_files(finder, tree)):
        found.append(("split", "filename") if "train" in named.values() and len(named) > 1 else ("filename",))
    return found


def _two_levels(outer: Sequence[str], inner: Sequence[str]) -> list[Levels]:
    """What two levels of folders with these names may mean: groups of classes, unless only the inner are numbered."""
    found: list[Levels] = [("group", "class"), ("any", "class"), ("class", "group")]
    return found[::-1] if are_numbered(inner) and not are_numbered(outer) else found


def _names_are_labels(files: Sequence[str]) -> bool:
    """Whether a third of the names end in a number (those of the test may be nothing else), after words that recur."""
    counts = Counter(label for file in files if (label := label_in_name(file)) is not None)
    return len(counts) > 1 and 3 * counts.total() >= len(files) and counts.total() >= 2 * len(counts)


def _about(arranged: Arrangement, levels: Levels) -> str:
    counts = arranged.class_counts
    by = {"filename": "the names of the files"}.get(
        levels[-1], f"the names of the folders ({'/'.join(levels)})"
    )
    text = f"{len(counts)} classes by {by}: {counts_in_words(counts.most_common())}"
    if arranged.split_counts:
        text += f"; splits: {counts_in_words(arranged.split_counts.items())}"
    if arranged.groups:
        text += f"; {arranged.groups:,} groups, each kept in one split"
    without = sum(image.label is None for image in arranged.images)
    if left := without + len(arranged.outside) + sum(arranged.unused.values()):
        text += f"; {counted(left, 'image')} without a class"
    return text


def _count_in(tree: Folder, name: str) -> int:
    if name in tree.below:
        return tree.below[name].total
    return sum(
        unwrapped(top).below[name].total for top in tree.below.values() if name in unwrapped(top).below
    )


def _all_files(finder: ImageFinder, tree: Folder) -> list[str]:
    return [
        *finder.images_in(tree.path).images,
        *(file for each in finder.folders(tree.path) for file in finder.images(each).images),
    ]

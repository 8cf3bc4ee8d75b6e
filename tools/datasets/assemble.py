"""From a list of labelled files to records with their splits fixed: what every data set on disk has in common."""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.datasets.config import DataConfig
from tools.datasets.content import identical_files
from tools.datasets.sources import FolderSource
from tools.datasets.splits import carve_splits
from tools.datasets.types import SPLITS, Record, Split
from tools.errors import DataError

_NAMED = 10


@dataclass(frozen=True, slots=True)
class Item:
    """A labelled file. Where a data set has no splits, all its items are in train, and the others are carved."""

    file: str
    label: str
    split: Split = "train"
    group: str | None = None
    """None: the image is a group of its own."""


@dataclass(frozen=True)
class Assembled:
    """Records, the class names that their labels index, and what was done, for the user."""

    records: tuple[Record, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def assemble(
    items: Sequence[Item],
    source: FolderSource,
    config: DataConfig,
    classes: Sequence[str] | None = None,
) -> Assembled:
    """Check the items, carve the splits that are missing from train, and number the classes.

    Files with the same bytes count as one group while carving, so that carving never makes a leak.

    Args:
        items: at least one, of two classes or more.
        source: where the files are.
        config: `validation_fraction`, `test_fraction` and `split_seed` are used.
        classes: the order of the classes; sorted by name where None.

    Raises:
        DataError: one class only, a class is missing in a split, a group is in two splits, or a class is too small.
    """
    found = sorted({item.label for item in items})
    names: tuple[str, ...] = tuple(classes or found)
    if sorted(names) != found:
        raise DataError(
            f"{source.root} holds the classes {', '.join(found)}, but {', '.join(names)} are declared"
        )
    if len(found) < 2:
        raise DataError(
            f"{source.root} holds images of one class only ({', '.join(found)}): a classifier needs two or more"
        )
    index = {name: label for label, name in enumerate(names)}
    items = sorted(items, key=lambda item: item.file)
    given: list[Split] = [split for split in SPLITS if any(item.split == split for item in items)]
    _check_splits(items, names, given, source)
    _check_groups(items, source)

    notes: list[str] = []
    splits: list[Split] = [item.split for item in items]
    groups = [item.group or item.file for item in items]
    missing: list[Split] = [split for split in SPLITS if split not in given]
    if missing:
        carved = [position for position, item in enumerate(items) if item.split == "train"]
        merged, copies = _merge_identical([items[i] for i in carved], [groups[i] for i in carved], source)
        parts = carve_splits(
            [index[items[position].label] for position in carved],
            merged,
            config.validation_fraction if "validation" in missing else 0,
            config.test_fraction if "test" in missing else 0,
            config.split_seed,
            names,
        )
        for position, part, group in zip(carved, parts, merged, strict=True):
            splits[position] = part
            groups[position] = group
        sizes = {"validation": config.validation_fraction, "test": config.test_fraction}
        notes.append(
            " and ".join(f"{split} ({sizes[split]:.0%})" for split in missing)
            + f" carved from {len(carved)} images, stratified by class, groups kept together, split seed "
            f"{config.split_seed}"
        )
        if copies:
            notes.append(f"{copies} exact copies were kept in the split of their original")
    records = tuple(
        Record(item.file, index[item.label], split, group)
        for item, split, group in zip(items, splits, groups, strict=True)
    )
    return Assembled(records, names, tuple(notes))


def _check_splits(
    items: Sequence[Item], names: Sequence[str], given: Sequence[Split], source: FolderSource
) -> None:
    if "train" not in given:
        raise DataError(f"{source.root} has no training images, only {' and '.join(given)}")
    present = {(item.split, item.label) for item in items}
    absent = [f"{name} in {split}" for split in given for name in names if (split, name) not in present]
    if absent:
        raise DataError(
            f"{source.root} has no image of class {', '.join(absent)}. Every class needs images in each split that "
            "is given; leave the split away to have it carved from train."
        )


def _check_groups(items: Sequence[Item], source: FolderSource) -> None:
    home: dict[str, Item] = {}
    crossing = []
    for item in items:
        if item.group is None:
            continue
        first = home.setdefault(item.group, item)
        if first.split != item.split:
            crossing.append(f"  {item.group}: {first.file} ({first.split}) and {item.file} ({item.split})")
    if crossing:
        more = [f"  … and {len(crossing) - _NAMED} more"] if len(crossing) > _NAMED else []
        raise DataError(
            f"in {source.root}, groups (images of one patient or source) are in more than one split, so scores "
            "would be too good:\n" + "\n".join(crossing[:_NAMED] + more) + "\nPut each group in one split."
        )


def _merge_identical(
    items: Sequence[Item], groups: Sequence[str], source: FolderSource
) -> tuple[list[str], int]:
    """Groups joined wherever they share an image; and the number of copies."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while group in parent:
            group = parent[group]
        return group

    copies = 0
    for same in identical_files([source.path(item.file) for item in items]):
        copies += len(same) - 1
        one, *others = sorted({root(groups[position]) for position in same})
        parent.update(dict.fromkeys(others, one))
    return [root(group) for group in groups], copies

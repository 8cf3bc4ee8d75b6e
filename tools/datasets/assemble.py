"""Make records from a list of labelled files, for every data set. Splits are carved later (`assign_splits`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.datasets.label_sets import packed
from tools.datasets.types import SPLITS, Record, Split
from tools.errors import DataError, closest


@dataclass(frozen=True, slots=True)
class Item:
    """A labelled file. If a data set has no splits, all its items are in train, and the others are carved from it."""

    file: str
    label: str
    split: Split = "train"
    group: str | None = None
    """None: the image is a group of its own."""
    labels: frozenset[str] | None = None
    """All of them, where an image may have several or none; `label` means nothing then."""


@dataclass(frozen=True)
class Assembled:
    """Records sorted by file, the class names that their labels index, and the splits that have to be carved."""

    records: tuple[Record, ...]
    classes: tuple[str, ...]
    missing: tuple[Split, ...]
    several: bool = False
    """Whether an image may have several labels, or none."""


def assemble(
    items: Sequence[Item],
    place: Path | str,
    classes: Sequence[str] | None = None,
    *,
    gaps: bool = False,
    test_only: bool = False,
) -> Assembled:
    """Check the items and number the classes.

    Args:
        items: at least one, of two classes or more.
        place: where they were found, for messages.
        classes: the order of the classes; sorted by name if None.
        gaps: published splits may lack some classes (rare species, say), but train must have them all.
        test_only: the set tests classifiers of another data set: all items are in test, some classes may be absent,
            and no split is missing.

    Raises:
        DataError: there is only one class, a class is not declared, or a class is missing in a split.
    """
    several = any(item.labels is not None for item in items)
    found = sorted({name for item in items for name in _names(item)})
    names: tuple[str, ...] = tuple(classes or found)
    unknown = sorted(set(found) - set(names))
    absent = sorted(set(names) - set(found))
    if unknown or (absent and not test_only):
        raise DataError(
            f"{place} has the classes {', '.join(found)}, but {', '.join(names)} are declared"
            f"{_difference(unknown, absent)}"
        )
    if len(names) < 2:
        raise DataError(
            f"{place} has images of one class only ({', '.join(found)}): a classifier needs two or more"
        )
    index = {name: label for label, name in enumerate(names)}
    items = sorted(items, key=lambda item: item.file)
    given: list[Split] = [split for split in SPLITS if any(item.split == split for item in items)]
    if not test_only:
        _check_splits(items, names, given, place, gaps)
    records = tuple(
        Record(
            item.file,
            packed(index[name] for name in _names(item)) if several else index[item.label],
            item.split,
            item.group or item.file,
        )
        for item in items
    )
    missing: tuple[Split, ...] = () if test_only else tuple(split for split in SPLITS if split not in given)
    return Assembled(records, names, missing, several)


def _names(item: Item) -> Iterable[str]:
    return (item.label,) if item.labels is None else item.labels


def _difference(unknown: Sequence[str], absent: Sequence[str]) -> str:
    """What does not agree, with the declared name that each found one may be a misspelling of."""
    said = []
    for name in unknown:
        near = closest(name.casefold(), [each.casefold() for each in absent])
        meant = next((each for each in absent if near and each.casefold() == near[0]), None)
        said.append(f"{name!r} is not declared" + (f" (is it {meant!r}?)" if meant else ""))
    if absent:
        said.append(f"there are no images of {', '.join(map(repr, absent))}")
    return f": {'; '.join(said)}" if said else ""


def _check_splits(
    items: Sequence[Item], names: Sequence[str], given: Sequence[Split], place: Path | str, gaps: bool
) -> None:
    if "train" not in given:
        raise DataError(f"{place} has no training images, only {' and '.join(given)}")
    present = {(item.split, name) for item in items for name in _names(item)}
    needed = ["train"] if gaps else given
    absent = [f"{name} in {split}" for split in needed for name in names if (split, name) not in present]
    if absent:
        raise DataError(
            f"{place} has no image of class {', '.join(absent)}. Every class needs images in each given "
            "split; remove the split to have it carved from train."
        )

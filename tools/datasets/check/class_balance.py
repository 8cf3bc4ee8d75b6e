"""How many images the classes have, in one line, and what that means for the numbers of a study."""

from collections import Counter
from collections.abc import Mapping, Sequence

from tools.datasets.types import SPLITS, Card, Record, Split
from tools.text import counted

UNBALANCED = 5
"""From this ratio of the largest class of a split to its smallest on, accuracy alone misleads."""
FEW = 5
"""Below this number of groups (else images) of a class in validation or test, one decides what is said about it."""
_NAMED = 10
"""At most this many classes are counted one by one."""
_LABELS_NAMED = 20
"""At most this many labels."""

ClassCounts = Mapping[Split, Mapping[str, int]]
"""Images by split and class."""


def class_counts(records: Sequence[Record], card: Card) -> dict[Split, dict[str, int]]:
    """The number of images of each class, or with each label, in each split that is there."""
    there: list[Split] = [split for split in SPLITS if any(record.split == split for record in records)]
    counts: dict[Split, dict[str, int]] = {split: dict.fromkeys(card.classes, 0) for split in there}
    for record in records:
        for label in card.labels_of(record.label):
            counts[record.split][card.classes[label]] += 1
    return counts


def split_sizes_of(records: Sequence[Record], card: Card) -> dict[Split, int] | None:
    """Images of each split, where they may have several labels; None else, where those of the classes add up to it."""
    return dict(Counter(record.split for record in records)) if card.several_labels else None


def sizes_line(records: Sequence[Record], card: Card) -> str:
    """As `in_one_line`; with several labels an image, the share of each, and how many images have none."""
    if not card.several_labels:
        return in_one_line(class_counts(records, card))
    sizes: dict[Split, int] = dict(Counter(record.split for record in records))
    return labels_line(class_counts(records, card), sizes, sum(record.label == 0 for record in records))


def labels_line(counts: ClassCounts, sizes: Mapping[Split, int], without: int | None) -> str:
    """`900 images · 3 labels: a 12.0%, b 5.1%, c 0.2%; 85.0% have none · train 700 / validation 100 / test 100`.

    Args:
        counts: images with each label.
        sizes: images of each split.
        without: images that have no label; None where that is not known.
    """
    total = sum(sizes.values())
    by_label: Counter[str] = Counter()
    for of_label in counts.values():
        by_label.update(of_label)
    shares = [f"{name} {count / total:.1%}" for name, count in by_label.items()]
    listed = ", ".join(shares[:_LABELS_NAMED])
    more = f" and {len(shares) - _LABELS_NAMED} more" if len(shares) > _LABELS_NAMED else ""
    none = "" if without is None else f"; {without / total:.1%} have none"
    splits = " / ".join(f"{split} {sizes[split]:,}" for split in SPLITS if sizes.get(split))
    return f"{total:,} images · {len(shares)} labels: {listed}{more}{none} · {splits}"


def in_one_line(counts: ClassCounts) -> str:
    """`203 images · 2 classes: maj 200, min 3 · train 141 / validation 31 / test 31`."""
    sums = {split: sum(of_class.values()) for split, of_class in counts.items()}
    by_class: dict[str, int] = {}
    for of_class in counts.values():
        for name, count in of_class.items():
            by_class[name] = by_class.get(name, 0) + count
    splits = " / ".join(f"{split} {count:,}" for split, count in sums.items())
    return f"{sum(sums.values()):,} images · {_classes(by_class)} · {splits}"


def _classes(by_class: Mapping[str, int]) -> str:
    if len(by_class) > 2 and len(set(by_class.values())) == 1:
        return f"{len(by_class)} classes of {counted(next(iter(by_class.values())), 'image')} each"
    if len(by_class) <= _NAMED:
        return f"{len(by_class)} classes: " + ", ".join(
            f"{name} {count:,}" for name, count in by_class.items()
        )
    small, large = min(by_class, key=by_class.__getitem__), max(by_class, key=by_class.__getitem__)
    return f"{len(by_class)} classes of {by_class[small]:,} ({small}) to {by_class[large]:,} ({large}) images"


def imbalance(of_class: Mapping[str, int]) -> float:
    """The largest class of a split relative to its smallest that is there; 1 if it is empty."""
    present = [count for count in of_class.values() if count]
    return max(present) / min(present) if present else 1.0


def unbalanced(counts: ClassCounts) -> str:
    """What classes of very different size mean for accuracy; '' where they are not."""
    first = next(iter(counts), None)
    if first is None or (ratio := imbalance(counts[first])) < UNBALANCED:
        return ""
    judged: Split = "validation" if any(counts.get("validation", {}).values()) else first
    of_class = counts[judged]
    largest = max(of_class, key=of_class.__getitem__)
    share = of_class[largest] / sum(of_class.values())
    return (
        "unbalanced: read macro F1 or balanced accuracy beside accuracy, which the large classes decide (the largest "
        f"class has {ratio:.1f} times the images of the smallest in {first}; always answering {largest} scores "
        f"{share:.1%} in {judged})"
    )


def scarce(counts: ClassCounts, groups: ClassCounts) -> str:
    """Which classes have too few validation or test images to be judged; '' where all have enough.

    Args:
        counts: images (`class_counts`).
        groups: groups of them: the images of one patient say little of other patients.
    """
    few = {
        (split, name): (counts[split][name], count)
        for split, of_class in groups.items()
        if split != "train"
        for name, count in of_class.items()
        if 0 < count < FEW
    }
    if not few:
        return ""
    said = [
        f"{split} has {images} of {name}" + (f" in {counted(count, 'group')}" if count < images else "")
        for (split, name), (images, count) in few.items()
    ]
    more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
    grouped = any(count < images for images, count in few.values())
    what, one = ("images or groups", "group (patient, source)") if grouped else ("images", "image")
    return (
        f"too few {what} to judge a class by: {', '.join(said[:_NAMED])}{more}. A single {one} changes what is said of "
        "it: collect more, or raise data.validation_fraction and data.test_fraction"
    )

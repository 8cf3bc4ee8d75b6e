"""One picture under two labels: told, left out, or a reason to stop where it is half of a class."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from tools.datasets.splits.copies import equal_parts
from tools.datasets.splits.leaks import Pair, describe
from tools.datasets.types import Card, Record
from tools.errors import DataError

OnTwoLabels = Literal["auto", "keep", "drop"]

MUCH = 0.5
"""From this share of a class's images on, its labels are taken for a mistake in the folder, not in single images."""
_LEAST = 4
"""Images of a class whose share is judged."""


def resolve_contradictions(
    records: Sequence[Record], pairs: Sequence[Pair], rule: OnTwoLabels, card: Card
) -> tuple[list[int], tuple[str, ...]]:
    """Decide about pictures that are there under two labels.

    Args:
        records: of all splits.
        pairs: which of them show the same picture.
        rule: `auto` keeps them and warns, unless they are half of a class; `keep` always keeps them and warns; `drop`
            leaves all of them out.
        card: for the messages.

    Returns:
        Positions of the records that are used, and warnings.

    Raises:
        DataError: by `auto`, half of the images of a class are also in other classes.
    """
    found = [pair for pair in pairs if records[pair.one].label != records[pair.other].label]
    everything = list(range(len(records)))
    if not found:
        return everything, ()
    affected = _under_two_labels(records, pairs)
    shown = "; ".join(describe(records, pair, card) for pair in found[:3])
    text = f"{len(affected)} images show a picture that has two different labels, such as {shown}"
    if rule == "drop":
        return [at for at in everything if at not in affected], (f"{text}: these images are left out",)
    much = shares_of_classes(records, affected, card)
    if much and rule == "auto":
        raise DataError(
            f"in {card.name}, {_in_words(much)}: a classifier cannot learn labels that contradict each other.\n"
            f"{text}.\nMove the copies out of the data set, or use --data.on_two_labels drop to leave such images out, "
            "or keep to train on them all the same."
        )
    return everything, (f"{text}{f'; {_in_words(much)}' if much else ''}",)


def _under_two_labels(records: Sequence[Record], pairs: Sequence[Pair]) -> set[int]:
    """Records whose picture has two labels: all equal copies together, and what they are like.

    What is like them only through a third picture is not accused: it leaks no test image (`leaks.py` keeps it with
    them), and a chain of pictures of one scene can lead from one class to the other.
    """
    first_of = {at: part[0] for part in equal_parts(pairs) for at in part}
    labels: dict[int, set[int]] = defaultdict(set)
    for at, record in enumerate(records):
        labels[first_of.get(at, at)].add(record.label)
    linked = [[first_of.get(at, at) for at in (pair.one, pair.other)] for pair in pairs]
    found = {first for one, other in linked if len(labels[one] | labels[other]) > 1 for first in (one, other)}
    return {at for at in range(len(records)) if first_of.get(at, at) in found}


def shares_of_classes(
    records: Sequence[Record], affected: Collection[int], card: Card
) -> Mapping[str, tuple[int, int]]:
    """Classes much of which is in other classes too: (images that are, images in all).

    Args:
        records: of all splits.
        affected: positions of those whose picture is in another class too.
        card: for the names of the classes.
    """
    sizes = Counter(label for record in records for label in card.labels_of(record.label))
    shared = Counter(label for position in affected for label in card.labels_of(records[position].label))
    return {
        card.classes[label]: (count, sizes[label])
        for label, count in sorted(shared.items())
        if sizes[label] >= _LEAST and count >= MUCH * sizes[label]
    }


def _in_words(shares: Mapping[str, tuple[int, int]]) -> str:
    parts = [f"{count} of the {size} images of class {name}" for name, (count, size) in shares.items()]
    return f"{', '.join(parts)} are in another class as well"

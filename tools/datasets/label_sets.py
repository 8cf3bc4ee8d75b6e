"""Images with several labels each, or none: a set of labels as one whole number, with bit i set for label i.

A `Record` keeps one number whichever kind of data it is of, so that whatever compares labels (copies under two labels,
fingerprints, digests) needs to know nothing of sets. `as_matrix` makes of them what trials read.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

NONE = "no label"
"""How an image without any label is called."""


def packed(labels: Iterable[int]) -> int:
    """The number of a set of labels; 0 for none."""
    number = 0
    for label in labels:
        number |= 1 << label
    return number


def unpacked(number: int) -> tuple[int, ...]:
    """The labels of a set, ascending."""
    found = []
    while number:
        lowest = number & -number
        found.append(lowest.bit_length() - 1)
        number ^= lowest
    return tuple(found)


def set_name(number: int, classes: Sequence[str]) -> str:
    """A set of labels for people: their names with ' + ' between them, or 'no label'."""
    return " + ".join(classes[label] for label in unpacked(number)) or NONE


def as_matrix(numbers: Sequence[int], classes: int) -> "np.ndarray":
    """uint8 (N, C): 1 where the image has the label."""
    import numpy as np

    found = np.zeros((len(numbers), classes), dtype=np.uint8)
    for row, number in enumerate(numbers):
        found[row, list(unpacked(number))] = 1
    return found


def members_of(labels: "np.ndarray", label: int) -> "np.ndarray":
    """Places of the images that have a label, int64: `labels` is int (N,), or 0/1 (N, C) where there are several."""
    import numpy as np

    labels = np.asarray(labels)
    return np.flatnonzero(labels[:, label] if labels.ndim == 2 else labels == label)


def label_words(label: "np.ndarray | int", classes: Sequence[str]) -> str:
    """What an image shows, for people: a class, or the names of its labels; `label` is a row of what trials read."""
    import numpy as np

    row = np.asarray(label)
    return classes[int(row)] if row.ndim == 0 else set_name(packed(np.flatnonzero(row).tolist()), classes)

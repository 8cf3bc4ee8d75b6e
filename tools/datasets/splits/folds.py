"""Cut a training split into parts of which each is held out once: stratified, never dividing a group.

The cut is a pure function of the labels and groups in their order, which the fingerprint of the data covers: a trial's
key names a fold by its number alone. That is why it draws nothing from a library, whose streams may change.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from tools.datasets.splits.several_labels import divide

NEVER = -1
"""Part of the images that are in no part: without their group, a class would have no training image."""


def cut_into_parts(labels: np.ndarray, groups: Sequence[str], parts: int) -> np.ndarray:
    """The part of each image: int64 (N,), 0 to `parts` - 1, or NEVER.

    Within each class (a group's class is that of most of its images), groups go one by one, the largest first and
    equal ones in a shuffled order, to the part that has the fewest images of the class, then to that with the fewest
    images. A class with fewer groups than there are parts is missing in some of them.

    Args:
        labels: int (N,), the class of each image; or 0 and 1 (N, C), where images have several labels.
        groups: N, the group of each image. Only which are equal matters, not how they are called.
        parts: at least 1.
    """
    codes = _codes(groups)
    count = int(codes.max()) + 1 if len(codes) else 0
    if labels.ndim == 2:
        return _cut_several(labels, codes, count, parts)
    classes = int(labels.max()) + 1 if len(labels) else 0
    images = np.zeros((count, classes), dtype=np.int64)
    np.add.at(images, (codes, labels), 1)
    sizes, majority = images.sum(axis=1), images.argmax(axis=1)
    shuffled = [_rank(code) for code in range(count)]
    part_of = np.full(count, NEVER, dtype=np.int64)
    held = [0] * parts
    for label in range(classes):
        of_class = [0] * parts
        members = [int(code) for code in np.flatnonzero(majority == label)]
        for code in sorted(members, key=lambda code: (-int(sizes[code]), shuffled[code])):
            if parts > 1 and _is_all_of_a_class(images, code):
                continue
            part = min(range(parts), key=lambda each: (of_class[each], held[each], each))
            part_of[code] = part
            of_class[part] += int(images[code, label])
            held[part] += int(sizes[code])
    return part_of[codes]


def _cut_several(labels: np.ndarray, codes: np.ndarray, count: int, parts: int) -> np.ndarray:
    """The same by iterative stratification."""
    images = np.zeros((count, labels.shape[1]), dtype=np.int64)
    np.add.at(images, codes, labels)
    order = sorted(range(count), key=_rank)
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count)
    part_of = divide(labels, codes, [1 / parts] * parts, rank)
    if parts > 1:
        alone = ((images > 0) & (images == images.sum(axis=0))).any(axis=1)
        part_of[alone] = NEVER
    return part_of[codes]


def fold_count(training_images: int, validation_images: int) -> int:
    """How many folds are as large as the validation split: 1 / its share of both, rounded, and at least 2."""
    return max(2, round((training_images + validation_images) / validation_images))


def _codes(groups: Sequence[str]) -> np.ndarray:
    """A number for each group, in the order of their first images; int64 (N,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


def _rank(code: int) -> bytes:
    return hashlib.sha256(str(code).encode()).digest()


def _is_all_of_a_class(images: np.ndarray, code: int) -> bool:
    """Whether some class has images in this group alone; `images` (groups, classes) are counts."""
    return bool(((images[code] > 0) & (images.sum(axis=0) == images[code])).any())

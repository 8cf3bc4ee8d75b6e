"""Which things belong together, given which pairs of them do."""

from collections.abc import Sequence

import numpy as np


def connected_labels(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A label for each of `count` things, equal for those that pairs connect, directly or through others.

    Args:
        count: how many things there are.
        one: int (pairs,), the first of each pair, 0 to `count` - 1.
        other: int (pairs,), the second of each pair.

    Returns:
        int (count,).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(count, count))
    return connected_components(links, directed=False)[1]


def connected_parts(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The numbers in `pairs`, in ascending lists of those that belong together."""
    if not pairs:
        return []
    numbers, places = np.unique(np.asarray(pairs), return_inverse=True)
    one, other = places.reshape(-1, 2).T
    labels = connected_labels(len(numbers), one, other)
    order = np.argsort(labels, kind="stable")
    ends = np.flatnonzero(np.diff(labels[order])) + 1
    return [part.tolist() for part in np.split(numbers[order], ends)]

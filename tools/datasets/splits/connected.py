"""Which things belong together, given which pairs of them do."""

from collections.abc import Container, Sequence
from typing import NamedTuple

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


class Link(NamedTuple):
    """Two things that belong together only because of others that were removed, `through` being one of those."""

    one: int
    other: int
    through: int


def missing_links(
    pairs: Sequence[tuple[int, int]], left: Sequence[tuple[int, int]], kept: Container[int]
) -> list[Link]:
    """What has to be added to `left` so that it connects all things of `kept` that `pairs` connect.

    Args:
        pairs: which things belong together.
        left: pairs among the things of `kept`, none of which connects what `pairs` does not.
        kept: the things that were not removed.
    """
    first_of = {each: part[0] for part in connected_parts(left) for each in part}
    links: list[Link] = []
    for part in connected_parts(pairs):
        pieces = sorted({first_of.get(each, each) for each in part if each in kept})
        removed = [each for each in part if each not in kept]
        links += [Link(pieces[0], piece, removed[0]) for piece in pieces[1:]]
    return links

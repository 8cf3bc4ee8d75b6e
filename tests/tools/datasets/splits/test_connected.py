"""Which things belong together, given which pairs do."""

from tools.datasets.splits.connected import connected_parts


def test_pairs_connect_directly_and_through_others():
    assert connected_parts([(7, 2), (40, 41), (2, 5), (9, 9)]) == [[2, 5, 7], [9], [40, 41]]


def test_no_pairs_connect_nothing():
    assert connected_parts([]) == []

"""Which things belong together, given which pairs do."""

from tools.datasets.splits.connected import Link, connected_parts, missing_links


def test_pairs_connect_directly_and_through_others():
    assert connected_parts([(7, 2), (40, 41), (2, 5), (9, 9)]) == [[2, 5, 7], [9], [40, 41]]


def test_no_pairs_connect_nothing():
    assert connected_parts([]) == []


def test_what_only_a_removed_thing_connected_is_linked_again():
    pairs = [(1, 2), (1, 3), (3, 4), (8, 9)]
    assert missing_links(pairs, [(3, 4)], {2, 3, 4, 8}) == [Link(2, 3, through=1)]


def test_nothing_is_linked_where_nothing_is_missing():
    pairs = [(1, 2), (2, 3), (1, 3)]
    assert missing_links(pairs, pairs, {1, 2, 3}) == []
    assert missing_links(pairs, [(1, 3)], {1, 3}) == []

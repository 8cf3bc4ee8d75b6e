"""Which candidates reach the finish, and which of them is chosen."""

from evaluators.choice import best, finalists


def test_finalists_are_the_best_means_in_order():
    assert finalists({"a": {0: 0.7}, "b": {0: 0.9}, "c": {0: 0.8}}, 2) == ["b", "c"]
    assert finalists({"a": {0: 0.7}, "b": {}}, 2) == ["a"]
    assert finalists({}, 2) == []


def test_the_earlier_one_wins_a_tie_whatever_the_order_of_its_seeds():
    """0.1 + 0.7 + 0.8 and 0.8 + 0.7 + 0.1 differ in floating point."""
    accuracies = {"a": {0: 0.8, 1: 0.7, 2: 0.1}, "b": {0: 0.1, 1: 0.7, 2: 0.8}}
    assert finalists(accuracies, 1) == ["a"]
    assert finalists(dict(reversed(accuracies.items())), 1) == ["b"]
    assert best(accuracies) == "a"


def test_a_candidate_whose_trials_mostly_failed_is_left_out():
    """One lucky trial of three is no mean."""
    accuracies = {"lucky": {0: 0.99}, "sound": {0: 0.8, 1: 0.8, 2: 0.8}, "half": {0: 0.9, 1: 0.9}}
    assert finalists(accuracies, 3) == ["half", "sound"]
    assert best(accuracies) == "half"


def test_where_all_lost_trials_alike_none_is_left_out():
    assert finalists({"a": {0: 0.7}, "b": {1: 0.8}}, 2) == ["b", "a"]
    assert best({"a": {0: 0.7}, "b": {1: 0.8}}) == "b"


def test_only_seeds_that_all_finished_count():
    """B's third seed, which A did not finish, must not help it."""
    assert best({"a": {0: 0.8, 1: 0.8}, "b": {0: 0.7, 1: 0.7, 2: 1.0}}) == "a"

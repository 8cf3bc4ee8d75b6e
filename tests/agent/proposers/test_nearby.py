"""The arm that stays near what is known to work."""

from dataclasses import replace

import pytest

from agent.memory.history import History
from agent.proposers.nearby import NearbyProposer
from tests.agent.proposers.arms import history, operation, proposal, record
from tools.policy.starts import default_policy, starts_for

BEST = (operation("rotate", degrees=20), operation("jpeg", quality=50), operation("gamma", gamma=1.5))


def names(told: History) -> list[str]:
    return [each.name for each in NearbyProposer().ask(told).policy]


def test_it_begins_with_the_other_usual_policies() -> None:
    told = history(iteration=1)
    _, *others = starts_for("natural")
    for number, start in enumerate(others, start=1):
        made = NearbyProposer().ask(replace(told, iteration=number))
        assert (made.policy, made.hypothesis) == (
            start.policy.operations,
            f"A usual policy for such images: {start.name}.",
        )


def test_several_candidates_of_an_iteration_are_different_ones() -> None:
    first = NearbyProposer().ask(history(iteration=1))
    second = NearbyProposer().ask(replace(history(iteration=1), pending=(first,)))
    assert second.policy == starts_for("natural")[2].policy.operations


def test_a_usual_policy_that_may_not_be_proposed_is_left_out() -> None:
    """They have two or three operations; here one is allowed."""
    assert len(names(history(iteration=1, operations=(1, 1)))) == 1


@pytest.mark.parametrize("iteration", range(4, 24))
def test_then_the_best_so_far_has_one_other_operation(iteration: int) -> None:
    past = (
        record(1, proposal(*BEST), 0.9),
        record(2, proposal(operation("erasing", area=0.2), operation("clahe", clip_limit=3, tiles=4)), 0.7),
        record(3, proposal(operation("hue", shift=0.1), operation("solarize", threshold=200)), None),
    )
    told = history(past=past, iteration=iteration)
    made = NearbyProposer().ask(told)
    assert made.hypothesis == "The best so far (iteration 1), with one other operation."
    kept = [each for each in made.policy if each in BEST]
    assert (len(kept), len(made.policy)) in ((2, 3), (1, 2))


@pytest.mark.parametrize("iteration", range(4, 24))
def test_a_best_one_with_room_gets_one_more_or_one_exchanged(iteration: int) -> None:
    past = (record(1, proposal(*BEST[:2]), 0.9),)
    made = NearbyProposer().ask(history(past=past, iteration=iteration))
    assert (sum(each in BEST for each in made.policy), len(made.policy)) in ((2, 3), (1, 2))


def test_without_any_result_it_changes_the_default_policy() -> None:
    told = history(iteration=9)
    made = NearbyProposer().ask(told)
    start = default_policy("natural")
    assert made.hypothesis == f"A usual policy ({start.name}), with one other operation."
    assert set(names(told)) & {each.name for each in start.policy.operations}


def test_a_whole_policy_that_is_best_is_not_taken_apart() -> None:
    """RandAugment is a baseline; it is no operation of this arm."""
    whole = record(0, proposal(operation("rand_augment", num_ops=2, magnitude=9)), 0.99, name="rand_augment")
    told = replace(history(past=(record(1, proposal(*BEST), 0.8),), iteration=5), baselines=(whole,))
    assert "iteration 1" in NearbyProposer().ask(told).hypothesis


def test_backgrounds_are_drawn_where_they_are_asked_for() -> None:
    made = NearbyProposer().ask(replace(history(iteration=1), backgrounds="always"))
    assert len(made.backgrounds) == 1
    assert made.policy == starts_for("natural")[1].policy.operations

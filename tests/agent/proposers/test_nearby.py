"""The arm that stays near what is known to work."""

from collections import Counter
from dataclasses import replace

import pytest

from agent.memory.earlier import Earlier
from agent.memory.history import History
from agent.proposers.nearby import NearbyProposer
from tests.agent.proposers.arms import REFERENCE_MEAN, history, operation, proposal, record
from tools.policy.policy import Change
from tools.policy.starts import default_policy, starts_for

OTHER = (operation("erasing", area=0.2), operation("clahe", clip_limit=3, tiles=4))
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


def earlier(name: str) -> Earlier:
    return Earlier(
        "before", name, True, "resnet18", proposal(*BEST), 0.02, None, "the default policy", 0.05, 3
    )


@pytest.mark.parametrize("each", [1, 2])
def test_what_earlier_studies_found_takes_no_turn_of_a_usual_policy(each: int) -> None:
    """Four iterations of `each` proposals were theirs; then come the usual policies, and then the changes."""
    found = [earlier("iteration 3"), earlier("iteration 7")]
    taken = [
        proposal(operation("rotate", degrees=10 + i), hypothesis=f"{found[i % 2].mark}the same images)")
        for i in range(8)
    ]
    past = [record(1 + i // each, taken[i], 0.8, name=f"{i}") for i in range(4 * each)]
    _, *others = starts_for("natural")
    for number, start in enumerate(others, start=5):
        told = replace(history(past=past, iteration=number), earlier=tuple(found))
        made = NearbyProposer().ask(told)
        assert made.hypothesis == f"A usual policy for such images: {start.name}."
        past.append(record(number, made, 0.7))
    told = replace(history(past=past, iteration=5 + len(others)), earlier=tuple(found))
    assert NearbyProposer().ask(told).hypothesis.startswith("One of the best so far")


def test_without_earlier_studies_every_iteration_is_a_turn() -> None:
    past = [
        record(i, proposal(operation("rotate", degrees=10 + i), hypothesis="From nowhere ("), 0.8)
        for i in (1, 2)
    ]
    assert history(past=past).own_iteration == 3


def test_several_candidates_of_an_iteration_are_different_ones() -> None:
    first = NearbyProposer().ask(history(iteration=1))
    second = NearbyProposer().ask(replace(history(iteration=1), pending=(first,)))
    assert second.policy == starts_for("natural")[2].policy.operations


def test_a_usual_policy_that_may_not_be_proposed_is_left_out() -> None:
    """They have two or three operations; here one is allowed."""
    assert len(names(history(iteration=1, operations=(1, 1)))) == 1


@pytest.mark.parametrize("iteration", range(4, 34))
def test_then_a_good_one_gets_other_numbers_or_another_operation(iteration: int) -> None:
    past = (record(1, proposal(*BEST), 0.9), record(3, proposal(*OTHER), None))
    made = NearbyProposer().ask(history(past=past, iteration=iteration))
    changed = [each for each in made.policy if each not in BEST]
    assert len(changed) == 1
    if [each.name for each in made.policy] == [each.name for each in BEST]:
        assert (
            made.hypothesis
            == f"One of the best so far (iteration 1), with other numbers for {changed[0].name}."
        )
    else:
        assert made.hypothesis == f"One of the best so far (iteration 1), with {changed[0].name}."
        assert len(made.policy) in (2, 3)


def test_all_kinds_of_change_occur() -> None:
    past = (record(1, proposal(*BEST[:2]), 0.9),)
    made = [NearbyProposer().ask(history(past=past, iteration=turn)) for turn in range(4, 44)]
    kept = Counter((len(each.policy), sum(old in BEST for old in each.policy)) for each in made)
    more, otherwise = kept.pop((3, 2)), kept.pop((2, 1))
    assert (more > 2, otherwise > 15, not kept) == (True, True, True)
    assert 10 < sum("other numbers" in each.hypothesis for each in made) < 30


def test_one_of_the_three_best_is_changed() -> None:
    """The fourth never: the measurements do not say which of the three is the best."""
    past = tuple(record(turn, proposal(*BEST[:2]), 0.9 - 0.01 * turn) for turn in range(1, 7))
    asked = [NearbyProposer().ask(history(past=past, iteration=turn)) for turn in range(7, 67)]
    made = Counter(each.hypothesis.partition("(")[2].partition(")")[0] for each in asked)
    assert set(made) == {"iteration 1", "iteration 2", "iteration 3"}
    assert min(made.values()) > 8


def test_without_any_result_it_changes_the_default_policy() -> None:
    told = history(iteration=9)
    made = NearbyProposer().ask(told)
    start = default_policy("natural")
    assert made.hypothesis.startswith(f"A usual policy ({start.name}), with ")
    assert set(names(told)) & {each.name for each in start.policy.operations}


def test_a_whole_policy_that_is_best_gets_an_operation_and_other_numbers() -> None:
    whole = record(0, proposal(operation("rand_augment", num_ops=2, magnitude=9)), 0.99, name="rand_augment")
    made = NearbyProposer().ask(replace(history(iteration=5), baselines=(whole,)))
    assert made.policy[0] == whole.proposal.policy[0]
    assert len(made.policy) == 2
    best = replace(record(5, made, 0.999), number=5)
    found = {
        tuple(NearbyProposer().ask(replace(history(past=(best,), iteration=turn))).policy[0].parameters)
        for turn in range(6, 26)
    }
    assert len(found) > 3


def test_where_whole_policies_are_left_to_the_baselines_none_is_changed() -> None:
    whole = record(0, proposal(operation("rand_augment", num_ops=2, magnitude=9)), 0.99, name="rand_augment")
    told = replace(history(past=(record(1, proposal(*BEST), 0.8),), iteration=5), baselines=(whole,))
    assert "iteration 1" in NearbyProposer().ask(replace(told, whole_policies=False)).hypothesis


def test_code_of_the_user_and_a_policy_by_epoch_are_not_changed() -> None:
    own = record(0, proposal(operation("mine.py:augment")), 0.99, name="mine.py:augment")
    by_epoch = proposal(*BEST)
    by_epoch = by_epoch.model_copy(update={"changes": [Change(epoch=3, operations=[])]})
    past = (record(1, proposal(*OTHER), 0.8), record(2, by_epoch, 0.9))
    for turn in range(5, 15):
        made = NearbyProposer().ask(replace(history(past=past, iteration=turn), baselines=(own,)))
        assert "iteration 1" in made.hypothesis


def test_where_the_usual_policy_is_worse_than_none_it_starts_from_none() -> None:
    """A policy drawn afresh then, of the fewest operations that are allowed."""
    past = (
        record(1, proposal(*BEST), REFERENCE_MEAN - 0.1),
        record(2, proposal(*OTHER), REFERENCE_MEAN - 0.2),
    )
    made = [NearbyProposer().ask(history(past=past, iteration=turn)) for turn in range(4, 24)]
    afresh = [each for each in made if "(no augmentation)" in each.hypothesis]
    assert 3 < len(afresh) < 17
    assert {len(each.policy) for each in afresh} == {2}
    assert not any(old in each.policy for each in afresh for old in (*BEST, *OTHER))
    assert all("(iteration 1)" in each.hypothesis for each in made if each not in afresh)


def test_where_no_augmentation_is_worse_than_most_it_is_no_start() -> None:
    past = (record(1, proposal(*BEST), 0.9), record(2, proposal(*OTHER), 0.8))
    made = [NearbyProposer().ask(history(past=past, iteration=turn)).hypothesis for turn in range(4, 24)]
    assert not any("no augmentation" in each for each in made)


def test_backgrounds_are_drawn_where_they_are_asked_for() -> None:
    made = NearbyProposer().ask(replace(history(iteration=1), backgrounds="always"))
    assert len(made.backgrounds) == 1
    assert made.policy == starts_for("natural")[1].policy.operations


def test_the_backgrounds_of_a_good_one_are_kept_or_are_all_that_is_changed() -> None:
    first = NearbyProposer().ask(replace(history(iteration=1), backgrounds="always"))
    past = (record(1, first, 0.9),)
    kept = changed = 0
    for turn in range(4, 44):
        told = replace(history(past=past, iteration=turn), backgrounds="always")
        made = NearbyProposer().ask(told)
        assert (made.policy == first.policy) != (made.backgrounds == first.backgrounds)
        kept += made.backgrounds == first.backgrounds
        changed += made.hypothesis == "One of the best so far (iteration 1), with other backgrounds."
    assert (kept + changed, changed > 5, kept > 15) == (40, True, True)


def test_where_backgrounds_are_optional_a_good_policy_is_tried_with_them() -> None:
    past = (record(1, proposal(*BEST[:2]), 0.9),)
    made = [
        NearbyProposer().ask(replace(history(past=past, iteration=turn), backgrounds="optional"))
        for turn in range(4, 44)
    ]
    with_them = [each for each in made if each.backgrounds]
    assert len(with_them) > 3
    assert all(each.policy == list(BEST[:2]) for each in with_them)
    assert {each.hypothesis for each in with_them} == {
        "One of the best so far (iteration 1), with backgrounds."
    }


def test_a_good_policy_of_a_study_that_must_have_backgrounds_gets_some() -> None:
    told = replace(history(iteration=5), backgrounds="always")
    assert all(NearbyProposer().ask(replace(told, iteration=turn)).backgrounds for turn in range(5, 15))

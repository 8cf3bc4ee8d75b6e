"""The arm `hybrid`: whose turn it is, what TPE tunes, and what a failure does to its draws."""

from dataclasses import replace

import numpy as np
import pytest

from agent.memory.history import IterationRecord
from agent.memory.proposal import Proposal
from agent.proposers import hybrid
from agent.proposers.conversation import initial_messages
from agent.proposers.hybrid import choice_to_tune, is_tuned, tuned
from tests.agent.proposers.arms import history, operation, proposal, record
from tools.policy.policy import Change

CHOICE = proposal(operation("rotate", degrees=15.0), operation("gamma", gamma=1.5), hypothesis="Pens differ.")
OTHER = proposal(operation("jpeg", quality=50), operation("erasing", area=0.2))


def degrees(made: Proposal) -> float:
    return next(p.value for each in made.policy if each.name == "rotate" for p in each.parameters)


def turn(*past: IterationRecord, iteration: int | None = None) -> str | None:
    found = choice_to_tune(history(past=past, iteration=iteration))
    return found and found.name


def searched(seed: int, iterations: int, fails) -> tuple[list[bool], list[IterationRecord]]:
    """A choice, then tunings only: whether each failed, and all records. Smaller rotations are better."""
    past, failed = [record(1, CHOICE, 0.78)], []
    for number in range(2, iterations + 2):
        (made,) = tuned(history(past=past, iteration=number, seed=seed), past[0])
        failed.append(fails(made))
        score = None if failed[-1] else 0.8 - 0.002 * abs(degrees(made) - 8)
        past.append(record(number, made, score, reason="loss is not finite"))
    return failed, past


def test_the_model_chooses_and_two_tunings_follow():
    choice = record(1, CHOICE, 0.78)
    (first,) = tuned(history(past=[choice]), choice)
    second = record(2, first, 0.77)
    assert turn() is None
    assert turn(choice) == "iteration 1"
    assert turn(choice, second) == "iteration 1"
    assert turn(choice, second, iteration=4) is None
    assert is_tuned(first)
    assert not is_tuned(CHOICE)


def test_a_choice_that_failed_is_not_tuned():
    assert turn(record(1, CHOICE, 0.78), record(4, OTHER, None), iteration=5) is None


def test_a_choice_that_is_clearly_worse_leaves_the_tunings_to_the_best():
    assert turn(record(1, CHOICE, 0.80), record(4, OTHER, 0.70), iteration=5) == "iteration 1"
    assert turn(record(1, CHOICE, 0.80), record(4, OTHER, 0.795), iteration=5) == "iteration 4"


def test_a_tuning_keeps_operations_order_and_reason():
    choice = record(1, CHOICE, 0.78)
    made = tuned(replace(history(past=[choice]), candidates=3), choice)
    assert len({each.identity for each in made} | {CHOICE.identity}) == 4
    for each in made:
        assert [item.name for item in each.policy] == ["rotate", "gamma"]
        assert "iteration 1: Pens differ." in each.hypothesis


def by_epoch(first: float, later: float, **fields: object) -> Proposal:
    change = Change(epoch=4, operations=[operation("erasing", area=later)])
    made = proposal(operation("rotate", degrees=first), hypothesis="Less in the end.")
    return made.model_copy(update={"changes": [change, Change(epoch=6, operations=[])], **fields})


def test_a_policy_by_epoch_is_tuned_in_all_of_its_phases():
    """Its first phase alone is another choice, whose results say nothing of it."""
    choice = record(1, by_epoch(15.0, 0.2, length=2), 0.78)
    first_alone = record(2, proposal(operation("rotate", degrees=15.0)), 0.9)
    assert turn(choice) == "iteration 1"
    made = tuned(replace(history(past=[choice, first_alone], iteration=3), candidates=4), choice)
    assert made == tuned(replace(history(past=[choice], iteration=3), candidates=4), choice)
    for each in made:
        phases = each.as_policy().phases
        names = [(first, [item.name for item in policy.operations]) for first, policy in phases]
        assert names == [(1, ["rotate"]), (4, ["erasing"]), (6, [])]
        assert each.length == 2
    assert len({each.changes[0].model_dump_json() for each in made}) == 4
    assert len({each.policy[0].model_dump_json() for each in made}) == 4


def test_what_is_learned_of_a_later_phase_moves_its_draws():
    """With an erased area of 0.05 best, the later draws of it are smaller."""
    choice = record(1, by_epoch(15.0, 0.3), 0.78)
    past, areas = [choice], []
    for number in range(2, 22):
        (made,) = tuned(history(past=past, iteration=number), choice)
        [change, _] = made.changes
        areas.append(next(p.value for p in change.operations[0].parameters if p.name == "area"))
        past.append(record(number, made, 0.8 - abs(areas[-1] - 0.05)))
    assert np.mean(np.abs(np.array(areas[-5:]) - 0.05)) < np.mean(np.abs(np.array(areas[:5]) - 0.05))


def test_what_is_learned_moves_the_draws():
    """With rotations of 8 degrees best, later tunings turn less than the first ones."""
    _, past = searched(0, 16, lambda made: False)
    turns = [degrees(each.proposal) for each in past[1:]]
    assert np.mean(np.abs(np.array(turns[-5:]) - 8)) < np.mean(np.abs(np.array(turns[:5]) - 8))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_region_where_trainings_fail_is_left_alone(seed):
    """Rotations above 20 degrees fail: two failures or fewer in 20 tunings, and hardly any later."""
    failed, _ = searched(seed, 26, lambda made: degrees(made) > 20)
    assert sum(failed[:20]) <= 2
    assert sum(failed[20:]) <= 1


def test_a_failure_is_never_told_as_a_score(monkeypatch):
    told: list[float] = []
    monkeypatch.setattr(hybrid, "_tell", lambda study, numbers, value: told.append(value))
    strong = proposal(operation("rotate", degrees=60.0), operation("gamma", gamma=1.5))
    past = [record(1, CHOICE, 0.78), record(2, strong, None, reason="loss is not finite")]
    (made,) = tuned(history(past=past), past[0])
    assert len(told) == 1
    assert degrees(made) < 45


def test_the_model_is_told_of_the_tuner_and_reads_its_results():
    choice = record(1, CHOICE, 0.78)
    (made,) = tuned(history(past=[choice]), choice)
    past = [choice, record(2, made, 0.79), record(3, OTHER, 0.77)]
    known = replace(history(past=past), tuning=hybrid._TOLD)
    task = str(initial_messages(known, "tools", 3, feedback=True)[1].content)
    assert "an optimiser tries other probabilities and parameter values of the same operations" in task
    assert "Tuned by TPE within the operations of iteration 1" in task
    assert "Tuning:" not in str(initial_messages(history(past=past), "tools", 3, feedback=True)[1].content)

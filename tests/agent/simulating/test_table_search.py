"""Searches on a table: the arms' own code proposes, entries stand in, and everything is counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.simulating.arms import parse_table_arms
from agent.simulating.pool import Pool
from agent.simulating.repeats import race_on_table
from agent.simulating.search import Rules, Searched, TableSearch
from agent.simulating.trained import Trained, read_trained
from tests.agent.simulating.worlds import policies, write_world
from tools.errors import ConfigurationError
from tools.policy.canonical import parse_one_line
from tools.policy.policy import Policy

SEEDS = [0, 1, 3]
BUDGET = 24


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return read_trained(write_world(tmp_path_factory.mktemp("world")), needs_short=True)


def search(world: Trained, arm: str, budget: float = BUDGET, random_seed: int = 0) -> Searched:
    [parsed] = parse_table_arms(arm)
    return TableSearch(world, parsed, Rules(budget, 4), SEEDS, random_seed).run()


ARMS = [
    "random",
    "nearby",
    "tpe",
    "hybrid",
    "tpe+plain",
    "random+race",
    "tpe+short",
    "hybrid+short",
    "hybrid+race",
]


@pytest.mark.parametrize("arm", ARMS)
def test_no_arm_spends_more_than_its_budget_or_takes_an_entry_twice(world: Trained, arm: str) -> None:
    found = search(world, arm)
    assert found.points[-1].cost <= BUDGET
    assert found.points[-1].cost > BUDGET - 12  # it stops where another iteration would not fit
    assert len(set(found.tried)) == len(found.tried) > 4
    assert world.full.none not in found.tried
    assert [point.cost for point in found.points] == sorted(point.cost for point in found.points)


@pytest.mark.parametrize("arm", ["random", "nearby", "tpe", "hybrid", "hybrid+short"])
def test_a_search_is_repeated_to_the_last_bit_by_its_seed(world: Trained, arm: str) -> None:
    assert search(world, arm) == search(world, arm)
    assert search(world, arm).tried != search(world, arm, random_seed=1).tried


@pytest.mark.parametrize("arm", ["tpe", "hybrid+race", "random+short"])
def test_test_results_never_choose(world: Trained, arm: str) -> None:
    noise = np.random.default_rng(0).random(world.full.test.scores.shape)
    table = replace(world.full, test=replace(world.full.test, scores=noise, losses=1 - noise))
    assert search(replace(world, full=table), arm) == search(world, arm)


def test_an_arm_is_told_of_the_entry_and_not_of_what_it_proposed(world: Trained) -> None:
    found = search(world, "tpe")
    for record, entry in zip(found.records[2:], found.tried, strict=True):
        assert record.proposal.as_policy() == world.policies[entry]
        assert record.scores == {seed: world.full.validation.scores[entry, seed] for seed in SEEDS}
        assert {trial.loss for trial in record.trials} == set(world.full.validation.losses[entry, SEEDS])


def test_the_rule_of_hybrid_tries_usual_policies_once_then_varies_the_best(world: Trained) -> None:
    without = [name for name in world.full.names if name != "shifts and elastic strokes"]
    places = [world.full.names.index(name) for name in without]
    less = replace(
        world,
        full=world.full.only(places),
        short=None,
        policies=[world.policies[place] for place in places],
    )
    why = [record.proposal.hypothesis for record in search(less, "hybrid", budget=36).records[2:]]
    assert why[0] == "A usual policy."  # the only other one for digits, which the table lacks
    assert why.count("A usual policy.") == 1
    assert sum(text == "The best so far, with one other operation." for text in why) >= 2
    assert sum(text.startswith("Tuned by TPE within the operations of ") for text in why) >= 4


def test_plain_knows_no_default(world: Trained) -> None:
    found = search(world, "tpe+plain")
    assert [record.name for record in found.records[:2]] == ["no augmentation", "iteration 1"]
    assert found.points[0].trainings == 3
    assert search(world, "tpe").points[0].entry == world.full.default


def test_the_short_length_decides_which_is_trained_in_full(world: Trained) -> None:
    found = search(world, "random+short", budget=3 + 3 * 5 / 4 + 3)  # the default, five short, one in full
    trained = [record for record in found.records[2:] if not record.stopped]
    left = [record for record in found.records[2:] if record.stopped]
    assert (len(trained), len(left)) == (1, 3)
    assert [point.trainings for point in found.points] == [3, 3 + 15 + 3]
    assert found.points[-1].cost == pytest.approx(9.75)
    assert all(record.cheap_gain <= trained[0].cheap_gain for record in left)  # type: ignore[operator]
    assert all(not record.scores and trained[0].name in record.stopped for record in left)


def test_the_better_half_goes_on_to_the_next_seed(world: Trained) -> None:
    found = search(world, "random+race", budget=10)
    assert [point.cost for point in found.points] == [3, 10]  # 4 + 2 + 1
    assert sorted(len(record.scores) for record in found.records[2:]) == [1, 1, 2, 3]
    first = {record.name: record.scores[0] for record in found.records[2:]}
    went_on = {record.name for record in found.records[2:] if len(record.scores) > 1}
    assert min(first[name] for name in went_on) >= max(first[name] for name in first.keys() - went_on)


def test_what_helps_is_found_and_the_curves_say_when(world: Trained) -> None:
    found = race_on_table(world, parse_table_arms("random,tpe"), Rules(30), 3, 6)
    gains = {name: arm.gain_over_default.mean for name, arm in found.arms.items()}
    assert all(found.best_gain > gain > 1.5 for gain in gains.values())
    [duel] = found.duels
    assert (duel.arm, duel.other) == ("random", "tpe")
    assert duel.difference == pytest.approx(gains["random"] - gains["tpe"])
    curve = found.arms["tpe"].by_cost
    assert curve.at[0] == 3
    assert curve.mean[0] == 0  # the default policy
    assert curve.mean[-1] == pytest.approx(gains["tpe"])
    assert curve.mean[5] < curve.mean[-1]


def test_how_well_the_short_length_ranks_is_said(world: Trained, tmp_path: Path) -> None:
    [arm] = parse_table_arms("random+short")
    agrees = race_on_table(world, [arm], Rules(12), 3, 1).short
    other = read_trained(write_world(tmp_path, short_agrees=False), needs_short=True)
    disagrees = race_on_table(other, [arm], Rules(12), 3, 1).short
    assert agrees is not None
    assert disagrees is not None
    assert agrees.low > 0.3 > disagrees.low  # type: ignore[operator]


def test_the_nearest_entry_treats_the_fewest_images_differently() -> None:
    lines = [
        "rotate(p=0.5, degrees=10)",
        "rotate(p=0.9, degrees=10)",
        "rotate(p=0.5, degrees=60) > grayscale(p=0.3)",
    ]
    pool = Pool([Policy(operations=[]), *map(parse_one_line, lines)])
    assert pool.nearest(parse_one_line(lines[0]), ()) == (1, 0.0)
    assert pool.nearest(parse_one_line(lines[0]), [1]) == (2, pytest.approx(0.4))
    assert pool.nearest(parse_one_line("grayscale(p=0.2)"), ()) == (0, pytest.approx(0.2))
    at, distance = pool.nearest(parse_one_line("rotate(p=0.5, degrees=60)"), ())
    assert (at, distance) == (3, pytest.approx(0.3))
    turned = parse_one_line("grayscale(p=0.3) > rotate(p=0.5, degrees=60)")
    assert pool.nearest(turned, ()) == (3, pytest.approx(0.0))


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ("", "names no arm"),
        ("tpe,tpe", "tpe is there twice"),
        ("tpi", "did you mean 'tpe'"),
        ("llm", "a table can stand in for random, nearby, tpe, hybrid"),
        ("tpe+shrot", "did you mean 'short'"),
        ("tpe+short+race", "give one of \\+short and \\+race"),
        ("hybrid+plain", "hybrid always begins with usual policies"),
    ],
)
def test_wrong_arms_are_told(arms: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_table_arms(arms)


def test_drawn_policies_are_the_same_for_every_size() -> None:
    names = [entry.name for entry in policies()]
    assert names[:2] == ["none", "default"]
    assert len({entry.policy.model_dump_json() for entry in policies()}) == len(names)
    assert {entry.origin for entry in policies()} == {
        "practice",
        "as the arm random draws",
        "other numbers of a usual policy",
    }

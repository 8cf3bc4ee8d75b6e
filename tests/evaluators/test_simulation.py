"""Rules of choosing, tried on tables: the product's own rule runs, and its promises are measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluators import simulation
from evaluators.simulation import simulate
from evaluators.tables import Table, read_table
from tests.evaluators.made_tables import DEFAULT, names_of, rows_of, write_table
from tools.errors import ConfigurationError

WORSE = [-0.06, 0.0, *(-0.005 * number for number in range(1, 15))]
"""No augmentation, the default, and proposals that are worse than it."""


def table_of(folder: Path, gains: list[float]) -> Table:
    return read_table(write_table(folder, rows_of(gains), names_of(len(gains))), DEFAULT)


@pytest.fixture(scope="module")
def worse(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return table_of(tmp_path_factory.mktemp("table"), WORSE)


def test_each_rule_is_measured_by_what_it_chose(worse: Table) -> None:
    found = simulate(worse, candidates=12, seeds=3, repeats=40)
    assert list(found.rules) == ["rule", "highest_accuracy", "lowest_loss", "default"]
    default, rule, highest = (found.rules[name] for name in ("default", "rule", "highest_accuracy"))
    true = 100 * worse.test.scores.mean(1)
    assert (default.gain_over_default, default.q05_over_default, default.left) == (0, 0, 0)
    assert default.gain_over_none == pytest.approx(true[worse.default] - true[worse.none])
    assert rule.gain_over_default >= highest.gain_over_default
    assert rule.q05_over_default >= -1
    assert found.planted >= 0.6
    assert found.false_better <= 0.025


def test_a_rule_without_doubt_would_be_found_out(worse: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ranks first is taken: then candidates that are no different are taken too often."""
    honest = simulate(worse, candidates=12, seeds=3, repeats=60)
    monkeypatch.setattr("evaluators.recommendation.REPLACES", 0.0)
    bold = simulate(worse, candidates=12, seeds=3, repeats=60)
    assert bold.false_recommended > 0.025 + honest.false_recommended
    assert bold.rules["rule"].left > 0.9
    assert bold.rules["rule"].gain_over_default < honest.rules["rule"].gain_over_default


def test_it_is_the_products_own_rule(worse: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    own = simulation.recommend
    monkeypatch.setattr(
        simulation, "recommend", lambda contenders: called.append(len(contenders)) or own(contenders)
    )
    simulate(worse, candidates=5, seeds=2, repeats=3)
    assert called == [7] * 9  # the draw, with a planted entry, with swapped ones


def test_an_entry_that_is_truly_better_is_taken(tmp_path: Path) -> None:
    found = simulate(table_of(tmp_path, [*WORSE[:9], 0.08]), candidates=8, seeds=3, repeats=20)
    assert found.rules["rule"].gain_over_default > 4
    assert found.rules["rule"].left == 1
    assert found.planted < 0.5  # the planted one is not the best


def test_the_draws_follow_the_seed(worse: Table) -> None:
    one, same, other = (
        simulate(worse, candidates=5, seeds=2, repeats=20, random_seed=seed).rules["highest_accuracy"]
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_test_results_never_choose(worse: Table) -> None:
    noise = np.random.default_rng(0).random(worse.test.scores.shape)
    odd = replace(worse, test=replace(worse.test, scores=noise, losses=1 - noise))
    for one, other in zip(studies(worse), studies(odd), strict=True):
        assert one.choose() == other.choose()


def studies(table: Table) -> list[simulation._Study]:
    return [simulation._Study(table, np.arange(2, 10), np.array([0, 1, 3])) for _ in range(2)]


def test_without_bits_the_noise_of_seeds_decides(worse: Table) -> None:
    plain = replace(
        worse, validation=replace(worse.validation, correct=None), test=replace(worse.test, correct=None)
    )
    found = simulate(plain, candidates=12, seeds=3, repeats=40)
    assert found.rules["rule"].gain_over_default >= found.rules["highest_accuracy"].gain_over_default
    assert found.planted >= 0.6


def test_no_augmentation_as_first_entry_can_be_chosen(tmp_path: Path) -> None:
    found = simulate(table_of(tmp_path, [0.1, 0.0, -0.01, -0.02, -0.03, -0.04, -0.05]), 5, 3, 5)
    assert found.rules["rule"].gain_over_none == 0
    assert found.rules["rule"].gain_over_default > 5


@pytest.mark.parametrize(
    ("candidates", "seeds", "repeats", "message"),
    [
        (15, 3, 1, "--candidates 15: the table has 14 complete entries of 30 epochs beside the default"),
        (0, 3, 1, "--candidates 0"),
        (5, 5, 1, "--seeds 5: the table has 4; give 2 to 4"),
        (5, 1, 1, "--seeds 1"),
        (5, 3, 0, "--repeats 0: expected 1 or more"),
    ],
)
def test_what_a_table_cannot_give_is_said(
    worse: Table, candidates: int, seeds: int, repeats: int, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        simulate(worse, candidates, seeds, repeats)
    assert message in str(caught.value)


def test_a_table_whose_loss_says_nothing_cannot_plant(worse: Table) -> None:
    odd = replace(worse, test=replace(worse.test, losses=worse.test.scores))
    with pytest.raises(ConfigurationError, match="accuracy does not fall with log loss"):
        simulate(odd, 5, 3, 1)


def test_on_real_trainings_the_promises_hold(shared_data: Path) -> None:
    """52 policies on dermatoscopic images; docs/choice.md has more of it."""
    stem = shared_data.parent / "tables" / "skin2-resnet18-64px"
    if not stem.with_name(f"{stem.name}.jsonl").is_file():
        pytest.skip(f"the table of real trainings is not on this machine (looked in {stem.parent})")
    found = simulate(read_table(stem, DEFAULT, 30), candidates=12, seeds=3, repeats=100)
    assert found.rules["rule"].gain_over_default >= 0
    assert found.rules["rule"].q05_over_default >= -1
    assert found.rules["highest_accuracy"].q05_over_default < -1  # so that it can fail
    assert found.planted >= 0.6
    assert found.false_better <= 0.025

"""How the proposals of an iteration are trained, and that a kill in the middle of one changes nothing of it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.memory.candidate import Candidate, of_iteration
from agent.memory.cheap_file import CheapFile, read_pairs, write_pairs
from agent.memory.history import IterationRecord, TrialRecord
from agent.memory.ledger import Spent
from agent.memory.proposal import Proposal
from agent.memory.ranking import contender_of
from agent.settings.config import BudgetConfig, SearchConfig, TrainingConfig
from agent.steps.finish_plan import trials_of_iteration
from agent.steps.search import cheap, racing
from agent.steps.stopping import limit_reached
from evaluators.cheap import Pair
from tools.training.recipes import resolve_recipe

AGREE = tuple(Pair(str(number), number / 20, number / 18) for number in range(14))
"""Pairs by which the cheap measure is trusted."""
SEARCH = SearchConfig(proposer="random", seeds=3, candidates=4, iterations=8, baselines=["default"])
BEGUN = 40
"""Trials that are spent when the iteration begins."""
ROOM = next(
    n for n in range(BEGUN, 400) if not limit_reached(Spent(trials=BEGUN), SEARCH, BudgetConfig(trials=n))
)
"""Trials of the budget that just has room for an iteration then."""
NOTHING = Proposal(hypothesis="h", expected_gain=0.0, policy=[])


def study(folder: Path, spent: int, budget: int = ROOM) -> Any:
    return SimpleNamespace(
        folder=folder,
        config=SimpleNamespace(search=SEARCH, budget=BudgetConfig(trials=budget)),
        ledger=SimpleNamespace(spent=lambda: Spent(trials=spent)),
        recipe=resolve_recipe(TrainingConfig(epochs=16)),
        data=SimpleNamespace(size=lambda split: 400, card=SimpleNamespace(modality="natural")),
        store=SimpleNamespace(root=folder / "trials"),
    )


def candidates(number: int = 3) -> list[Candidate]:
    return of_iteration(number, "random", [NOTHING] * 4)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a study that trusts the cheap measure; `train_iteration` says how it would train."""
    write_pairs(tmp_path, CheapFile("made for a test", (), (AGREE,)))
    monkeypatch.setattr(racing, "_cheap_first", lambda *_: "cheap first")
    monkeypatch.setattr(racing, "_race", lambda *_: "race")
    return tmp_path


def takes(monkeypatch: pytest.MonkeyPatch, trials: float) -> None:
    """So much do the cheap trials of the iteration still take."""
    monkeypatch.setattr(cheap, "_cost", lambda *_: trials)


@pytest.mark.parametrize("done", range(1, 13))
def test_an_iteration_that_began_with_the_cheap_measure_goes_on_with_it(trusted, monkeypatch, done):
    """What it has spent itself is no lack of room. Twelve trials of a quarter, then the best in full."""
    takes(monkeypatch, 3.0)
    assert racing.train_iteration(study(trusted, BEGUN), candidates()) == "cheap first"
    takes(monkeypatch, 3.0 - done / 4)
    killed = study(trusted, BEGUN + -(-done // 4))
    assert limit_reached(killed.ledger.spent(), SEARCH, killed.config.budget), "none would begin now"
    assert racing.train_iteration(killed, candidates()) == "cheap first"


def test_an_iteration_that_began_as_a_race_stays_one_though_the_trials_were_made_since(trusted, monkeypatch):
    takes(monkeypatch, trials_of_iteration(SEARCH) + 1.0)
    assert racing.train_iteration(study(trusted, BEGUN), candidates()) == "race"
    takes(monkeypatch, 0.0)
    assert racing.train_iteration(study(trusted, BEGUN), candidates()) == "race"
    assert racing.train_iteration(study(trusted, BEGUN), candidates(4)) == "cheap first", (
        "another one decides anew"
    )


def test_candidates_are_measured_in_both_ways_in_all_sessions_or_in_none(tmp_path, monkeypatch):
    """What was measured before a kill takes of the room that was there; what it was not stays so."""
    asked: list[list[str]] = []

    def measured(context: Any, wanted: list[Candidate], *_: Any) -> tuple[dict[str, Any], None]:
        asked.append([each.name for each in wanted])
        return {}, None

    monkeypatch.setattr(cheap, "measure", measured)
    monkeypatch.setattr(cheap, "recipe_of", lambda context, candidate: context.recipe)
    write_pairs(tmp_path, CheapFile("made for a test"))
    takes(monkeypatch, 2.0)
    roomy, tight = study(tmp_path, BEGUN, ROOM + 2), study(tmp_path, BEGUN + 2, ROOM + 2)
    cheap.measure_both_ways(roomy, candidates(3))
    cheap.measure_both_ways(tight, candidates(3))
    assert len(asked) == 2
    cheap.measure_both_ways(tight, candidates(4))
    cheap.measure_both_ways(roomy, candidates(4))
    assert len(asked) == 2


def test_a_search_that_had_room_before_the_trust_was_settled_has_it_after_a_kill(tmp_path, monkeypatch):
    monkeypatch.setattr(cheap, "measure", lambda *_: ({}, None))
    monkeypatch.setattr(cheap, "recipe_of", lambda context, candidate: context.recipe)
    takes(monkeypatch, 0.0)
    write_pairs(tmp_path, CheapFile("made for a test"))
    context = study(tmp_path, BEGUN)
    assert not cheap.has_begun_to_settle(context)
    cheap.measure_both_ways(context, [replace(each, number=0) for each in candidates()])
    assert cheap.has_begun_to_settle(context)


def test_what_was_decided_is_read_as_it_was_written(tmp_path):
    decided = {"iteration 3: cheap first": True, "iteration 4: in both ways": False}
    write_pairs(tmp_path, CheapFile("made for a test", decided=decided))
    known = read_pairs(tmp_path)
    assert known is not None
    assert known.decided == decided


def record(
    number: int, name: str, skill: float, seeds: int, luck: float = 0.0, over_trained: float = 0.0
) -> IterationRecord:
    """Trials whose best epoch was chosen; at the end, the loss was higher by `over_trained`."""
    draw = np.random.default_rng([number, round(1000 * (1 + skill))])
    trials = []
    for seed in range(seeds):
        loss = 0.6 - 3 * skill + draw.normal(0, 0.003)
        score = 0.8 + skill + luck + (draw.normal(0, 0.012) if number < 8 else 0.0)
        trials.append(TrialRecord(seed, "finished", score, validation_loss=loss + over_trained, loss=loss))
    return IterationRecord(number, "tpe", name, NOTHING, tuple(trials), 0.8, None, None, None, None)


def test_a_race_goes_by_the_log_loss_of_the_epoch_that_was_chosen(monkeypatch):
    """The best two over-train after that epoch: of the last one, the log loss would say nothing good of them."""
    records = [record(0, "no augmentation", 0.0, 3), record(0, "default", 0.01, 3)]
    records += [record(number, f"iteration {number}", (number - 4) / 100, 3) for number in range(1, 8)]
    racing_now = [
        record(8, f"iteration 8.{place}", skill, 1, luck, over) for place, skill, luck, over in RACING
    ]
    stopped: list[str] = []
    monkeypatch.setattr(racing, "_stop", lambda context, candidate, *_: stopped.append(candidate.name))
    context: Any = SimpleNamespace(tracking=SimpleNamespace(records=lambda: records + racing_now))
    left = racing._better_half(context, candidates(8), [0])
    assert [each.name for each in left] == ["iteration 8.1", "iteration 8.2"]
    assert stopped == ["iteration 8.3", "iteration 8.4"]


RACING = ((1, 0.03, -0.01, 0.2), (2, 0.025, -0.03, 0.2), (3, 0.0, 0.006, 0.0), (4, -0.01, 0.0, 0.0))
"""Place, true skill, what luck adds to the score, how much the loss rises after the best epoch."""


def test_of_a_candidate_in_a_race_the_seeds_so_far_count():
    found = contender_of(record(3, "iteration 3", 0.01, 3), [0, 2, 5])
    assert found.scores.keys() == found.losses.keys() == {0, 2}
    assert contender_of(record(3, "iteration 3", 0.01, 3)).scores.keys() == {0, 1, 2}

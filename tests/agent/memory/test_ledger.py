"""What a study has spent survives everything, and counts once."""

import json

import pytest

from agent.memory.ledger import Ledger, Spent, describe, exceeded
from agent.reports.progress import spending
from agent.settings.config import BudgetConfig
from tools.errors import AugurError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_totals_survive_a_new_session(tmp_path):
    first = Ledger(tmp_path / "ledger.jsonl")
    first.add_trial("a", 10.0, reused=False)
    first.add_llm_call("c1", 100, 20, 0.5)
    second = Ledger(tmp_path / "ledger.jsonl")
    second.add_trial("b", 5.0, reused=False)
    spent = second.spent()
    assert (spent.trials, spent.training_seconds, spent.llm_calls, spent.tokens, spent.dollars) == (
        2,
        15.0,
        1,
        120,
        0.5,
    )


def test_a_trial_recorded_twice_counts_once(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.add_trial("a", 10.0, reused=False)
    ledger.add_trial("a", 10.0, reused=False)
    assert (ledger.spent().trials, ledger.spent().training_seconds) == (1, 10.0)


def test_a_reused_trial_costs_nothing(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.add_trial("a", 10.0, reused=True)
    assert (ledger.spent().trials, ledger.spent().reused_trials, ledger.spent().training_seconds) == (
        0,
        1,
        0.0,
    )


def test_the_epochs_of_a_killed_trial_are_spent_until_it_ends(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.begin_trial("a")
    ledger.add_epoch("a", 1, 3.0)
    ledger.add_epoch("a", 1, 3.0)
    ledger.add_epoch("a", 2, 4.0)
    assert (ledger.spent().trials, ledger.spent().training_seconds) == (0, 7.0)
    assert ledger.knows("a")
    ledger.add_trial("a", 20.0, reused=False)
    assert (ledger.spent().trials, ledger.spent().training_seconds) == (1, 20.0)


def test_wall_clock_is_the_sum_of_the_sessions_without_the_time_between(tmp_path):
    clock = Clock()
    first = Ledger(tmp_path / "ledger.jsonl", clock)
    clock.now += 100
    first.add_trial("a", 1.0, reused=False)
    clock.now += 40_000
    second = Ledger(tmp_path / "ledger.jsonl", clock)
    clock.now += 7
    assert second.spent().wall_clock == pytest.approx(107)


def test_a_clock_that_is_set_back_or_forward_changes_no_duration(tmp_path, monkeypatch):
    """A budget of wall-clock time ended a study at once when its machine corrected its clock."""
    clock = Clock()
    ledger = Ledger(tmp_path / "ledger.jsonl", clock)
    for day in (86_400.0, -86_400.0):
        monkeypatch.setattr("agent.memory.ledger.time.time", lambda day=day: 1_800_000_000.0 + day)
        clock.now += 5
        ledger.add_trial(f"{day}", 1.0, reused=False)
    assert ledger.spent().wall_clock == pytest.approx(10)
    assert Ledger(tmp_path / "ledger.jsonl", clock).spent().wall_clock == pytest.approx(10)


def test_a_ledger_of_the_version_before_is_read(tmp_path):
    """It kept the time of day alone."""
    path = tmp_path / "ledger.jsonl"
    lines = [
        {"time": 1000.0, "sitting": "1-1", "kind": "sitting"},
        {
            "time": 1060.0,
            "sitting": "1-1",
            "kind": "trial",
            "id": "trial:a",
            "seconds": 50.0,
            "reused": False,
        },
        {
            "time": 1090.0,
            "sitting": "1-1",
            "kind": "llm",
            "id": "llm:c",
            "input": 7,
            "output": 3,
            "dollars": 0.5,
        },
        {"time": 9000.0, "sitting": "2-2", "kind": "sitting"},
        {"time": 8000.0, "sitting": "2-2", "kind": "trial", "id": "trial:b", "seconds": 1.0, "reused": False},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    clock = Clock()
    ledger = Ledger(path, clock)
    clock.now += 4
    spent = ledger.spent()
    assert spent.wall_clock == pytest.approx(
        94
    )  # a session that seems to end before it began counts as nothing
    assert (spent.trials, spent.llm_calls, spent.tokens, spent.unfinished_calls) == (2, 1, 10, 0)


def test_a_call_that_a_kill_cut_off_counts_as_the_most_that_it_can_have_cost(tmp_path):
    killed = Ledger(tmp_path / "ledger.jsonl")
    killed.begin_llm_call("a", 100, 8192, 0.9)
    killed.add_llm_call("a", 90, 10, 0.1)
    killed.begin_llm_call("b", 200, 8192, 0.9)
    spent = Ledger(tmp_path / "ledger.jsonl").spent()
    assert (spent.llm_calls, spent.unfinished_calls, spent.tokens) == (2, 1, 100 + 8392)
    assert spent.dollars == pytest.approx(1.0)
    line = describe(spent, BudgetConfig(llm_calls=9))
    assert "at most 2 LLM calls of 9 (1 cut off)" in line
    assert "at most 8,492 tokens" in line
    assert "at most $1.0000" in line


def test_a_call_that_ended_is_exact_in_whatever_order_it_is_read(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.add_llm_call("a", 90, 10, 0.1)
    ledger.begin_llm_call("a", 100, 8192, 0.9)
    assert (ledger.spent().tokens, ledger.spent().unfinished_calls) == (100, 0)
    assert "most" not in describe(ledger.spent(), BudgetConfig())


def test_a_line_torn_by_a_kill_is_dropped_and_the_file_is_continued(tmp_path):
    path = tmp_path / "ledger.jsonl"
    Ledger(path).add_trial("a", 10.0, reused=False)
    with path.open("a") as file:
        file.write('{"time": 5, "sitt')
    again = Ledger(path)
    again.add_trial("b", 1.0, reused=False)
    assert again.spent().trials == 2
    assert [json.loads(line) for line in path.read_text().splitlines()]


def test_a_kill_at_any_byte_loses_no_more_than_the_line_that_it_tore(tmp_path):
    """Also where it came between the last byte of a line and its line break."""
    path = tmp_path / "ledger.jsonl"
    Ledger(path).add_trial("a", 10.0, reused=False)
    whole = path.read_bytes()
    begun = whole.rstrip(b"\n").rfind(b"\n") + 1
    for length in range(begun, len(whole) + 1):
        path.write_bytes(whole[:length])
        known = int(length >= len(whole) - 1)
        assert Ledger(path, begins=False).spent().trials == known
        assert path.read_bytes() == whole[:length], "whoever only reads changes nothing"
        Ledger(path).add_trial("b", 1.0, reused=False)
        assert Ledger(path).spent().trials == known + 1
        assert [json.loads(line) for line in path.read_text().splitlines()]


def test_a_damaged_line_in_the_middle_stops_with_its_number(tmp_path):
    path = tmp_path / "ledger.jsonl"
    Ledger(path).add_trial("a", 10.0, reused=False)
    path.write_text(path.read_text() + "garbage\n")
    with pytest.raises(AugurError, match="line 3 "):
        Ledger(path)


def test_every_limit_stops_when_it_is_reached_and_not_before():
    for budget, spent in (
        (BudgetConfig(wall_clock=60), Spent(wall_clock=61)),
        (BudgetConfig(training_seconds=60), Spent(training_seconds=60)),
        (BudgetConfig(trials=3), Spent(trials=3)),
        (BudgetConfig(llm_calls=3), Spent(llm_calls=4)),
        (BudgetConfig(tokens=100), Spent(input_tokens=60, output_tokens=40)),
        (BudgetConfig(dollars=0.5), Spent(dollars=0.51)),
    ):
        assert exceeded(spent, budget) is not None
        assert exceeded(Spent(), budget) is None
        assert exceeded(spent, BudgetConfig()) is None


def test_the_call_that_reaches_a_limit_is_allowed_where_only_the_next_is_too_many():
    budget = BudgetConfig(llm_calls=3)
    assert exceeded(Spent(llm_calls=3), budget, beyond=True) is None
    assert exceeded(Spent(llm_calls=4), budget, beyond=True) is not None


def test_an_unknown_price_is_a_lower_bound_never_zero(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.add_llm_call("known", 10, 10, 0.25)
    ledger.add_llm_call("unknown", 10, 10, None)
    assert "at least $0.2500 (1 call of unknown price)" in describe(ledger.spent(), BudgetConfig())


def test_parts_of_trials_add_up_and_what_is_left_counts_as_a_whole(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.add_trial("a", 10.0, reused=False, samples=400)
    for number in range(5):
        ledger.add_trial(f"part {number}", 2.0, reused=False, samples=100, share=0.25)
    spent = Ledger(tmp_path / "ledger.jsonl").spent()
    assert (spent.trials, spent.samples) == (3, 900)
    for number in range(5, 8):
        ledger.add_trial(f"part {number}", 2.0, reused=False, samples=100, share=0.25)
    assert ledger.spent().trials == 3


def test_energy_is_the_sum_of_the_sessions_and_those_that_could_not_measure_it_are_counted(tmp_path):
    path, used = tmp_path / "ledger.jsonl", [0.0]
    first = Ledger(path, energy=lambda: used[0])
    used[0] = 3600.0
    first.add_trial("a", 1.0, reused=False)
    assert (first.spent().joules, first.spent().unmetered_sessions) == (3600.0, 0)
    Ledger(path, energy=lambda: 50.0)
    assert Ledger(path, begins=False).spent().joules == 3650.0
    assert dict(spending(first.spent()))["energy"].startswith("1.0 Wh of processors and GPUs")
    spent = Ledger(path).spent()
    assert (spent.joules, spent.unmetered_sessions) == (3650.0, 1)
    assert dict(spending(spent))["energy"].startswith("at least 1.0 Wh")


def test_energy_that_was_never_measured_is_said_to_be_so(tmp_path):
    spent = Ledger(tmp_path / "ledger.jsonl").spent()
    assert spent.joules is None
    assert dict(spending(spent))["energy"].startswith("not measured")

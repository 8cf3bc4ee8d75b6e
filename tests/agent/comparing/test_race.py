"""`agent compare` as a user runs it: equal budgets, a sealed test set, killed and resumed alike."""

import json
import re
import shutil
from pathlib import Path

import pytest
from markupsafe import escape

from agent.cli import main
from agent.reports.races import races_of
from agent.studies.exporting import export
from tests.agent.studies import TINY, Ended, agent, copy_trials
from tests.loopback.clients import KEY_VARIABLES
from tools.errors import AugurError

RACE = f"--dataset demo {TINY} --arms rand_augment,random,tpe --seeds 3 --search.seeds 1 --trials 3 --study r"


def compare(runs: Path, *more: str, size: str = RACE, moment: str = "none") -> Ended:
    return agent("compare", *size.split(), *more, "--runs-dir", str(runs), moment=moment)


def result(runs: Path, race: str = "r") -> dict:
    """Everything that the race came to, without what it took in seconds."""
    found = json.loads((runs / "compares" / race / "race.json").read_text())
    for arm in found["arms"]:
        for search in arm["searches"]:
            search.pop("seconds")
    return found


@pytest.fixture(scope="module")
def raced(once, empty_store) -> Path:
    """The runs folder of a small race that ran through."""

    def make(folder: Path) -> None:
        shutil.copy(empty_store, folder)
        done = compare(folder, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        (folder / "stdout.json").write_text(done.stdout)

    return once("race", make)


@pytest.fixture
def with_trials(raced, runs) -> Path:
    """A runs folder without studies, whose trials are trained already."""
    copy_trials(raced, runs)
    return runs


def test_as_json_it_prints_what_race_json_holds_and_nothing_else(raced):
    printed = json.loads((raced / "stdout.json").read_text())
    kept = json.loads((raced / "compares" / "r" / "race.json").read_text())
    assert (printed["exit_code"], printed["error"], printed["race"]) == (0, None, "r")
    assert {key: printed[key] for key in kept if key != "version"} == {
        key: value for key, value in kept.items() if key != "version"
    }
    assert Path(printed["files"]["report.md"]).read_text().startswith("# ")


def test_every_arm_is_tested_under_the_same_seeds(raced):
    found = result(raced)
    assert [arm["name"] for arm in found["arms"]] == ["none", "default", "rand_augment", "random", "tpe"]
    seeds = {tuple(arm["by_seed"]) for arm in found["arms"]}
    assert seeds == {("3000000000", "3000000001", "3000000002")}
    for arm in found["arms"][2:]:
        contrast = arm["over_default"]
        mean = contrast["verdict"]["over_seeds"]["mean"]
        default = found["arms"][1]["by_seed"]
        assert mean == pytest.approx(sum(arm["by_seed"][s] - default[s] for s in default) / 3)
        assert contrast["adjusted"] >= contrast["p"]
    assert [(each["arm"], each["other"]) for each in found["between"]] == [("random", "tpe")]


def test_each_search_has_the_same_budget_and_begins_with_the_default(raced):
    for arm in ("random", "tpe"):
        cell = json.loads((raced / "compares" / "r" / "cells" / f"{arm}-1.json").read_text())
        assert [each["trials"] for each in cell["tried"]] == [1, 2, 3]
        assert [each["samples"] for each in cell["tried"]] == [200, 400, 600]  # 100 images, 2 epochs
        assert [each["name"] for each in cell["tried"]] == ["default", "iteration 1", "iteration 2"]
        best = max(cell["tried"], key=lambda each: each["mean"])["mean"]
        assert cell["validation"]["winner"] == {"0": pytest.approx(best)}


def test_the_test_set_is_opened_once_when_all_have_chosen(raced):
    opened = [json.loads(line) for line in (raced / "test_openings.jsonl").read_text().splitlines()]
    assert [each["study"] for each in opened] == ["r"]
    assert not list((raced / "studies").glob("*/report.*"))


def test_the_report_says_who_won_and_what_was_lost(raced):
    folder = raced / "compares" / "r"
    report, found = (folder / "report.md").read_text(), result(raced)
    assert found["sentence"].replace("=", "=") in report.replace("\\", "")
    assert "winner's curse" in report
    for name in re.findall(r"\]\((\w+\.png)\)", report):
        assert (folder / name).stat().st_size > 5_000
        assert (folder / name).with_suffix(".svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("moment", ["after:judge", pytest.param("before:train", marks=pytest.mark.slow)])
def test_killed_and_resumed_it_gives_identical_numbers(raced, with_trials, moment):
    killed = compare(with_trials, moment=moment)
    assert killed.returncode == -9
    assert not (with_trials / "test_openings.jsonl").exists()
    done = compare(with_trials)
    assert done.returncode == 0, done.stderr + done.stdout
    assert result(with_trials) == result(raced)


def test_a_search_of_a_race_is_not_resumed_alone(raced):
    done = agent("resume", "r.tpe-1", "--runs-dir", str(raced))
    assert done.returncode == 2
    assert "agent compare" in done.stderr
    assert "r.tpe-1 is a search of the race r" in done.stderr


def test_a_race_is_in_the_list_and_is_not_taken_for_a_study(raced):
    listed = json.loads(agent("list", "--json", "--runs-dir", str(raced)).stdout)["studies"]
    assert [(row["arm"], row["state"]) for row in listed if row["study"] == "r"] == [("race", "finished")]
    shown = agent("show", "r", "--runs-dir", str(raced))
    assert shown.returncode == 2
    assert "r is a race of arms (agent compare), not a study; its report is" in shown.stderr
    assert "agent compare" in shown.stderr


def test_a_race_is_deleted_with_its_searches_and_a_search_only_so(raced, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(raced, runs)
    alone = agent("delete", "r.tpe-1", "--runs-dir", str(runs), "--yes")
    assert alone.returncode == 2
    assert "r.tpe-1 is a search of the race r, and goes with it: agent delete r" in alone.stderr
    done = agent("delete", "r", "--runs-dir", str(runs), "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials_kept"] == 0
    for place in ("studies", "compares", "trials"):
        assert not [path for path in (runs / place).iterdir() if path.is_dir()]
    assert json.loads(agent("list", "--runs-dir", str(runs), "--json").stdout)["studies"] == []


def test_an_arm_whose_language_model_is_missing_is_told_before_any_other_searches(
    tmp_path, monkeypatch, capsys
):
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    words = [
        *RACE.replace("rand_augment,random,tpe", "tpe,hybrid").split(),
        "--runs-dir",
        str(tmp_path / "new"),
    ]
    assert main(["compare", *words]) == 2
    told = capsys.readouterr().err
    assert "--arms hybrid: " in told
    assert "hybrid@provider:model" in told
    assert not (tmp_path / "new").exists()
    assert main(["compare", *words, "--plan"]) == 0
    assert "--arms hybrid: " in capsys.readouterr().err


def test_the_same_name_with_other_arms_is_refused(raced):
    done = compare(raced, "--arms", "aug_mix")
    assert done.returncode == 2
    assert "was begun with other settings or arms" in done.stderr


def test_the_plan_says_power_and_cost_and_trains_nothing(runs):
    done = compare(runs, "--plan")
    assert done.returncode == 0, done.stderr
    assert "80% from" in done.stdout
    assert "at most 21 trainings: 6 to search, 15 under fresh seeds" in done.stdout
    assert not (runs / "trials").exists()


def test_the_plan_takes_the_noise_and_the_time_of_an_earlier_race(raced):
    done = compare(raced, "--plan", size=RACE.replace("--study r", "--study other"))
    assert "as measured in r" in done.stdout
    assert re.search(r"about \d+ minutes? with 1 worker \(\d+\.\d s each, as in r", done.stdout)


@pytest.mark.slow
def test_repeats_and_a_budget_in_images(with_trials):
    """Two searches, under other seeds, each of 400 training images: the default policy and one proposal."""
    size = RACE.replace("rand_augment,random,tpe", "random").replace(
        "--trials 3", "--samples 400 --repeats 2"
    )
    done = compare(with_trials, "--seeds", "2", size=size)
    assert done.returncode == 0, done.stderr + done.stdout
    (arm,) = [each for each in result(with_trials)["arms"] if each["searches"]]
    assert [each["steps"][-1]["samples"] for each in arm["searches"]] == [400, 400]
    assert arm["searches"][0]["line"] != arm["searches"][1]["line"] or "default" in {
        each["winner"] for each in arm["searches"]
    }
    seeds = [
        json.loads(f.read_text())["validation"]["default"]
        for f in sorted(with_trials.glob("compares/r/cells/*"))
    ]
    assert [list(each) for each in seeds] == [["0"], ["100"]]


def test_the_policy_of_an_arm_is_exported_with_its_gain(raced):
    found = export("r", raced, "yaml", "tpe")
    assert "points of the test metric over the default policy" in found
    with pytest.raises(AugurError, match="is a race: say whose policy with --arm"):
        export("r", raced, "yaml")


def test_the_report_of_a_search_has_the_race(raced, runs):
    shutil.copytree(raced, runs, dirs_exist_ok=True)
    done = agent("report", "r.tpe-1", "--runs-dir", str(runs))
    assert done.returncode == 0, done.stderr
    page, sentence = (runs / "studies/r.tpe-1/report.html").read_text(), result(runs)["sentence"]
    assert "A search of the race r. It has chosen" in page
    assert page.count(str(escape(sentence))) >= 2
    assert re.search(r'<tr class="chosen"><th scope="row">tpe \(this study\)</th>', page)


def test_the_report_of_a_study_whose_policy_is_an_arm_has_the_race_and_says_where_it_has_not_ended(
    raced, tmp_path
):
    folder = tmp_path / "studies" / "mine"
    race = shutil.copytree(raced / "compares" / "r", tmp_path / "compares" / "r")
    assert races_of(folder) == []
    plan = json.loads((race / "plan.json").read_text())
    plan["arms"] = ["study:mine", "study:mine-too", "tpe"]
    (race / "plan.json").write_text(json.dumps(plan))
    [section] = races_of(folder)
    assert (section.sentence, section.own) == (result(tmp_path)["sentence"], ("study:mine",))
    assert [row[0] for row in section.rows] == ["none", "default", "rand_augment", "random", "tpe"]
    (race / "race.json").write_text("{}")
    with pytest.raises(AugurError, match="cannot be read"):
        races_of(folder)
    (race / "race.json").unlink()
    [unfinished] = races_of(folder)
    assert unfinished.sentence.startswith("The race has not ended")
    assert "Continue it with: agent compare" in unfinished.sentence
    assert not unfinished.rows

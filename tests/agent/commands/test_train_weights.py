"""`agent train` of what a study found: weights that it dropped, backgrounds that it recommends; and a limit."""

import json
import shutil
from pathlib import Path

import pytest

from tests.agent.commands.test_train import ONE, entry, keys, result, rows, train
from tests.agent.studies import agent, ledger, tracking
from tests.agent.study.test_study_backgrounds import with_backgrounds  # noqa: F401  # a fixture

WEIGHTS = "weights.safetensors"


def test_weights_that_a_study_dropped_are_trained_again_to_the_same_numbers(finished, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    known = keys(runs, "s")
    wanted = [known["iteration 1", seed] for seed in ("0", "1")]
    assert not any((runs / "trials" / key / WEIGHTS).exists() for key in wanted)
    words = ("--config", str(runs / "studies/s/config.yaml"), "--policy", "study:s:iteration 1")
    without = agent("train", *words, "--no-reference", "--runs-dir", str(runs))
    assert without.returncode == 0, without.stderr + without.stdout
    assert not any((runs / "trials" / key / WEIGHTS).exists() for key in wanted), "they were reused"
    done = agent("train", *words, "--no-reference", "--weights", "--runs-dir", str(runs))
    assert done.returncode == 0, done.stderr + done.stdout
    for key in wanted:
        assert result(runs, key) == result(finished, key)
        assert (runs / "trials" / key / WEIGHTS).exists()
    tested = agent("evaluate", entry(runs).name, "--runs-dir", str(runs))
    assert tested.returncode == 0, tested.stderr + tested.stdout
    assert "iteration 1 of s" in tested.stdout


def test_a_limit_cuts_off_and_the_same_command_with_a_higher_one_continues(runs, finished):
    shutil.copytree(finished / "cache", runs / "cache")
    words = ("--policy", "default", "--policy", "rotate", "--study", "t")
    cut = train(runs, *words, "--budget.trials", "2", size=ONE)
    assert cut.returncode == 1, "not everything that was asked for was trained"
    said = " ".join((cut.stderr + cut.stdout).split())
    assert "Not everything was trained" in said
    assert "2 trials" in said
    found = rows(runs / "studies/t")
    assert found["no augmentation"]["mean"]
    assert not found["rotate"]["mean"]
    assert "rotate" in (runs / "studies/t/report.md").read_text().partition("Failed:")[2]
    listed = agent("list", "--runs-dir", str(runs)).stdout
    assert "2 trainings" in listed
    done = train(runs, *words, "--budget.trials", "3", size=ONE)
    assert done.returncode == 0, done.stderr + done.stdout
    assert all(row["mean"] for row in rows(runs / "studies/t").values())
    trained = [each["id"] for each in ledger(runs, "t") if each["kind"] == "trial" and not each.get("reused")]
    assert len(set(trained)) == 3


@pytest.fixture
def recommends_backgrounds(with_backgrounds, tmp_path) -> Path:  # noqa: F811
    """A copy of the study in which its first proposal, which has backgrounds, is what is recommended."""
    runs = tmp_path / "runs"
    shutil.copytree(with_backgrounds, runs)
    store = tracking(runs)
    store.client.set_tag(store.study_run, "recommended", "iteration 1")
    return runs


def test_a_recommendation_with_backgrounds_is_trained_whole(recommends_backgrounds, with_backgrounds):  # noqa: F811
    runs = recommends_backgrounds
    done = train(runs, "--policy", "study:s", size=ONE)
    assert done.returncode == 0, done.stderr + done.stdout
    (name,) = (name for name in rows(entry(runs)) if name != "no augmentation")
    assert "backgrounds(" in rows(entry(runs))[name]["line"]
    key = keys(runs, entry(runs).name)[name, "0"]
    assert key == keys(with_backgrounds, "s")["iteration 1", "0"]
    shown = agent("show", entry(runs).name, "--runs-dir", str(runs))
    assert "backgrounds(" in shown.stdout


def test_such_a_recommendation_is_evaluated_with_its_parts(recommends_backgrounds, tmp_path):
    runs, out = recommends_backgrounds, tmp_path / "out"
    tested = {
        record.name: record.proposal.in_one_line()
        for record in tracking(runs).records("final")
        if record.scores
    }
    assert {"policy only", "backgrounds only"} <= tested.keys()
    done = agent("evaluate", "s", "--out", str(out), "--runs-dir", str(runs))
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads((out / "evaluation.json").read_text())
    assert {trial["policy"]: trial["line"] for trial in found["trials"]} == tested
    assert "backgrounds(" in tested["backgrounds only"]

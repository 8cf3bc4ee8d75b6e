"""`agent train` and `agent evaluate`: the trials of a study without a search, and what they are worth on a test set."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml

from agent.memory import Tracking
from agent.memory.tracking.store import sqlite_uri
from tests.agent.studies import MODEL, SHORT, TINY, Ended, agent, copy_trials, ledger
from tests.agent.study.test_study_backgrounds import with_backgrounds  # noqa: F401  # a fixture
from tests.tools.datasets.images import fill

DEMO = f"--dataset demo {TINY} --seeds 2"
ONE = f"--dataset demo {TINY} --seeds 1"
PROMPTS = {
    "subject": "digit",
    "instructions": ["a plain photo of"],
    "settings": ["a wooden table", "a sandy beach"],
    "times": ["in the morning"],
}


def train(runs: Path, *words: str, size: str = DEMO, moment: str = "none") -> Ended:
    return agent("train", *size.split(), *words, "--runs-dir", str(runs), moment=moment)


def result(runs: Path, key: str) -> dict:
    """Without what differs from run to run."""
    found = json.loads((runs / "trials" / key / "result.json").read_text())
    content = found.get("content", found)
    epochs = [{k: v for k, v in each.items() if k != "seconds"} for each in content["epochs"]]
    return {"scores": content["scores"], "epochs": epochs, "seed": content["seed"]}


def entry(runs: Path, start: str = "train-") -> Path:
    (found,) = (runs / "studies").glob(f"{start}*")
    return found


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "report.csv").open() as stream:
        return {row["policy"]: row for row in csv.DictReader(stream)}


def keys(runs: Path, study: str) -> dict[tuple[str, str], str]:
    """(candidate, seed) → key of the trial, over reference and search."""
    store = Tracking(sqlite_uri(runs / "mlflow.db"), runs / "artifacts")
    assert store.find_study(study)
    found = store.client.search_runs(
        [store.experiment_id], f"tags.study = '{study}' and tags.kind = 'trial'", max_results=1000
    )
    tags = [run.data.tags for run in found]
    return {
        (t["candidate"], t["seed"]): t["trial_key"] for t in tags if t["phase"] in ("reference", "search")
    }


def test_the_trials_of_a_study_come_out_the_same(finished, tmp_path):
    """Key by key and number by number, in a folder whose trials were deleted."""
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    shutil.rmtree(runs / "trials")
    done = train(runs, "--policy", "trivial_augment_wide", "--policy", "study:s:iteration 1")
    assert done.returncode == 0, done.stderr + done.stdout
    folder = entry(runs)
    here, there = keys(runs, folder.name), keys(finished, "s")
    pairs = [("no augmentation", "no augmentation"), ("trivial_augment_wide", "trivial_augment_wide")]
    for ours, theirs in (*pairs, ("iteration 1 of s", "iteration 1")):
        for seed in ("0", "1"):
            key = here[ours, seed]
            assert key == there[theirs, seed]
            assert result(runs, key) == result(finished, key)
    found = rows(folder)
    reference, gained = found["no augmentation"], found["trivial_augment_wide"]
    differences = [float(gained[f"seed_{seed}"]) - float(reference[f"seed_{seed}"]) for seed in (0, 1)]
    assert float(gained["gain_over_none"]) == pytest.approx(sum(differences) / 2)
    # Its test is sealed: nothing but agent evaluate opens it.
    assert not list((runs / "trials").glob("*/predictions-test*"))


def test_rand_augment_with_three_operations_is_the_baseline_of_a_study(runs, finished, tmp_path):
    shutil.copytree(finished / "cache", runs / "cache")
    study = tmp_path / "study"
    shutil.copytree(runs, study)
    text = "rand_augment(num_ops=3, magnitude=5)"
    words = SHORT.replace("--iterations 2", "--iterations 0").replace("--search.baselines []", "").split()
    ran = agent("run", *words, "--search.baselines", text, "--study", "s", "--runs-dir", str(study))
    assert ran.returncode == 0, ran.stderr + ran.stdout
    done = train(runs, "--policy", text, size=ONE)
    assert done.returncode == 0, done.stderr + done.stdout
    key = keys(runs, entry(runs).name)[text, "0"]
    assert key == keys(study, "s")[text, "0"]
    assert result(runs, key) == result(study, key)


def test_the_same_command_continues_what_was_killed(runs):
    words = ("--policy", "default", "--policy", "rotate(degrees=9)")
    killed = train(runs, *words, moment="epoch:7")
    assert killed.returncode < 0
    interrupted = train(runs, *words, moment="interrupt:1")
    assert interrupted.returncode == 130
    assert "Continue with the same command: agent train --dataset demo" in interrupted.stderr
    shown = agent("list", "--runs-dir", str(runs))
    assert "interrupted" in shown.stdout
    done = train(runs, *words)
    assert done.returncode == 0, done.stderr + done.stdout
    events = ledger(runs, entry(runs).name)
    first = {each["id"]: at for at, each in reversed(list(enumerate(events))) if each["kind"] == "trial"}
    assert len(first) == 6
    # No trial was trained after it had ended.
    assert all(at < first[each["id"]] for at, each in enumerate(events) if each["kind"] == "epoch")
    again = train(runs, *words)
    assert again.returncode == 0
    more = ledger(runs, entry(runs).name)[len(events) :]
    assert not [each for each in more if each["kind"] == "epoch"]
    shown = agent("show", entry(runs).name, "--runs-dir", str(runs))
    assert "rotate(degrees=9)" in shown.stdout
    assert "given policies" in shown.stdout
    assert "finished" in shown.stdout
    resumed = agent("resume", entry(runs).name, "--runs-dir", str(runs))
    assert resumed.returncode == 0, resumed.stderr
    assert "over no augmentation" in resumed.stdout


def test_several_models_and_sizes_are_one_table(runs):
    models, sizes = "shufflenet_v2_x0_5,mnasnet0_5", "16,20"
    size = ONE.replace(f"--model {MODEL} ", "").replace("--image-size 16 ", "")
    done = train(
        runs, "--models", models, "--image-sizes", sizes, "--policy", "default", "--study", "grid", size=size
    )
    assert done.returncode == 0, done.stderr + done.stdout
    found = {path.name for path in (runs / "studies").iterdir()}
    assert found == {f"grid-{model}-{size}" for model in models.split(",") for size in sizes.split(",")}
    table = [line for line in done.stdout.splitlines() if line.startswith(("default ", "no augmentation "))]
    assert len(table) == 8
    assert sum("mnasnet0_5" in line and "20 px" in line for line in table) == 2


def test_backgrounds_alone_and_with_a_policy(runs, finished, tmp_path):
    copy_trials(finished, runs)
    file = tmp_path / "prompts.yaml"
    file.write_text(yaml.safe_dump(PROMPTS))
    done = train(
        runs, "--prompts", str(file), "--scale", "0.2,0.4", "--policy", "none", "--policy", "rotate", size=ONE
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert list(rows(entry(runs))) == [
        "no augmentation",
        "rotate",
        "backgrounds ×0.2",
        "backgrounds ×0.4",
        "rotate + backgrounds ×0.2",
        "rotate + backgrounds ×0.4",
    ]


def test_what_a_study_recommends_comes_with_its_backgrounds(with_backgrounds, tmp_path):  # noqa: F811
    runs = tmp_path / "runs"
    shutil.copytree(with_backgrounds, runs)
    done = train(runs, "--policy", "study:s:iteration 1", size=ONE)
    assert done.returncode == 0, done.stderr + done.stdout
    (row,) = (row for name, row in rows(entry(runs)).items() if name == "iteration 1 of s")
    assert "backgrounds(" in row["line"]
    key = keys(runs, entry(runs).name)["iteration 1 of s", "0"]
    assert key == keys(with_backgrounds, "s")["iteration 1", "0"]
    # It was reused: its result is that of the study.
    assert result(runs, key) == result(with_backgrounds, key)


def test_a_file_of_a_study_and_a_line_of_text_are_policies(finished, tmp_path, runs):
    copy_trials(finished, runs)
    line = tmp_path / "mine.txt"
    line.write_text("# mild\nrotate(p=0.5, degrees=9)\n  > hue(p=0.5, shift=0.1)\n")
    policy = finished / "studies/s/policy.json"
    done = train(runs, "--policy", str(line), "--policy", str(policy), "--no-reference", size=ONE)
    assert done.returncode == 0, done.stderr + done.stdout
    found = rows(entry(runs))
    assert found["mine.txt"]["line"].startswith("rotate(p=0.5, degrees=9) > hue(p=0.5")
    assert len(found) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], ["nothing to train", "--policy"]),
        (["--policy", "rotate > rotat(degrees=3)"], ["operation 2", "'rotat'", "'rotate'"]),
        (["--policy", "rotate(degrees=900)"], ["--policy", "900", "from 1 to 180"]),
        (["--policy", "no/such/file.json"], ["no such file"]),
        (["--policy", "study:nobody"], ["no study 'nobody'", "agent list"]),
        (["--policy", "study:s:iteration 9"], ["no candidate 'iteration 9'", "iteration 2"]),
        (["--policy", "rotate + backgrounds(1×, bird, 2×2×1 prompts)"], ["--prompts", "study:NAME"]),
        (["--policy", "rotate", "--iterations", "3"], ["--search.iterations", "searches nothing"]),
        (["--policy", "rotate", "--scale", "2"], ["--prompts"]),
        (["--policy", "rotate", "--models", "resnet18"], ["--model and --models"]),
        (["--policy", "rotate", "--study", "s"], ["already a study of that name"]),
        (
            ["--policy", "rotate(degrees=9) | from epoch 3: no augmentation"],
            ["--policy", "changes at epoch 3", "2 epochs"],
        ),
    ],
)
def test_what_cannot_be_trained_is_named(finished, words, told):
    before = {path.name for path in (finished / "studies").iterdir()}
    done = train(finished, *words)
    assert done.returncode == 2, done.stderr
    for word in told:
        assert word in done.stderr
    assert {path.name for path in (finished / "studies").iterdir()} == before


# ---------------------------------------------------------------- agent evaluate


@pytest.fixture(scope="module")
def trained(once, finished, empty_store) -> Path:
    """A runs folder in which two policies were given."""

    def make(runs: Path) -> None:
        shutil.copytree(finished / "cache", runs / "cache")
        shutil.copy(empty_store, runs)
        done = train(runs, "--policy", "default", "--study", "t")
        assert done.returncode == 0, done.stderr + done.stdout

    return once("trained", make)


def test_given_policies_are_tested_and_the_opening_is_recorded(trained, tmp_path):
    runs, out = tmp_path / "runs", tmp_path / "out"
    shutil.copytree(trained, runs)
    done = agent("evaluate", "t", "--out", str(out), "--runs-dir", str(runs))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "default is" in done.stdout
    assert "2 paired seeds" in done.stdout
    opened = [json.loads(line) for line in (runs / "test_openings.jsonl").read_text().splitlines()]
    assert [each["study"] for each in opened] == ["t"]
    with (out / "predictions-default-seed-1.csv").open() as stream:
        predicted = list(csv.DictReader(stream))
    right = sum(row["true"] == row["predicted"] for row in predicted) / len(predicted)
    with (out / "scores.csv").open() as stream:
        scores = {(row["policy"], row["seed"]): row for row in csv.DictReader(stream)}
    assert right == pytest.approx(float(scores["default", "1"]["accuracy"]))
    store = Tracking(sqlite_uri(runs / "mlflow.db"), runs / "artifacts")
    assert store.find_study("t")
    runs_of_key = store.client.search_runs(
        [store.experiment_id], f"tags.trial_key = '{keys(runs, 't')['default', '1']}'"
    )
    assert runs_of_key[0].data.metrics["test_accuracy"] == pytest.approx(right)
    assert store.client.get_run(store.study_run).info.status == "FINISHED"


def test_one_trial_on_a_folder_of_the_same_classes(trained, tmp_path):
    runs, folder = tmp_path / "runs", tmp_path / "others"
    shutil.copytree(trained, runs)
    fill(folder, {str(label): 2 for label in range(10)})
    key = keys(runs, "t")["default", "0"]
    done = agent("evaluate", key[:12], "--folder", str(folder), "--runs-dir", str(runs))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "20 images" in done.stdout
    assert not list((runs / "trials").glob("*/predictions-test.npz"))
    (folder / "9").rename(folder / "nine")
    wrong = agent("evaluate", key[:12], "--folder", str(folder), "--runs-dir", str(runs))
    assert wrong.returncode == 2
    assert "nine" in wrong.stderr


def test_a_study_that_has_not_finished_stays_sealed(runs, finished):
    copy_trials(finished, runs)
    words = SHORT.split()
    agent(
        "run", *words, "--proposer", "tpe", "--study", "s", "--runs-dir", str(runs), moment="before:finalise"
    )
    done = agent("evaluate", "s", "--runs-dir", str(runs))
    assert done.returncode == 2
    assert "sealed" in done.stderr
    assert "agent resume s" in done.stderr
    assert not (runs / "test_openings.jsonl").exists()


def test_weights_that_a_study_dropped_are_named_with_the_remedy(finished, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    key = keys(runs, "s")["iteration 1", "0"]
    done = agent("evaluate", key, "--runs-dir", str(runs))
    assert done.returncode == 1
    assert "weights" in done.stderr
    assert "agent train --weights" in done.stderr
    whole = agent("evaluate", "s", "--runs-dir", str(runs))
    assert whole.returncode == 0, whole.stderr
    assert "no augmentation" in whole.stdout


def test_what_is_no_study_and_no_trial_is_named(trained):
    done = agent("evaluate", "nothing", "--runs-dir", str(trained))
    assert done.returncode == 2
    assert "'nothing' is neither a study" in done.stderr

"""How long a study trains: found first, written down, read again; or given, and looked into."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.agent.studies import TINY, conclusions, copy_trials, outcome, resume, run, tracking

_MODEL = TINY.replace("--epochs 2", "--epochs auto").replace("batch_size 5", "batch_size 50")
AUTO = (
    f"--dataset demo {_MODEL} --search.shortest_steps 2 --seeds 1 --iterations 2 --search.final_seeds 6 "
    "--search.top_k 1 --search.baselines trivial_augment_wide --search.backgrounds off --proposer tpe"
)
FIRST = 1
"""Epochs of 2 steps: the demo has 100 training images, and batches are of 50."""
KILLED = -signal.SIGKILL


def lengths(runs: Path) -> dict[str, Any]:
    return json.loads((runs / "studies" / "s" / "length.json").read_text())


def epochs_of(runs: Path, phase: str) -> dict[str, set[int]]:
    """Candidate → numbers of epochs of its trials in a phase."""
    store = tracking(runs)
    found: dict[str, set[int]] = {}
    where = f"tags.study = 's' and tags.kind = 'trial' and tags.phase = '{phase}'"
    for item in store.client.search_runs([store.experiment_id], where):
        key = item.data.tags["trial_key"]
        result = json.loads((runs / "trials" / key / "result.json").read_text())
        found.setdefault(item.data.tags["candidate"], set()).add(len(result["epochs"]))
    return found


@pytest.fixture(scope="module")
def auto(once) -> Path:
    """The runs folder of a study that found its length, as its first session left it."""

    def make(folder: Path) -> None:
        done = run(folder, size=AUTO)
        assert done.returncode == 0, done.stderr + done.stdout
        (folder / "stdout").write_text(done.stdout)

    return once("auto-length", make)


def test_lengths_double_until_the_default_gains_nothing_more_or_the_share_is_spent(auto: Path):
    found = lengths(auto)
    tried = [each["epochs"] for each in found["tried"] if each["arm"] == "default"]
    assert tried == [FIRST * 2**number for number in range(len(tried))]
    assert len(tried) >= 2
    assert found["found"]
    assert found["epochs"] in tried
    assert found["reference"] in [e["epochs"] for e in found["tried"] if e["arm"] == "no augmentation"]
    # Beyond the trials that the study takes anyway, it adds a fifth at most.
    needed = found["seeds"] * 100 * (found["epochs"] + found["reference"])
    assert found["samples"] - needed <= 0.2 * found["planned"]


def test_the_study_trains_what_was_found_and_no_augmentation_its_own(auto: Path):
    found = lengths(auto)
    assert epochs_of(auto, "reference")["no augmentation"] == {found["reference"]}
    assert epochs_of(auto, "reference")["trivial_augment_wide"] == {found["epochs"]}
    assert set().union(*epochs_of(auto, "search").values()) == {found["epochs"]}
    assert epochs_of(auto, "final")["no augmentation"] == {found["reference"]}


def test_the_outcome_is_told_in_the_terminal_the_store_and_the_report(auto: Path):
    found = lengths(auto)
    assert f"length: {found['sentence']}" in (auto / "stdout").read_text()
    assert "epochs found first (phase length)" in (auto / "stdout").read_text()
    store = tracking(auto)
    study = store.client.get_run(store.study_run)
    assert study.data.tags["length"] == found["sentence"]
    assert study.data.metrics["epochs"] == found["epochs"]
    assert study.data.params["recipe.epochs"] == "auto"
    curve = store.client.get_metric_history(store.study_run, "length_default_loss")
    assert {point.step: point.value for point in curve} == {
        each["epochs"]: pytest.approx(each["loss"]) for each in found["tried"] if each["arm"] == "default"
    }
    assert {"length.json", "length.png"} <= {
        item.path for item in store.client.list_artifacts(store.study_run)
    }
    report = (auto / "studies" / "s" / "report.md").read_text()
    assert "## How long to train" in report
    assert "![validation loss by length of training](length.png)" in report
    assert f"| length of training | {found['epochs']} epoch" in report


def test_trials_for_the_length_are_no_candidates(auto: Path):
    assert {record.name for record in tracking(auto).records()} == {
        "no augmentation",
        "trivial_augment_wide",
        *(f"iteration {number}" for number in (1, 2)),
    }
    assert {item.name for item in tracking(auto).records("length")} == {
        f"{each['arm']}, {each['epochs']} epoch{'s' if each['epochs'] > 1 else ''}"
        for each in lengths(auto)["tried"]
    }


def test_killed_in_the_phase_and_right_after_it_the_study_ends_alike(auto: Path, runs: Path):
    copy_trials(auto, runs)
    found = lengths(auto)
    # The second length is trained again, and killed in its first epoch.
    store = tracking(auto)
    where = "tags.study = 's' and tags.kind = 'trial' and tags.phase = 'length'"
    for item in store.client.search_runs([store.experiment_id], where):
        result = runs / "trials" / item.data.tags["trial_key"] / "result.json"
        if len(json.loads(result.read_text())["epochs"]) == 2 * FIRST:
            result.unlink()
    killed = run(runs, size=AUTO, moment="epoch:1")
    assert killed.returncode == KILLED, killed.stderr
    assert not (runs / "studies" / "s" / "length.json").exists()
    killed = resume(runs, moment="after:prepare")
    assert killed.returncode == KILLED, killed.stderr
    assert lengths(runs) == found
    done = resume(runs)
    assert done.returncode == 0, done.stderr
    assert conclusions(runs) == conclusions(auto)
    assert outcome(runs) == outcome(auto)


def test_a_study_that_is_resumed_reads_its_length_and_finds_it_in_the_store(auto: Path, runs: Path):
    copy_trials(auto, runs)
    killed = run(runs, size=AUTO, moment="before:propose")
    assert killed.returncode == KILLED, killed.stderr
    file = runs / "studies" / "s" / "length.json"
    file.unlink()
    killed = resume(runs, moment="before:vet")
    assert killed.returncode == KILLED, killed.stderr
    # What is read is what is trained: another number, written by hand, is believed.
    file.write_text(json.dumps({**lengths_of_copy(runs), "epochs": 3}))
    killed = resume(runs, moment="after:train")
    assert killed.returncode == KILLED, killed.stderr
    assert epochs_of(runs, "search")["iteration 1"] == {3}
    file.write_text("{")
    broken = resume(runs)
    assert broken.returncode == 1
    assert "length.json, which says how long this study trains, is damaged" in broken.stderr


def lengths_of_copy(runs: Path) -> dict[str, Any]:
    store = tracking(runs)
    text = store.study_artifact("length.json")
    assert text is not None
    return json.loads(text)


def test_a_study_that_is_too_small_says_so_and_trains_the_recipes_number(runs: Path):
    killed = run(runs, "--search.final_seeds", "2", "--iterations", "1", size=AUTO, moment="epoch:1")
    assert killed.returncode == KILLED
    assert "is too small: two lengths of two policies would cost more than 20% of it" in killed.stdout
    assert lengths(runs)["epochs"] == 30
    assert not lengths(runs)["found"]


def test_a_given_number_is_kept_and_compared_with_twice_as_many(runs: Path):
    given = AUTO.replace("--epochs auto", "--epochs 1")
    killed = run(runs, "--search.check_length", "on", size=given, moment="after:prepare")
    assert killed.returncode == KILLED, killed.stderr
    found = lengths(runs)
    assert (found["epochs"], found["reference"], found["found"]) == (1, 1, False)
    assert sorted({each["epochs"] for each in found["tried"]}) == [1, 2]
    assert found["sentence"] in killed.stdout
    assert epochs_of(runs, "reference")["no augmentation"] == {1}

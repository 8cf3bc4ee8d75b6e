"""How long a study trains: found first, written down, read again; or given, and looked into."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from agent.memory.candidate import Candidate
from agent.screen.terminal import silent
from agent.training.sources import found_by
from tests.agent.studies import SHORT, TINY, agent, copy_trials, ledger, outcome, resume, run, tracking

_MODEL = TINY.replace("--epochs 2", "--epochs auto")
AUTO = (
    f"--dataset demo {_MODEL} --search.shortest_steps 30 --seeds 1 --iterations 2 --search.final_seeds 6 "
    "--search.top_k 1 --search.baselines trivial_augment_wide --search.backgrounds off --proposer tpe"
)
FIRST = 3
"""Epochs of 10 steps: the demo has 100 training images, and batches are of 10. Fewer steps teach nothing."""
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
def prepared(once) -> Path:
    """The runs folder of a study that has found its length and trained its reference, and was killed then."""

    def make(folder: Path) -> None:
        killed = run(folder, size=AUTO, moment="before:propose")
        assert killed.returncode == KILLED, killed.stderr + killed.stdout
        (folder / "stdout").write_text(killed.stdout)

    return once("prepared-length", make)


def test_lengths_double_until_the_default_gains_nothing_more_or_the_share_is_spent(prepared: Path):
    found = lengths(prepared)
    tried = [each["epochs"] for each in found["tried"] if each["arm"] == "default"]
    assert tried == [FIRST * 2**number for number in range(len(tried))]
    assert len(tried) >= 2
    assert found["found"]
    assert found["epochs"] in tried
    assert found["reference"] in [e["epochs"] for e in found["tried"] if e["arm"] == "no augmentation"]
    # Beyond the trials that the study takes anyway, it adds a fifth at most.
    needed = found["seeds"] * 100 * (found["epochs"] + found["reference"])
    assert found["samples"] - needed <= 0.2 * found["planned"]


def test_the_outcome_is_told_in_the_terminal_and_the_store(prepared: Path):
    found = lengths(prepared)
    assert f"length: {found['sentence']}" in (prepared / "stdout").read_text()
    assert "epochs found first (phase length)" in (prepared / "stdout").read_text()
    store = tracking(prepared)
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


def test_no_augmentation_keeps_its_own_length_and_trials_for_the_length_are_no_candidates(prepared: Path):
    found, store = lengths(prepared), tracking(prepared)
    assert epochs_of(prepared, "reference") == {
        "no augmentation": {found["reference"]},
        "trivial_augment_wide": {found["epochs"]},
    }
    assert {record.name for record in store.records()} == {"no augmentation", "trivial_augment_wide"}
    assert {item.name for item in store.records("length")} == {
        f"{each['arm']}, {each['epochs']} epoch{'s' if each['epochs'] > 1 else ''}" for each in found["tried"]
    }


def test_killed_in_the_phase_the_study_finds_the_same(prepared: Path, runs: Path):
    copy_trials(prepared, runs)
    store = tracking(prepared)
    where = "tags.study = 's' and tags.kind = 'trial' and tags.phase = 'length'"
    for item in store.client.search_runs([store.experiment_id], where):
        result = runs / "trials" / item.data.tags["trial_key"] / "result.json"
        if len(json.loads(result.read_text())["epochs"]) == 2 * FIRST:
            result.unlink()  # so that there is something to train
    killed = run(runs, size=AUTO, moment="epoch:1")
    assert killed.returncode == KILLED, killed.stderr
    assert not (runs / "studies" / "s" / "length.json").exists()
    killed = resume(runs, moment="after:prepare")
    assert killed.returncode == KILLED, killed.stderr
    assert lengths(runs) == lengths(prepared)
    assert outcome(runs) == outcome(prepared)


def test_a_study_that_is_resumed_reads_its_length_and_ends_with_it_in_the_report(prepared: Path, runs: Path):
    copy_trials(prepared, runs)
    killed = run(runs, size=AUTO, moment="before:propose")
    assert killed.returncode == KILLED, killed.stderr
    file = runs / "studies" / "s" / "length.json"
    found = lengths(runs)
    file.write_text("{")
    broken = resume(runs)
    assert broken.returncode == 1
    assert "length.json, which says how long this study trains, is damaged" in broken.stderr
    file.unlink()  # the copy in the store is read
    killed = resume(runs, moment="before:vet")
    assert killed.returncode == KILLED, killed.stderr
    # What is read is what is trained: another number, written by hand, is believed.
    file.write_text(json.dumps({**found, "epochs": 2}))
    used = len(ledger(runs))
    done = agent("resume", "s", "--runs-dir", str(runs), "--iterations", "1", "--budget.trials", "9")
    assert done.returncode == 0, done.stderr
    assert len(ledger(runs)) > used
    assert epochs_of(runs, "search") == {"iteration 1": {2}}
    assert epochs_of(runs, "final")["no augmentation"] == {found["reference"]}
    report = (runs / "studies" / "s" / "report.md").read_text()
    assert "## How long to train" in report
    assert "![validation loss by length of training](length.png)" in report
    assert "| length of training | 2 epochs, found first" in report


def test_a_study_that_is_too_small_says_so_and_trains_the_recipes_number(runs: Path):
    killed = run(runs, "--search.final_seeds", "2", size=AUTO, moment="epoch:1")
    assert killed.returncode == KILLED
    assert "is too small: two lengths of two policies would cost more than 20% of it" in killed.stdout
    assert lengths(runs)["epochs"] == 30
    assert not lengths(runs)["found"]


def test_a_limit_in_time_that_is_too_tight_is_told_before_anything_is_trained(runs: Path):
    killed = run(runs, "--budget.training_seconds", "1", size=AUTO, moment="epoch:1")
    assert killed.returncode == KILLED, killed.stderr
    told = killed.stdout.index("One trial trains ")
    assert told < killed.stdout.index("reference and baselines")
    assert "length: 3 epochs" not in killed.stdout
    assert "The limit in time is enough for " in killed.stderr
    assert "Raise the limit (--budget.training_seconds " in killed.stderr
    found = lengths(runs)
    assert not found["found"]
    assert found["epochs"] < FIRST
    assert json.loads((runs / "studies" / "s" / "speed.json").read_text())["first"]
    assert not (runs / "studies" / "s" / "speed").exists()


def test_the_best_at_the_end_is_also_trained_at_another_length_and_a_kill_changes_nothing(runs: Path):
    options = (
        "--search.second_lengths",
        "on",
        "--iterations",
        "1",
        "--proposer",
        "tpe",
        "--report.explain",
        "off",
    )
    killed = run(runs, *options, size=SHORT, moment="before:finalise")
    assert killed.returncode == KILLED, killed.stderr
    killed = resume(runs, moment="epoch:1")
    assert killed.returncode == KILLED, killed.stderr
    assert "after 2 epochs: it is also trained for " in killed.stdout
    done = resume(runs)
    assert done.returncode == 0, done.stderr
    (name,) = (each for each in epochs_of(runs, "choice") if each.startswith("iteration 1, "))
    (epochs,) = epochs_of(runs, "choice")[name]
    assert epochs in (1, 4)
    assert name == f"iteration 1, {epochs} epoch{'s' if epochs > 1 else ''}"
    fresh = epochs_of(runs, "final")
    assert fresh.get(name, {epochs}) == {epochs}
    report = (runs / "studies" / "s" / "report.md").read_text()
    assert f"| {name} |" in report.replace("**", "")
    policy = json.loads((runs / "studies" / "s" / "policy.json").read_text())
    (trained,) = fresh[tracking(runs).study_tags()["recommended"]]
    assert policy["about"]["length"].startswith(f"{trained} epoch")
    read = {each.name: Candidate.of(each).epochs for each in tracking(runs).records("choice")}
    assert read[name] == epochs
    assert {each.epochs for each in tracking(runs).records()} == {None}
    # Elsewhere it is trained for the same share: half of it, or twice.
    own = {None: 1, 10: 5} if epochs == 1 else {None: None, 10: None}
    for here, wanted in own.items():
        found = found_by("s", name, runs, silent(), here)
        assert (found.epochs, found.proposal.length) == (wanted, 1 if epochs == 1 else 2)
    done = agent("evaluate", "s", "--runs-dir", str(runs))
    assert done.returncode == 0, done.stderr


def test_a_given_number_is_kept_and_compared_with_twice_as_many(prepared: Path, runs: Path):
    copy_trials(prepared, runs)
    given = AUTO.replace("--epochs auto", "--epochs 1")
    killed = run(runs, "--search.check_length", "on", size=given, moment="after:prepare")
    assert killed.returncode == KILLED, killed.stderr
    found = lengths(runs)
    assert (found["epochs"], found["reference"], found["found"]) == (1, 1, False)
    assert sorted({each["epochs"] for each in found["tried"]}) == [1, 2]
    assert found["sentence"] in killed.stdout
    assert epochs_of(runs, "reference")["no augmentation"] == {1}


def test_with_a_given_number_the_report_says_how_no_augmentation_did_at_its_best_epoch(finished: Path):
    report = (finished / "studies" / "s" / "report.md").read_text()
    assert "| length of training | 2 epochs, the same for all |" in report
    assert "| no augmentation at its best length | highest validation accuracy " in report
    assert "## How long to train" not in report

"""A study that ran through: what it leaves, and what the commands say of it."""

import json
import shutil

import pytest

from evaluators.noise import pooled_gain, pooled_noise
from tests.agent.studies import SMALL, agent, conclusions, ledger, outcome, resume, tracking
from tools.policy.canonical import canonical_json
from tools.policy.export import read_json

TRIALS = 8 + 4 + 9
"""In the search; one more seed of the reference, the baseline and two finalists; three fresh ones of the reference, the
baseline and a proposal."""


def test_a_study_ends_with_a_report_that_says_plainly_what_was_shown(finished):
    report = (finished / "studies/s/report.md").read_text()
    first = report.splitlines()[2]
    assert first.startswith("**Use ")
    assert any(word in first for word in ("better than", "worse than", "not shown to differ from"))
    study = tracking(finished)
    sentence = study.study_tags()["sentence"]
    assert first.replace("\\", "") == f"**{sentence}**"
    note = study.client.get_run(study.study_run).data.tags["mlflow.note.content"]
    assert note.replace("\\", "").startswith(f"**{sentence}**")
    assert sentence in " ".join((finished / "studies/s/policy.py").read_text().replace("\n# ", " ").split())


def test_what_is_handed_over_is_what_is_recommended(finished):
    study, folder = tracking(finished), finished / "studies/s"
    recommended = study.study_tags()["recommended"]
    record = next(each for each in study.records() if each.name == recommended)
    content = json.loads((folder / "policy.json").read_text())
    assert content["about"]["recommended"] == recommended
    for name in ("data", "seeds", "model", "recipe", "result"):
        assert content["about"][name]
    policy = read_json((folder / "policy.json").read_text())
    assert canonical_json(policy) == canonical_json(record.proposal.as_policy())
    scope: dict = {}
    exec(compile((folder / "policy.py").read_text(), "policy.py", "exec"), scope)
    assert callable(scope["augment"])
    assert (folder / "contact_sheets/recommended.png").exists() == bool(policy.operations)
    for name in ("search.png", "policy.json", "policy.py", "ledger.jsonl", "config.yaml"):
        assert (finished / "studies/s" / name).stat().st_size > 0


def test_mlflow_holds_the_study_its_iterations_and_their_trials(finished):
    store = tracking(finished)
    assert store.client.get_experiment(store.experiment_id).name == "demo/tiny_net.py:make"
    runs = store.client.search_runs([store.experiment_id], "tags.study = 's'", max_results=1000)
    kinds = [item.data.tags["kind"] for item in runs]
    # reference, baseline, 2 iterations with 2 seeds; these 4 with 3 seeds for the choice; reference, baseline and a
    # proposal with 3 fresh seeds
    assert (kinds.count("study"), kinds.count("iteration"), kinds.count("trial")) == (
        1,
        4 + 4 + 3,
        8 + 12 + 9,
    )
    assert {item.info.status for item in runs} == {"FINISHED"}
    study = store.client.get_run(store.study_run)
    assert study.data.params["search.seeds"] == "2"
    artifacts = {item.path for item in store.client.list_artifacts(store.study_run)}
    assert {"report.md", "search.png", "leaderboard.json", "ledger.json", "policy.json"} <= artifacts


def test_test_scores_stand_on_final_runs_only(finished):
    tested = {identity for identity, metrics in outcome(finished).items() if "test_accuracy" in metrics}
    assert tested
    assert {phase for _, phase, *_ in tested} == {"final"}


def test_what_is_tested_was_trained_under_seeds_that_nothing_was_chosen_by(finished):
    seeds = {"reference": set(), "search": set(), "choice": set(), "final": set()}
    for kind, phase, _, seed, *_ in outcome(finished):
        if kind == "trial":
            seeds[phase].add(int(seed))
    assert seeds["reference"] == seeds["search"] == {0, 1}
    assert seeds["choice"] == {0, 1, 2}
    assert len(seeds["final"]) == 3
    assert not seeds["final"] & seeds["choice"]
    report = (finished / "studies/s/report.md").read_text()
    (row,) = (line for line in report.splitlines() if line.startswith("| | 3"))
    assert {int(cell) for cell in row.strip("| ").split(" | ")} == seeds["final"]


def test_reference_baseline_and_a_proposal_are_tested_under_the_same_seeds(finished):
    seeds: dict[str, set[str]] = {}
    for (kind, _, candidate, seed, *_), metrics in outcome(finished).items():
        if kind == "trial" and "test_accuracy" in metrics:
            seeds.setdefault(candidate, set()).add(seed)
    assert len(seeds) == 3
    assert len(set(map(frozenset, seeds.values()))) == 1


def test_the_intervals_of_the_search_rest_on_all_candidates(finished):
    """MLflow and the records that are read back say the same: by the noise of all, and not of those so far."""
    store = tracking(finished)
    records = [record for record in store.records() if record.arm != "reference"]
    noise = pooled_noise({record.name: record.scores for record in store.records()})
    reference = next(record for record in store.records() if record.arm == "reference")
    for record in records:
        gain = pooled_gain(record.scores, reference.scores, noise)
        assert gain is not None
        assert record.gain_interval == (gain.low, gain.high)
    logged = {
        candidate: (metrics.get("gain_low"), metrics.get("gain_high"))
        for (kind, phase, candidate, *_), metrics in outcome(finished).items()
        if kind == "iteration" and phase in ("reference", "search") and "gain_low" in metrics
    }
    assert logged == {record.name: pytest.approx(record.gain_interval) for record in records}


def test_of_the_finalists_only_one_is_ever_tested(finished):
    tested = {
        candidate
        for (kind, _, candidate, *_), metrics in outcome(finished).items()
        if kind == "iteration" and "test_accuracy" in metrics
    }
    best = tracking(finished).study_tags()["best_proposal"]
    assert tested == {"no augmentation", "trivial_augment_wide", best}


def test_the_ledger_counts_every_trial_once(finished):
    events = ledger(finished)
    trials = {event["id"] for event in events if event["kind"] == "trial"}
    assert len(trials) == TRIALS


def test_a_second_study_trains_nothing_that_the_first_trained(finished, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    again = agent("run", *SMALL.split(), "--proposer", "tpe", "--study", "second", "--runs-dir", str(runs))
    assert again.returncode == 0, again.stderr
    events = ledger(runs, "second")
    reused = {event["id"]: event["reused"] for event in events if event["kind"] == "trial"}
    assert len(reused) == TRIALS
    assert all(reused.values())
    caution = "> Caution: this test set has been opened by 1 earlier study: s ("
    first, second = conclusions(runs), conclusions(runs, "second")
    assert not [line for line in first if line.startswith(caution)]
    (said,) = (at for at, line in enumerate(second) if line.startswith(caution))
    assert second[:said] + second[said + 2 :] == first
    warned, asked = again.stderr.find("opened by 1 earlier study"), again.stdout.find("is opened now")
    assert warned >= 0
    assert asked >= 0
    shown = agent("show", "second", "--runs-dir", str(runs))
    assert "opened by 1 earlier study: s (" in " ".join((shown.stdout + shown.stderr).split())


def test_a_finished_study_has_nothing_to_resume(finished):
    again = resume(finished)
    assert again.returncode == 0
    assert "nothing to resume" in again.stdout + again.stderr


def test_an_unknown_study_names_the_nearest(finished):
    missing = agent("resume", "ss", "--runs-dir", str(finished))
    assert missing.returncode == 2
    assert "Did you mean s" in missing.stderr


def test_show_and_list_tell_what_was_found(finished):
    shown = agent("show", "s", "--runs-dir", str(finished))
    assert shown.returncode == 0
    assert "iteration 2" in shown.stdout
    tags = tracking(finished).study_tags()
    assert " ".join(tags["sentence"].split()[:4]) in " ".join(shown.stdout.split())
    listed = agent("list", "--runs-dir", str(finished))
    assert "finished" in listed.stdout
    assert tags["recommended"] in listed.stdout

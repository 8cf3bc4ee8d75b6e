"""A study that ran through: what it leaves, and what the commands say of it."""

import pytest

from evaluators.noise import pooled_gain, pooled_noise
from tests.agent.studies import SMALL, agent, conclusions, ledger, outcome, resume, tracking

TRIALS = 8 + 2 + 9
"""In the search, one more seed of two finalists, and three fresh ones of the reference, the baseline and the choice."""


def test_a_study_ends_with_a_report_that_says_plainly_what_was_shown(finished):
    report = (finished / "studies/s/report.md").read_text()
    assert "no augmentation" in report
    assert any(word in report for word in ("is better than", "is worse than", "It is not shown that"))
    for name in ("search.png", "policy.json", "policy.py", "ledger.jsonl", "config.yaml"):
        assert (finished / "studies/s" / name).stat().st_size > 0


def test_mlflow_holds_the_study_its_iterations_and_their_trials(finished):
    store = tracking(finished)
    assert store.client.get_experiment(store.experiment_id).name == "demo/shufflenet_v2_x0_5"
    runs = store.client.search_runs([store.experiment_id], "tags.study = 's'", max_results=1000)
    kinds = [item.data.tags["kind"] for item in runs]
    # reference, baseline, 2 iterations with 2 seeds; these 2 with 3 seeds for the choice; reference, baseline and
    # choice with 3 fresh seeds
    assert (kinds.count("study"), kinds.count("iteration"), kinds.count("trial")) == (1, 4 + 2 + 3, 8 + 6 + 9)
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


def test_reference_baseline_and_choice_are_tested_under_the_same_seeds(finished):
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


def test_the_finalist_that_was_not_chosen_is_never_tested(finished):
    tested = {
        candidate
        for (kind, _, candidate, *_), metrics in outcome(finished).items()
        if kind == "iteration" and "test_accuracy" in metrics
    }
    chosen = tracking(finished).study_tags()["chosen"]
    assert tested == {"no augmentation", "trivial_augment_wide", chosen}


def test_the_ledger_counts_every_trial_once(finished):
    events = ledger(finished)
    trials = {event["id"] for event in events if event["kind"] == "trial"}
    assert len(trials) == TRIALS


def test_a_second_study_trains_nothing_that_the_first_trained(finished):
    again = agent(
        "run", *SMALL.split(), "--proposer", "tpe", "--study", "second", "--runs-dir", str(finished)
    )
    assert again.returncode == 0, again.stderr
    events = ledger(finished, "second")
    reused = {event["id"]: event["reused"] for event in events if event["kind"] == "trial"}
    assert len(reused) == TRIALS
    assert all(reused.values())
    caution = "> Caution: this test set has been opened by 1 earlier study: s ("
    first, second = conclusions(finished), conclusions(finished, "second")
    assert not [line for line in first if line.startswith(caution)]
    (said,) = (at for at, line in enumerate(second) if line.startswith(caution))
    assert second[:said] + second[said + 2 :] == first
    warned, asked = again.stderr.find("opened by 1 earlier study"), again.stdout.find("is opened now")
    assert warned >= 0
    assert asked >= 0
    shown = agent("show", "second", "--runs-dir", str(finished))
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
    listed = agent("list", "--runs-dir", str(finished))
    assert "finished" in listed.stdout

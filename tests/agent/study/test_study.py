"""A study that ran through: what it leaves, and what the commands say of it."""

from tests.agent.studies import SMALL, agent, conclusions, ledger, outcome, resume, tracking


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
    # reference, baseline, 2 iterations; and again all of them in the final phase, with 3 seeds instead of 2
    assert (kinds.count("study"), kinds.count("iteration"), kinds.count("trial")) == (1, 8, 8 + 12)
    assert {item.info.status for item in runs} == {"FINISHED"}
    study = store.client.get_run(store.study_run)
    assert study.data.params["search.seeds"] == "2"
    artifacts = {item.path for item in store.client.list_artifacts(store.study_run)}
    assert {"report.md", "search.png", "leaderboard.json", "ledger.json", "policy.json"} <= artifacts


def test_test_scores_stand_on_final_runs_only(finished):
    for (kind, phase, candidate, *_), metrics in outcome(finished).items():
        if "test_accuracy" in metrics:
            assert phase == "final", (kind, phase, candidate)


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
    assert len(trials) == 8 + 4


def test_a_second_study_trains_nothing_that_the_first_trained(finished):
    again = agent(
        "run", *SMALL.split(), "--proposer", "tpe", "--study", "second", "--runs-dir", str(finished)
    )
    assert again.returncode == 0, again.stderr
    events = ledger(finished, "second")
    reused = {event["id"]: event["reused"] for event in events if event["kind"] == "trial"}
    assert len(reused) == 8 + 4
    assert all(reused.values())
    assert conclusions(finished, "second") == conclusions(finished)


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

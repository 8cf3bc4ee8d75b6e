"""How a study ends where not all went well: budgets, failed trials, nothing to choose, an older version's traces."""

import json
from pathlib import Path

from agent.memory.candidate import Candidate, reference
from tests.agent.studies import (
    SHORT,
    SMALL,
    agent,
    conclusions,
    copy_trials,
    ledger,
    outcome,
    resume,
    run,
    tracking,
)
from tools.training.trial_store import TrialStore
from tools.training.types import TrialResult

BARE = f"{SHORT} --search.backgrounds off --search.final_seeds 3"


def report(runs: Path) -> str:
    return (runs / "studies/s/report.md").read_text()


def seeds_tested(runs: Path) -> dict[str, set[int]]:
    """Candidate → seeds of its trials that have a score on the test set."""
    found: dict[str, set[int]] = {}
    for (kind, _, candidate, seed, *_), metrics in outcome(runs).items():
        if kind == "trial" and "test_accuracy" in metrics:
            found.setdefault(candidate, set()).add(int(seed))
    return found


def test_a_budget_that_cuts_the_finish_leaves_fewer_fresh_seeds_and_says_so(runs):
    """Six trials: the reference, one iteration, and two of three fresh seeds of both; never one of the search."""
    done = run(runs, "--proposer", "random", "--budget.trials", "6", size=BARE)
    assert done.returncode == 0, done.stderr
    tested = seeds_tested(runs)
    assert tested.keys() == {"no augmentation", "iteration 1"}
    assert all(len(seeds) == 2 and min(seeds) >= 3_000_000_000 for seeds in tested.values())
    for name in tested:
        line = f"{name} was trained under 2 of 3 fresh seeds: the budget of 6 trials is spent (6)"
        assert f"> Caution: {line}" in report(runs)
        assert line in done.stderr
    assert "an interval takes 3 seeds" in report(runs)
    assert "not shown to differ" in tracking(runs).study_tags()["sentence"]
    taken_away = json.loads((runs / "studies/s/policy.json").read_text())["about"]
    assert taken_away["seeds"] == "test under fresh seeds 3000000000, 3000000001"


def test_what_is_left_of_a_budget_goes_to_the_test_before_it_goes_to_the_choice(runs, finished):
    """The seeds of the search are enough to choose by; a test needs fresh ones. The rival comes before the rest."""
    copy_trials(finished, runs)
    for folder in (runs / "trials").iterdir():
        if json.loads((folder / "result.json").read_text())["seed"] >= 2:
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
    done = run(runs, "--proposer", "tpe", "--budget.trials", "7", size=SMALL)
    assert done.returncode == 0, done.stderr
    assert "choice" in {phase for _, phase, *_ in outcome(runs)}
    assert "what is left of the budget is kept for the test" in report(runs)
    tested = seeds_tested(runs)
    assert {name: len(seeds) for name, seeds in tested.items()} == {
        "no augmentation": 3,
        tracking(runs).study_tags()["best_proposal"]: 2,
        "trivial_augment_wide": 2,
    }
    assert (
        len({event["id"] for event in ledger(runs) if event["kind"] == "trial" and not event["reused"]}) == 7
    )


def test_a_trial_that_fails_under_a_fresh_seed_is_said_and_its_pair_does_not_count(runs, finished):
    copy_trials(finished, runs)
    for folder in (runs / "trials").iterdir():
        if json.loads((folder / "result.json").read_text())["seed"] == 3_000_000_001:
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
    done = run(runs, "--proposer", "tpe", size=SMALL, moment="fails:3000000001")
    assert done.returncode == 0, done.stderr
    tested = seeds_tested(runs)
    assert tested["no augmentation"] == {3_000_000_000, 3_000_000_002}
    assert len(tested["trivial_augment_wide"]) == 3
    assert "> Caution: no augmentation failed under 1 of 3 fresh seeds (worker_died" in report(runs)
    assert "over 2 paired fresh seeds" in report(runs)


def test_a_finish_that_was_killed_chooses_and_tests_the_same_proposal(runs):
    """More seeds show that the best of the search was lucky; a resumed study must not take another in its place."""
    size = SHORT.replace("--iterations 2", "--iterations 4").replace("choosing_seeds 1", "choosing_seeds 6")
    words = ("--proposer", "random", "--search.backgrounds", "off")
    killed = run(runs, *words, size=size, moment="after:finalise")
    assert killed.returncode < 0
    before = {
        phase: {record.name for record in tracking(runs).records(phase)} for phase in ("choice", "final")
    }
    tested = tracking(runs).study_tags()["best_proposal"]
    assert any(name.startswith("iteration") for name in before["choice"])
    assert resume(runs).returncode == 0
    after = {
        phase: {record.name for record in tracking(runs).records(phase)} for phase in ("choice", "final")
    }
    assert after == before
    assert tracking(runs).study_tags()["best_proposal"] == tested


def test_without_iterations_the_baselines_are_compared(runs, finished):
    copy_trials(finished, runs)
    done = run(runs, "--proposer", "tpe", "--iterations", "0", size=SMALL)
    assert done.returncode == 0, done.stderr
    assert report(runs).splitlines()[2].startswith("**Use ")
    assert "The search found nothing" not in report(runs)
    assert "Ended because the search has no iterations." in report(runs)
    assert seeds_tested(runs).keys() == {"no augmentation", "trivial_augment_wide"}
    assert tracking(runs).study_tags()["recommended"] in ("no augmentation", "trivial_augment_wide")
    assert tracking(runs).study_tags()["best_proposal"] == ""


def test_everything_is_chosen_by_equal_seeds(runs, finished):
    copy_trials(finished, runs)
    done = run(runs, "--proposer", "tpe", "--iterations", "1", size=SMALL)
    assert done.returncode == 0, done.stderr
    seeds: dict[str, set[str]] = {}
    for kind, phase, candidate, seed, *_ in outcome(runs):
        if kind == "trial" and phase == "choice":
            seeds.setdefault(candidate, set()).add(seed)
    three = {"0", "1", "2"}
    assert seeds == {name: {*three} for name in ("no augmentation", "trivial_augment_wide", "iteration 1")}
    assert (
        f"**{tracking(runs).study_tags()['recommended'].replace('_', chr(92) + '_')}** (recommended)"
        in report(runs)
    )


def test_where_time_is_up_before_the_finish_the_test_set_stays_sealed(runs):
    done = run(runs, "--proposer", "random", "--epochs", "500", "--budget.training_seconds", "2", size=BARE)
    assert done.returncode == 0, done.stderr
    assert "Test set: 1000 images, not opened" in report(runs)
    assert "test_opened" not in tracking(runs).study_tags()
    assert not (runs / "test_openings.jsonl").exists()
    assert "No training finished, so that nothing can be recommended." in " ".join(done.stdout.split())
    assert "(recommended)" not in done.stdout
    assert "(recommended)" not in report(runs)
    assert "torchvision" not in report(runs)
    assert "not trained" in done.stdout
    assert "failed" not in done.stdout
    assert not list((runs / "studies/s").glob("policy.*"))
    for command in ("export", "fit"):
        refused = agent(command, "s", "--runs-dir", str(runs))
        assert refused.returncode == 2, refused.stdout
        assert "recommends nothing" in refused.stderr


def test_what_a_budget_left_untested_goes_on_with_a_larger_one(runs, finished):
    cut = run(runs, "--proposer", "tpe", "--budget.trials", "1", size=SMALL)
    assert cut.returncode == 0, cut.stderr
    assert "Nothing was tested" in cut.stderr
    assert "agent resume s --runs-dir" in " ".join(cut.stderr.split())
    same = resume(runs)
    assert same.returncode == 0, same.stderr
    assert "With a larger one it goes on." in same.stdout
    copy_trials(finished, runs)
    last = agent("resume", "s", "--runs-dir", str(runs), "--budget.trials", "100")
    assert last.returncode == 0, last.stderr
    assert conclusions(runs) == conclusions(finished)


def test_a_study_of_an_earlier_version_is_never_tested_by_seeds_of_its_search(runs, finished):
    """Such a version trained seeds of the search in the final phase, and may have been stopped right after."""
    copy_trials(finished, runs)
    killed = run(runs, "--proposer", "tpe", moment="before:finalise")
    assert killed.returncode < 0
    store = tracking(runs)
    for who in (reference(), *(Candidate.of(record) for record in store.records() if record.number)):
        parent = store.open_candidate(who, "final")
        for seed in (0, 1):
            first = next(r for r in store.records() if r.name == who.name)
            key, result = trial_of(runs, who, seed)
            assert seed in first.scores
            trial = store.open_trial(parent, who, "final", key, seed)
            store.end_trial(trial, result, ("a", "b"))
    last = resume(runs)
    assert last.returncode == 0, last.stderr
    assert conclusions(runs) == conclusions(finished)
    assert all(min(seeds) >= 3_000_000_000 for seeds in seeds_tested(runs).values())


def trial_of(runs: Path, who: Candidate, seed: int) -> tuple[str, TrialResult]:
    """The trial of a candidate in the search, as the store has it."""
    for (kind, phase, candidate, its_seed, key, _), _ in outcome(runs).items():
        if kind == "trial" and phase != "final" and (candidate, its_seed) == (who.name, str(seed)):
            result = TrialStore(runs / "trials").result(key)
            assert result is not None
            return key, result
    raise AssertionError(f"{who.name} has no trial of seed {seed}")

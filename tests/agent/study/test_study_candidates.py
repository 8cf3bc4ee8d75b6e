"""Whole studies with several candidates in an iteration: they race, or the cheap measure decides; none is lost."""

import signal
from pathlib import Path

import pytest

from agent.memory.cheap_file import CheapFile, read_pairs, write_pairs
from evaluators.cheap import Pair
from tests.agent import studies
from tests.agent.studies import (
    SHORT,
    agent,
    conclusions,
    copy_trials,
    environment,
    ledger,
    outcome,
    resume,
    tracking,
)
from tests.loopback.autopilot import autopilot, draw_proposal
from tests.loopback.clients import FAKE_KEY, KEY_VARIABLES
from tests.loopback.protocols import Ask
from tests.loopback.replies import Answer, Reply, ToolCall
from tests.loopback.server import LoopbackServer
from tools.policy.catalogue import default_operation

SIZE = SHORT.replace("--search.baselines []", "--search.baselines default")
RACE = ["--proposer", "tpe", "--iterations", "1", "--seeds", "2", "--search.candidates", "4"]
CHEAP = [
    "--proposer",
    "random",
    "--iterations",
    "2",
    "--seeds",
    "1",
    "--search.candidates",
    "5",
    "--epochs",
    "4",
]
AGREE = tuple(Pair(str(number), number / 20, number / 18) for number in range(14))
OPPOSE = tuple(Pair(str(number), number / 20, -number / 18) for number in range(14))


def stopped(runs: Path) -> dict[str, str]:
    return {record.name: record.stopped for record in tracking(runs).records() if record.number}


def stored_elsewhere(runs: Path, pairs: tuple[Pair, ...]) -> None:
    """Another study of these runs has measured candidates in both ways."""
    folder = runs / "studies" / "other"
    folder.mkdir(parents=True)
    write_pairs(folder, CheapFile("made for a test", pairs))


@pytest.fixture(scope="module")
def raced(once, empty_store) -> Path:
    def make(folder: Path) -> None:
        (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
        done = studies.run(folder, *RACE, size=SIZE)
        assert done.returncode == 0, done.stderr + done.stdout
        (folder / "stdout").write_text(done.stdout)

    return once("raced", make)


@pytest.fixture(scope="module")
def learning(once, empty_store) -> Path:
    """Killed when the first iteration, whose candidates it measures in both ways, has trained."""

    def make(folder: Path) -> None:
        (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
        done = studies.run(folder, *CHEAP, size=SIZE, moment="before:judge")
        assert done.returncode == -signal.SIGKILL, done.stderr + done.stdout

    return once("learning", make)


def test_the_better_half_goes_on_to_the_next_seed_and_the_others_are_recorded(raced):
    records = {r.name: r for r in tracking(raced).records() if r.number}
    assert set(records) == {f"iteration 1.{place}" for place in range(1, 5)}
    assert sorted(len(r.trials) for r in records.values()) == [1, 1, 2, 2]
    for record in records.values():
        assert bool(record.stopped) == (len(record.trials) == 1)
        if record.stopped:
            assert record.stopped.startswith("stopped after one seed (")
            assert "points over the default)" in record.stopped
    assert "would take" in (raced / "stdout").read_text()
    runs = tracking(raced).client.search_runs([tracking(raced).experiment_id], "tags.phase = 'search'")
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_only_candidates_that_were_trained_under_all_seeds_are_chosen_among(raced):
    left_behind = {name for name, reason in stopped(raced).items() if reason}
    final = {record.name for record in tracking(raced).records("final")}
    assert len(left_behind) == 2
    assert not final & left_behind
    report = "\n".join(conclusions(raced))
    assert all(name in report for name in left_behind)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["epoch:11", "after:train"])
def test_a_study_that_is_killed_in_a_race_ends_like_one_that_was_not(runs, raced, moment):
    copy_trials(raced, runs)
    for trial in list((runs / "trials").iterdir())[::3]:
        for file in trial.iterdir():
            file.unlink()
    assert studies.run(runs, *RACE, size=SIZE, moment=moment).returncode == -signal.SIGKILL
    done = resume(runs)
    assert done.returncode == 0, done.stderr + done.stdout
    assert outcome(runs) == outcome(raced)
    assert conclusions(runs) == conclusions(raced)


def test_a_study_learns_how_well_the_cheap_measure_ranks(learning):
    known = read_pairs(learning / "studies" / "s")
    assert known is not None
    names = ["no augmentation", "default", *(f"iteration 1.{place}" for place in range(1, 6))]
    assert [pair.candidate for pair in known.own] == names
    kept = outcome(learning)
    full = {tags[2]: row for tags, row in kept.items() if tags[0] == "trial" and tags[1] != "probe"}
    cheap = {tags[2]: row for tags, row in kept.items() if tags[0] == "trial" and tags[1] == "probe"}
    for pair in known.own:
        assert pair.full == full[pair.candidate]["selected_validation_accuracy"]
        assert pair.cheap == cheap[f"{pair.candidate}, last quarter"]["selected_validation_accuracy"]
        assert pair.trials is not None
    trained = {event["id"].removeprefix("trial:") for event in ledger(learning) if event["kind"] == "trial"}
    keys = [key for pair in known.own for key in pair.trials or ()]
    assert len(set(keys)) == len(keys) == 2 * len(names)
    assert set(keys) == trained


def test_a_cheap_trial_counts_as_the_quarter_that_it_trains(learning):
    trials = {event["id"]: event for event in ledger(learning) if event["kind"] == "trial"}
    quarters = [event for event in trials.values() if "share" in event]
    whole = [event for event in trials.values() if "share" not in event]
    assert {event["share"] for event in quarters} == {0.25}
    assert (
        len(quarters) == 6
    )  # no augmentation and five candidates; the default's is whole, and is their trunk
    assert {event["samples"] for event in quarters} == {100}
    assert {event["samples"] for event in whole} == {400}
    assert list((learning / "trunks").glob("*/epoch-00003.pt"))


def test_a_trusted_cheap_measure_decides_what_is_trained_in_full(runs, learning):
    copy_trials(learning, runs)
    stored_elsewhere(runs, AGREE)
    done = studies.run(runs, *CHEAP, size=SIZE)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Candidates are measured cheaply first" in done.stdout
    records = [record for record in tracking(runs).records() if record.number]
    assert len(records) == 10
    for number in (1, 2):
        of_iteration = [record for record in records if record.number == number]
        [best] = [record for record in of_iteration if not record.stopped]
        assert best.mean is not None
        others = [record for record in of_iteration if record.stopped]
        assert all(record.mean is None and record.cheap_gain is not None for record in others)
        assert all(f"{best.name} did better" in record.stopped for record in others)
    assert all(record.name in "\n".join(conclusions(runs)) for record in records)
    assert not list((runs / "trunks").glob("*/epoch-*"))


def test_one_that_ranks_wrongly_is_not_used_and_the_study_says_so(runs, learning):
    copy_trials(learning, runs)
    stored_elsewhere(runs, OPPOSE)
    died = studies.run(runs, *CHEAP, size=SIZE, moment="after:prepare")
    assert died.returncode == -signal.SIGKILL
    assert "it is not shown that the last quarter of a training ranks like all of it" in died.stdout


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["after:train"])
def test_a_study_that_is_killed_between_the_two_measures_decides_alike(runs, learning, tmp_path, moment):
    copy_trials(learning, runs)
    stored_elsewhere(runs, AGREE)
    assert studies.run(runs, *CHEAP, size=SIZE, moment=moment).returncode == -signal.SIGKILL
    done = resume(runs)
    assert done.returncode == 0, done.stderr + done.stdout
    assert sum(not reason for reason in stopped(runs).values()) == 2


def test_a_language_model_writes_all_candidates_in_one_answer(runs, raced):
    copy_trials(raced, runs)
    with LoopbackServer(brain=autopilot) as server:
        llm = ("--llm", "openai:loopback", "--llm-base-url", server.openai_url, "--llm.retries", "0")
        more = ("--iterations", "1", "--search.candidates", "2", "--search.backgrounds", "off", *llm)
        done = studies.run(runs, *more, size=SIZE, env=environment(**dict.fromkeys(KEY_VARIABLES, FAKE_KEY)))
        asked = [request for request in server.requests if "submit_proposal" in request.ask.tools]
    assert done.returncode == 0, done.stderr + done.stdout
    records = [record for record in tracking(runs).records() if record.number]
    assert [record.name for record in records] == ["iteration 1.1", "iteration 1.2"]
    assert all(record.mean is not None for record in records)
    assert len(asked) == 2  # one look at the data, one answer


POLICY = [default_operation("brightness").model_dump(), default_operation("gaussian_blur").model_dump()]


def probing(ask: Ask) -> Reply:
    """Probes a policy twice in its first iteration where it may, then proposes."""
    first = "No policy was tried yet" in ask.conversation
    if first and "probe_policy" in ask.tools and ask.tool_results == 0:
        return Answer(tool_calls=tuple(ToolCall("probe_policy", {"operations": POLICY}) for _ in range(2)))
    return Answer(tool_calls=(ToolCall("submit_proposal", {**draw_proposal(ask), "notes": ""}),))


@pytest.mark.parametrize("pairs", [AGREE, pytest.param(OPPOSE, marks=pytest.mark.slow)])
def test_a_model_may_probe_only_where_the_cheap_measure_is_trusted(runs, learning, pairs):
    copy_trials(learning, runs)
    stored_elsewhere(runs, pairs)
    with LoopbackServer(brain=probing) as server:
        llm = ("--llm", "openai:loopback", "--llm-base-url", server.openai_url, "--llm.retries", "0")
        more = ("--epochs", "4", "--iterations", "10", "--seeds", "1", "--search.backgrounds", "off", *llm)
        env = environment(**dict.fromkeys(KEY_VARIABLES, FAKE_KEY))
        died = studies.run(runs, *more, size=SIZE, env=env, moment="before:vet")
        answers = [
            request
            for request in server.requests
            if "points over the default policy" in request.ask.conversation
        ]
    assert died.returncode == -signal.SIGKILL, died.stderr + died.stdout
    probes = [tags for tags in outcome(runs) if tags[1] == "probe" and tags[0] == "iteration"]
    if pairs is OPPOSE:
        assert (probes, answers) == ([], [])
        return
    assert len(probes) == 2  # the default and one policy, which was asked about twice
    assert len(answers) == 1
    assert {event["share"] for event in ledger(runs) if "share" in event} == {0.25}
    assert not [record for record in tracking(runs).records() if "probe" in record.name]


def test_an_arm_with_a_list_takes_no_candidates(runs):
    done = agent(
        "run", *SHORT.split(), "--proposer", "fixed", "--search.candidates", "2", "--runs-dir", str(runs)
    )
    assert done.returncode == 2
    assert "the arm 'fixed' trains every policy of its list in full" in done.stderr

"""Whole studies of the arm `online`: the model changes the policy in the middle of a training."""

import json
import re
import signal
from pathlib import Path

import pytest

from agent.cli import main
from agent.settings.config import SearchConfig
from tests.agent import studies
from tests.agent.studies import SHORT, conclusions, environment, ledger, outcome, resume, tracking
from tests.loopback.clients import FAKE_KEY, KEY_VARIABLES
from tests.loopback.protocols import Ask
from tests.loopback.replies import Answer, Reply, ToolCall
from tests.loopback.server import LoopbackServer
from tools.policy.canonical import one_line
from tools.policy.catalogue import default_operation
from tools.policy.policy import Policy

SIZE = SHORT.replace("--search.baselines []", "--search.baselines default")
EPOCHS = 4
FIRST = [default_operation("brightness"), default_operation("gaussian_blur")]
LATER = [default_operation("gamma"), default_operation("erasing")]
FAULTY = [default_operation("horizontal_flip"), default_operation("gamma")]
"""A flip changes the label of a digit."""


def answer(operations, why: str, notes: str = "") -> Reply:
    policy = [each.model_dump() for each in operations]
    return Answer(
        tool_calls=(
            ToolCall(
                "submit_proposal",
                {"hypothesis": why, "expected_gain": 1.0, "policy": policy, "notes": notes},
            ),
        )
    )


def brain(ask: Ask) -> Reply:
    """Changes the policy after epoch 1, fails after epoch 2, and ends with no augmentation from epoch 4 on."""
    looked = re.search(r"middle of a training: (\d+) of 4 epochs", ask.conversation)
    if not looked:
        return answer(FIRST, "Lighting varies.")
    match int(looked[1]):
        case 1:
            return answer(LATER, "It over-fits.", "Change early.")
        case 2:
            return answer(FAULTY, "Try mirrors.")
        case _:
            assert "was not used, and the policy stayed as it was" in ask.conversation
            return answer([], "Settle down.")


def run(runs: Path, server: LoopbackServer, moment: str = "none") -> studies.Ended:
    llm = ("--llm", "openai:loopback", "--llm-base-url", server.openai_url, "--llm.retries", "0")
    more = ("--proposer", "online", "--epochs", str(EPOCHS), "--search.adapt_every", "1", "--seeds", "2")
    wanted = (*more, "--iterations", "1", *llm, "--search.backgrounds", "off")
    return studies.run(
        runs, *wanted, size=SIZE, moment=moment, env=environment(**dict.fromkeys(KEY_VARIABLES, FAKE_KEY))
    )


@pytest.fixture(scope="module")
def adapted(once, empty_store) -> Path:
    def make(folder: Path) -> None:
        (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
        with LoopbackServer(brain=brain) as server:
            done = run(folder, server)
            asked = [request.ask.conversation for request in server.requests]
        assert done.returncode == 0, done.stderr + done.stdout
        (folder / "stdout").write_text(done.stdout)
        (folder / "asked.json").write_text(json.dumps(asked))

    return once("adapted", make)


def policy_of(runs: Path) -> Policy:
    [record] = [record for record in tracking(runs).records() if record.number]
    assert record.mean is not None
    return record.proposal.as_policy()


def test_the_proposal_has_the_policy_of_every_epoch_and_why_it_changed(adapted):
    [record] = [record for record in tracking(adapted).records() if record.number]
    phases = [
        (first, [each.name for each in policy.operations]) for first, policy in policy_of(adapted).phases
    ]
    assert phases == [(1, ["brightness", "gaussian_blur"]), (2, ["gamma", "erasing"]), (4, [])]
    assert "From epoch 2: It over-fits." in record.proposal.hypothesis
    assert "From epoch 4: Settle down." in record.proposal.hypothesis
    assert one_line(policy_of(adapted)).endswith(" | from epoch 4: no augmentation")


def test_the_model_reads_the_curves_of_all_seeds_and_of_the_default_policy(adapted):
    asked = json.loads((adapted / "asked.json").read_text())
    assert len(asked) == 1 + (EPOCHS - 1)
    assert "stops after epoch 1, 2, 3." in asked[0]
    last = asked[-1]
    assert "with 2 seeds" in last
    assert "Epochs 1 to 1: brightness" in last
    assert "Epochs 2 to 3: gamma" in last
    rows = re.findall(r"\| (\d) \| \d\.\d{4} \| \d\.\d{4} \| (0\.\d{4}) \| (0\.\d{4}) \|", last)
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert "Submit the policy of epochs 4 to 4" in last


def test_a_refused_answer_leaves_the_policy_and_is_told(adapted):
    shown = (adapted / "stdout").read_text()
    assert "after epoch 2: the policy stays" in shown
    assert "after epoch 1: changed to gamma" in shown
    [file] = (adapted / "studies/s/online").iterdir()
    decisions = json.loads(file.read_text())["decisions"]
    assert [bool(each["refused"]) for each in decisions] == [False, True, False]


def test_a_training_in_stages_costs_what_one_in_a_go_costs(adapted):
    events = {event["id"]: event for event in ledger(adapted) if event["kind"] == "trial"}.values()
    whole = [event["samples"] for event in events if "share" not in event]
    parts = [event for event in events if "share" in event]
    assert set(whole) == {100 * EPOCHS}
    assert sum(event["samples"] for event in parts) == 2 * 100 * EPOCHS
    assert sum(event["share"] for event in parts) == pytest.approx(2)


def test_the_finish_trains_the_whole_policy_under_fresh_seeds(adapted):
    finals = [tags for tags in outcome(adapted) if tags[1] == "final" and tags[0] == "trial"]
    assert any("iteration 1" in tags for tags in finals)
    handed = (adapted / "studies/s/report.md").read_text()
    assert "from epoch 4: no augmentation" in handed


def test_a_model_that_would_never_look_is_told_before_anything_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", FAKE_KEY)
    words = [
        "run",
        "--dataset",
        "demo",
        "--proposer",
        "online",
        "--llm",
        "openai:x",
        "--runs-dir",
        str(tmp_path),
    ]
    assert main([*words, "--epochs", "4", "--search.adapt_every", "4"]) == 2
    assert "search.adapt_every is 4, but a training has 4 epochs" in capsys.readouterr().err
    assert not (tmp_path / "studies").exists()


def test_states_and_weights_of_the_stages_are_deleted(adapted):
    assert not list((adapted / "trials").glob("*/state.pt"))


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["epoch:11", "after:realise", "epoch:9"])
def test_killed_in_the_middle_of_a_training_it_ends_alike_and_asks_nothing_twice(runs, adapted, moment):
    with LoopbackServer(brain=brain) as server:
        assert run(runs, server, moment).returncode == -signal.SIGKILL
        done = resume(runs, env=environment(**dict.fromkeys(KEY_VARIABLES, FAKE_KEY)))
        asked = [request.ask.conversation for request in server.requests]
    assert done.returncode == 0, done.stderr + done.stdout
    assert len(asked) == EPOCHS
    assert outcome(runs) == outcome(adapted)
    assert conclusions(runs) == conclusions(adapted)


def test_it_cannot_follow_several_trainings_at_once():
    with pytest.raises(ValueError, match="the arm 'online' follows one training at a time"):
        SearchConfig(proposer="online", candidates=2)

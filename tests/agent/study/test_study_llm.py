"""Whole studies with a language model: the real clients over real HTTP, a server that is well, ill, or silly."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from agent.memory.ledger import Ledger
from tests.agent import studies
from tests.agent.studies import (
    NODES,
    SHORT,
    Ended,
    agent,
    conclusions,
    copy_trials,
    environment,
    ledger,
    outcome,
    tracking,
)
from tests.loopback.autopilot import autopilot
from tests.loopback.bodies import calling, completion, openai_error
from tests.loopback.clients import FAKE_KEY, KEY_VARIABLES, PROVIDERS
from tests.loopback.protocols import Ask
from tests.loopback.replies import Answer, Failure, Raw, Reply
from tests.loopback.server import Brain, LoopbackServer

SETTINGS = "--llm.retries 0 --llm.timeout 20 --search.backgrounds off"


def run(runs: Path, server: LoopbackServer, *more: str, provider: str = "openai", **how: Any) -> Ended:
    url = server.openai_url if provider == "openai" else server.gemini_url
    llm = ("--llm", f"{provider}:loopback", "--llm-base-url", url)
    settings = (*SETTINGS.split(), *llm, *more)
    return studies.run(runs, *settings, size=SHORT, env=environment(**keys()), **how)


def resume(runs: Path, **how: Any) -> Ended:
    return agent("resume", "s", "--runs-dir", str(runs), env=environment(**keys()), **how)


def keys() -> dict[str, str]:
    return dict.fromkeys(KEY_VARIABLES, FAKE_KEY)


def calls(runs: Path) -> list[dict[str, Any]]:
    return [event for event in ledger(runs) if event["kind"] == "llm"]


@pytest.fixture(scope="module")
def undisturbed(once, finished, empty_store) -> Path:
    """A study that ran through; the other studies here make the same proposals and so find its trials."""

    def make(runs: Path) -> None:
        copy_trials(finished, runs)
        shutil.copy(empty_store, runs)
        with LoopbackServer(brain=autopilot) as server:
            done = run(runs, server)
        assert done.returncode == 0, done.stderr + done.stdout

    return once("undisturbed", make)


@pytest.fixture
def runs(runs, undisturbed) -> Path:
    copy_trials(undisturbed, runs)
    return runs


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_study_with_a_language_model_ends_with_a_report(runs, provider):
    with LoopbackServer(brain=autopilot) as server:
        done = run(runs, server, provider=provider)
        requests = server.requests
    assert done.returncode == 0, done.stderr + done.stdout
    assert "should help: the images vary in this way" in done.stdout
    assert f"{provider}:loopback" in (runs / "studies/s/report.md").read_text()
    # one look at the data and one proposal in each iteration; each call counted, and traced in MLflow
    assert len(requests) == len(calls(runs)) == 4
    store = tracking(runs)
    traces = store.client.search_traces([store.experiment_id])
    asked = [span for trace in traces for span in trace.data.spans if span.span_type == "CHAT_MODEL"]
    assert (len(traces), len(asked)) == (2, 4)
    assert all(span.outputs for span in asked)
    for trace in traces:
        (root,) = [span for span in trace.data.spans if span.parent_id is None]
        assert root.inputs == root.name
        assert "(p=" in root.outputs
        assert "should help" in root.outputs


def test_no_key_is_left_in_any_file(undisturbed):
    files = [path for path in undisturbed.rglob("*") if path.is_file()]
    assert len(files) > 50
    for path in files:
        assert FAKE_KEY.encode() not in path.read_bytes(), path


def test_killed_in_every_node_it_proposes_the_same_again(undisturbed, runs):
    with LoopbackServer(brain=autopilot) as server:
        killed = run(runs, server, moment=f"after:{NODES[0]}")
        for node in NODES[1:]:
            assert killed.returncode == -signal.SIGKILL, killed.stderr + killed.stdout
            killed = resume(runs, moment=f"after:{node}")
        assert killed.returncode == -signal.SIGKILL, killed.stderr + killed.stdout
        assert resume(runs).returncode == 0
        asked = len(server.requests)
    assert outcome(runs) == outcome(undisturbed)
    assert conclusions(runs) == conclusions(undisturbed)
    # a proposal that was made but not kept was paid for all the same
    assert asked == len(calls(runs)) > len(calls(undisturbed))


def test_a_server_that_is_down_stops_the_study_until_it_is_up_again(undisturbed, runs):
    ill: Brain = lambda ask: Failure(500)  # noqa: E731
    with LoopbackServer(brain=ill) as server:
        stopped = run(runs, server)
        port = int(server.address.rpartition(":")[2])
    assert stopped.returncode == 1
    assert "500" in stopped.stderr
    assert "agent resume s" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    with LoopbackServer(brain=autopilot, port=port):
        assert resume(runs).returncode == 0
    assert conclusions(runs) == conclusions(undisturbed)


def test_answers_that_are_no_proposals_stop_the_study_and_resuming_asks_afresh(undisturbed, runs):
    silly: Brain = lambda ask: Answer(text="I would rather talk about the weather.")  # noqa: E731
    with LoopbackServer(brain=silly) as server:
        stopped = run(runs, server, "--search.repairs", "1")
        port = int(server.address.rpartition(":")[2])
    assert stopped.returncode == 1
    assert "2 answers of llm were refused" in stopped.stderr
    assert "agent resume s" in stopped.stderr
    with LoopbackServer(brain=autopilot, port=port):
        resumed = resume(runs)
        assert resumed.returncode == 0, resumed.stderr
    assert conclusions(runs) == conclusions(undisturbed)


def test_a_bad_proposal_is_sent_back_with_its_reasons_and_mended(runs):
    """The first proposal turns digits on their heads; the reason goes back to the model, which thinks again."""
    flipped = {
        "hypothesis": "Digits look the same upside down.",
        "expected_gain": 1.0,
        "policy": [
            {"name": "vertical_flip", "probability": 0.5, "parameters": []},
            {"name": "rotate", "probability": 0.5, "parameters": [{"name": "degrees", "value": 900.0}]},
        ],
    }
    asks: list[Ask] = []

    def brain(ask: Ask) -> Answer:
        asks.append(ask)
        return Answer(text=json.dumps(flipped)) if len(asks) == 1 else autopilot(ask)

    with LoopbackServer(brain=brain) as server:
        done = run(runs, server, "--llm.mode", "structured", "--iterations", "1")
    assert done.returncode == 0, done.stderr
    assert "vertical_flip" in asks[1].conversation
    assert "900" in asks[1].conversation
    assert "refused" in done.stdout
    refused = list((runs / "artifacts").rglob("iteration-001-1.json"))
    assert len(refused) == 1


def test_a_budget_of_calls_ends_the_search_with_what_was_found(runs):
    with LoopbackServer(brain=autopilot) as server:
        done = run(runs, server, "--iterations", "9", "--budget.llm_calls", "3")
        asked = len(server.requests)
    assert done.returncode == 0, done.stderr
    assert asked <= 4
    assert "budget of 3 LLM calls is spent" in (runs / "studies/s/report.md").read_text()
    assert tracking(runs).study_tags()["best_proposal"] == "iteration 1"


def test_a_limit_in_dollars_needs_a_price_and_leaves_the_name_free(runs):
    with LoopbackServer(brain=autopilot) as server:
        refused = run(runs, server, "--budget.dollars", "1")
        assert refused.returncode == 2
        assert "llm.input_price" in refused.stderr
        priced = ("--llm.input_price", "1000", "--llm.output_price", "1000")
        done = run(runs, server, "--budget.dollars", "1", *priced)
    assert done.returncode == 0, done.stderr
    assert "budget of 1 dollar is spent" in (runs / "studies/s/report.md").read_text()


OPERATIONS = [
    {"name": "rotate", "probability": 0.5, "parameters": [{"name": "degrees", "value": 10}]},
    {"name": "gaussian_blur", "probability": 0.5, "parameters": [{"name": "sigma", "value": 0.5}]},
]
PROPOSAL = {"hypothesis": "Digits vary in slant.", "expected_gain": 0.5, "policy": OPERATIONS}
DRAFT = {**PROPOSAL, "hypothesis": "A draft.", "policy": OPERATIONS[::-1]}
THOUGHT = f"<think>{json.dumps(DRAFT)} is dull.</think>{json.dumps(PROPOSAL)}"


def test_a_model_that_cannot_be_asked_is_refused_before_anything_is_trained(tmp_path):
    for model, told in (("openai:gpt-5", "OPENAI_API_KEY"), ("opnai:gpt-5", "did you mean 'openai'")):
        refused = studies.run(tmp_path, "--llm", model, size=SHORT)
        assert refused.returncode == 2
        assert told in refused.stderr
        assert "decoding" not in refused.stdout
        assert not (tmp_path / "studies/s").exists()


def test_killed_during_a_call_the_call_is_counted_as_the_most_that_it_can_have_cost(runs):
    killed: list[int] = []

    def brain(ask: Ask) -> Answer:
        if not killed:
            killed.append(int(ledger(runs)[-1]["sitting"].partition("-")[0]))
            os.kill(killed[0], signal.SIGKILL)
        return autopilot(ask)

    with LoopbackServer(brain=brain) as server:
        assert run(runs, server, "--iterations", "1").returncode == -signal.SIGKILL
        assert len(calls(runs)) == 0
        resumed = resume(runs)
        asked = len(server.requests)
    assert resumed.returncode == 0, resumed.stderr
    spent = Ledger(runs / "studies/s/ledger.jsonl").spent()
    assert (spent.llm_calls, spent.unfinished_calls) == (asked, 1)
    assert spent.tokens > 8192
    assert f"at most {asked} LLM calls (1 cut off)" in (runs / "studies/s/report.md").read_text()


@pytest.mark.parametrize(
    ("reply", "mode"),
    [
        (calling(json.dumps(PROPOSAL).replace("slant", "\\ud83d \\u0000 \\u001b[31m [/nope] slant")), "auto"),
        (completion({"role": "assistant", "content": THOUGHT}), "structured"),
    ],
    ids=["characters that cannot be stored", "a draft in the thoughts"],
)
def test_an_answer_with_habits_is_read_trained_and_stored(runs, reply: Raw, mode: str):
    with LoopbackServer([reply] * 3) as server:
        done = run(runs, server, "--iterations", "1", "--llm.mode", mode)
        asked = len(server.requests)
    assert done.returncode == 0, done.stderr
    assert asked == len(calls(runs)) == 1
    shown = " ".join(done.stdout.split())
    assert "rotate(p=0.5, degrees=10) > gaussian_blur(p=0.5, sigma=0.5)" in shown
    assert "draft" not in shown
    assert "\x1b[31m" not in done.stdout


@pytest.mark.parametrize(
    ("fault", "tries", "told"),
    [
        (openai_error(429, "You exceeded your current quota", code="insufficient_quota"), 1, "top it up"),
        (completion(choices=[]), 2, "choices is empty"),
    ],
    ids=["no quota", "no choices"],
)
def test_a_fault_of_the_server_stops_the_study_with_its_remedy(runs, fault: Reply, tries: int, told: str):
    with LoopbackServer([fault] * tries) as server:
        stopped = run(runs, server, "--llm.retries", "1")
        assert len(server.requests) == len(calls(runs)) == tries
    assert stopped.returncode == 1
    assert told in " ".join(stopped.stderr.split())
    assert "agent resume s" in stopped.stderr
    assert "Traceback" not in stopped.stderr


def test_a_gateway_that_wants_another_name_for_the_limit_is_understood_and_the_user_is_told(runs):
    def gateway(ask: Ask) -> Reply:
        if "max_tokens" in server.requests[-1].body:
            return openai_error(400, "no", param="max_tokens", code="unsupported_parameter")
        return autopilot(ask)

    with LoopbackServer(brain=gateway) as server:
        done = run(runs, server, "--iterations", "1")
        assert len(server.requests) == len(calls(runs)) == 3
    assert done.returncode == 0, done.stderr
    assert "max_tokens: it is now sent as max_completion_tokens" in " ".join(done.stdout.split())


def test_the_server_that_a_variable_names_is_recorded_and_asked_again_and_its_password_kept_nowhere(runs):
    with LoopbackServer(brain=autopilot) as server, LoopbackServer(brain=autopilot) as other:
        address = server.openai_url.replace("://", "://me:sesame-street@")
        begun_in = environment(**keys(), OPENAI_BASE_URL=address)
        flags = (*SETTINGS.split(), "--llm", "openai:loopback", "--iterations", "1")
        begun = studies.run(runs, *flags, size=SHORT, env=begun_in, moment="after:propose")
        assert begun.returncode == -signal.SIGKILL
        assert "(OPENAI_BASE_URL)" in " ".join(begun.stdout.split())
        resumed_in = environment(**keys(), OPENAI_BASE_URL=other.openai_url, AGENT_LLM__BASE_URL=address)
        resumed = agent("resume", "s", "--runs-dir", str(runs), env=resumed_in)
        assert resumed.returncode == 0, resumed.stderr
        assert server.requests
        assert not other.requests
    assert "sesame" not in "".join([begun.stdout, begun.stderr, resumed.stdout, resumed.stderr])
    for path in [path for path in runs.rglob("*") if path.is_file()]:
        assert b"sesame" not in path.read_bytes(), path

"""Whole studies with a language model: the real clients over real HTTP, a server that is well, ill, or silly."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

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
from tests.loopback.clients import FAKE_KEY, KEY_VARIABLES, PROVIDERS
from tests.loopback.protocols import Ask
from tests.loopback.replies import Answer, Failure
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
    assert len(traces) == 4
    assert all(trace.data.spans[0].outputs for trace in traces)


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
    assert tracking(runs).study_tags()["chosen"] == "iteration 1"


def test_a_limit_in_dollars_needs_a_price_and_leaves_the_name_free(runs):
    with LoopbackServer(brain=autopilot) as server:
        refused = run(runs, server, "--budget.dollars", "1")
        assert refused.returncode == 2
        assert "llm.input_price" in refused.stderr
        priced = ("--llm.input_price", "1000", "--llm.output_price", "1000")
        done = run(runs, server, "--budget.dollars", "1", *priced)
    assert done.returncode == 0, done.stderr
    assert "budget of 1 dollars is spent" in (runs / "studies/s/report.md").read_text()

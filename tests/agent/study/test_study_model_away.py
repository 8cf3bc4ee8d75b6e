"""A language model that is not there, or not known to its server: told before anything is trained."""

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.agent import studies
from tests.agent.studies import SHORT, Ended, agent, environment, ledger
from tests.loopback.autopilot import autopilot
from tests.loopback.clients import FAKE_KEY
from tests.loopback.server import LoopbackServer

KEYS = environment(OPENAI_API_KEY=FAKE_KEY, NO_PROXY="127.0.0.1")


def run(runs: Path, url: str, *more: str, model: str = "openai:loopback", **how: Any) -> Ended:
    flags = f"--search.backgrounds off --llm {model} --llm-base-url {url}".split()
    return studies.run(runs, *flags, *more, size=SHORT, env=KEYS, **how)


def resume(runs: Path, *more: str) -> Ended:
    return agent("resume", "s", "--runs-dir", str(runs), *more, env=KEYS)


def trials(runs: Path) -> int:
    return sum(event["kind"] == "trial" for event in ledger(runs))


@pytest.mark.parametrize("more", [(), ("--search.proposer", "auto"), ("--search.proposer", "best_of_n")])
def test_a_model_that_its_server_does_not_know_begins_nothing(tmp_path, more):
    with LoopbackServer(brain=autopilot) as server:
        ended = run(tmp_path, server.openai_url, *more, model="openai:loopbak")
        assert server.requests == []
    assert ended.returncode == 2
    assert "does not list loopbak (it lists: loopback)" in ended.stderr
    assert not any(tmp_path.iterdir())


def test_a_server_that_is_away_begins_nothing(tmp_path):
    ended = run(tmp_path, "http://127.0.0.1:9/v1")
    assert ended.returncode == 1
    assert "start the server, or check --llm-base-url" in ended.stderr
    assert not any(tmp_path.iterdir())


def test_a_gateway_without_a_list_of_models_is_no_obstacle(runs):
    with LoopbackServer(brain=autopilot, models=None) as server:
        ended = run(runs, server.openai_url, moment="before:prepare")
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_resuming_asks_for_the_model_only_if_it_is_still_needed(runs):
    with LoopbackServer(brain=autopilot) as server:
        killed = run(runs, server.openai_url, moment="after:prepare")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        before = trials(runs)
        unknown = resume(runs, "--llm", "openai:gone")
        assert unknown.returncode == 2
        assert "does not list gone" in unknown.stderr
        back = ("--llm", "openai:loopback")
    away = resume(runs, *back)
    assert away.returncode == 1
    assert "start the server" in away.stderr
    assert "Nothing is lost. Resume with: agent resume s" in away.stderr
    assert trials(runs) == before
    with LoopbackServer(brain=autopilot) as server:
        url = ("--llm-base-url", server.openai_url)
        killed = agent("resume", "s", "--runs-dir", str(runs), *url, env=KEYS, moment="before:finalise")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    finished = resume(runs)  # the server is away again, and nothing is left to be asked
    assert finished.returncode == 0, finished.stderr
    assert (runs / "studies/s/report.md").exists()

"""Races whose arms ask a language model (`online`, `hybrid`), or look at each image first (`sra`)."""

import json
import re
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.agent.comparing.test_race import result
from tests.agent.studies import TINY, Ended, agent, environment
from tests.loopback.autopilot import autopilot
from tests.loopback.clients import FAKE_KEY, KEY_VARIABLES
from tests.loopback.server import LoopbackServer

RACE = f"--dataset demo {TINY} --arms sra,online,hybrid --seeds 2 --search.seeds 1 --trials 3 --study r"


def compare(runs: Path, server: LoopbackServer, moment: str = "none") -> Ended:
    llm = ("--llm", "openai:loopback", "--llm-base-url", server.openai_url, "--llm.retries", "0")
    keys = environment(**dict.fromkeys(KEY_VARIABLES, FAKE_KEY))
    words = ("compare", *RACE.split(), "--search.adapt_every", "1", *llm, "--runs-dir", str(runs))
    return agent(*words, moment=moment, env=keys)


def asked(server: LoopbackServer) -> Counter[str]:
    """What the model was asked, without the words on time left, which differ between runs."""
    return Counter(
        re.sub(r"Left of the budget: .*?\.\\n", "", request.ask.conversation) for request in server.requests
    )


@pytest.fixture(scope="module")
def raced(once, empty_store) -> Path:
    def make(folder: Path) -> None:
        shutil.copy(empty_store, folder)
        with LoopbackServer(brain=autopilot) as server:
            done = compare(folder, server)
            (folder / "asked.json").write_text(json.dumps(asked(server)))
        assert done.returncode == 0, done.stderr + done.stdout

    return once("race-models", make)


def cell(runs: Path, arm: str) -> dict:
    return json.loads((runs / "compares" / "r" / "cells" / f"{arm}-1.json").read_text())


def test_every_arm_is_judged_under_the_same_seeds(raced):
    found = result(raced)
    assert [arm["name"] for arm in found["arms"]] == ["none", "default", "sra", "online", "hybrid"]
    assert {tuple(arm["by_seed"]) for arm in found["arms"]} == {("3000000000", "3000000001")}
    assert [(each["arm"], each["other"]) for each in found["between"]] == [("online", "hybrid")]


def test_a_training_in_stages_counts_as_any_other(raced):
    for arm in ("online", "hybrid"):
        tried = cell(raced, arm)["tried"]
        assert [each["trials"] for each in tried] == [1, 2, 3]
        assert [each["samples"] for each in tried] == [200, 400, 600]  # 100 images, 2 epochs


def test_the_model_looks_into_the_trainings_of_online_alone(raced):
    conversations = json.loads((raced / "asked.json").read_text())
    looks = [each for each in conversations if "middle of a training: 1 of 2 epochs" in each]
    first = [each for each in looks if '"role": "tool"' not in each]
    assert len(first) == 2  # one in each of the two proposals that follow the default policy
    proposals = list((raced / "studies" / "r.online-1" / "online").iterdir())
    assert len(proposals) == 2


@pytest.mark.parametrize("moment", ["after:realise", pytest.param("epoch:9", marks=pytest.mark.slow)])
def test_killed_and_resumed_it_asks_nothing_twice_and_gives_identical_numbers(raced, runs, moment):
    with LoopbackServer(brain=autopilot) as server:
        killed = compare(runs, server, moment)
        assert killed.returncode == -signal.SIGKILL
        assert not (runs / "test_openings.jsonl").exists()
        done = compare(runs, server)
        again = asked(server)
    assert done.returncode == 0, done.stderr + done.stdout
    assert again == Counter(json.loads((raced / "asked.json").read_text()))
    assert result(runs) == result(raced)

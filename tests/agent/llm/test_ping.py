"""What the list of models of a server says about the model of a study: what stops it, and what must not."""

import socket
from pathlib import Path

import pytest

from agent.llm.ping import ping
from agent.memory.ledger import Ledger
from agent.settings.config import BudgetConfig, StudyConfig
from agent.starting.prechecks import ModelAway, check_models_answer, has_budget, may_propose
from tests.loopback.clients import FAKE_KEY, no_keys
from tests.loopback.server import LoopbackServer
from tools.datasets.types import Card
from tools.errors import ConfigurationError

CARD = Card(name="x", title="x", modality="microscopy", description="", classes=("a", "b"))


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    no_keys(monkeypatch)
    monkeypatch.setenv("OPENAI_API_KEY", FAKE_KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def study(base_url: str, model: str = "openai:loopback", **llm: object) -> StudyConfig:
    tree = {"search": {"proposer": "llm"}, "llm": {"model": model, "base_url": base_url, **llm}}
    return StudyConfig.model_validate(tree)


def checked(config: StudyConfig) -> list[str]:
    told: list[str] = []
    check_models_answer(config, CARD, told.append)
    return told


@pytest.mark.parametrize(
    "listed", [("loopback",), ("loopback:latest", "other"), ("other", "loop*"), (), None]
)
def test_a_model_that_is_listed_or_that_no_list_denies_is_taken(listed):
    with LoopbackServer(models=listed) as server:
        assert checked(study(server.openai_url)) == []
        assert server.requests == []  # nothing that could cost


def test_a_model_that_the_server_does_not_list_stops_with_the_names_nearest_to_it():
    models = ("aa", "ab", "ac", "ad", "ae", "loopbacks")
    with LoopbackServer(models=models) as server:
        with pytest.raises(ConfigurationError, match=r"does not list loopback \(it lists: loopbacks, aa"):
            checked(study(server.openai_url))
        assert checked(study(server.openai_url, unlisted=True)) == []
        assert server.requests == []


def test_googles_list_is_read_as_well(monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", FAKE_KEY)
    with LoopbackServer(models=("gemini-loop",)) as server:
        assert checked(study(server.gemini_url, "google_genai:gemini-loop")) == []
        with pytest.raises(ConfigurationError, match="it lists: gemini-loop"):
            checked(study(server.gemini_url, "google_genai:gemini-lop"))


def test_the_model_that_writes_captions_is_asked_for_too():
    with LoopbackServer() as server:
        tree = study(server.openai_url).model_dump()
        tree["aga"] |= {"llm": "openai:writer", "llm_base_url": server.openai_url, "caption": {"kind": "llm"}}
        tree["aga"]["background"]["kind"] = "diffusion"
        tree["search"]["backgrounds"] = "always"
        with pytest.raises(ConfigurationError, match="does not list writer"):
            checked(StudyConfig.model_validate(tree))
        tree["search"]["backgrounds"] = "off"
        assert checked(StudyConfig.model_validate(tree)) == []


def test_an_arm_without_a_language_model_asks_nobody():
    config = StudyConfig.model_validate(
        {"search": {"proposer": "tpe"}, "llm": {"model": "openai:x", "base_url": "http://127.0.0.1:9/v1"}}
    )
    assert checked(config) == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/v1", "http://[::1", "http://a..b/v1"])
def test_a_server_that_is_not_there_stops_with_the_remedy(address):
    with pytest.raises(ModelAway, match="start the server, or check --llm-base-url"):
        checked(study(address))


def test_a_server_that_is_slow_is_told_and_may_be_used():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = ping("openai:x", f"http://127.0.0.1:{silent.getsockname()[1]}/v1", timeout=0.1)
    assert found.verdict == "unsure"


@pytest.mark.parametrize(
    ("following", "state", "asks"),
    [
        ((), {}, True),
        (("prepare",), {"stop": ""}, True),
        (("propose",), {"stop": "", "iteration": 3}, True),
        (("train",), {"stop": "", "iteration": 2}, True),
        (("train",), {"stop": "", "iteration": 3}, False),
        (("judge",), {"stop": "the budget is spent", "iteration": 1}, False),
        (("finalise",), {"stop": "", "iteration": 4}, False),
        ((), {"stop": "all done", "iteration": 4}, False),
    ],
)
def test_a_study_that_proposes_nothing_more_needs_no_model(following, state, asks):
    assert may_propose(state, following, iterations=3) is asks


def test_a_study_whose_budget_of_calls_is_spent_needs_no_model(tmp_path: Path):
    budget, file = BudgetConfig(llm_calls=1), tmp_path / "ledger.jsonl"
    assert has_budget(file, budget)
    ledger = Ledger(file)
    assert has_budget(file, budget)
    ledger.begin_llm_call("one", 10, 10, None)
    before = file.read_bytes()
    assert not has_budget(file, budget)
    assert file.read_bytes() == before

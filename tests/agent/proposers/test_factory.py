"""Which arm proposes, and the sentence that says why."""

import pytest

from agent.proposers.factory import make_proposer, resolve_arm
from agent.settings.config import SearchConfig
from tests.loopback.clients import FAKE_KEY, llm, no_keys
from tools.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    no_keys(monkeypatch)


def search(proposer: str) -> SearchConfig:
    return SearchConfig.model_validate({"proposer": proposer})


def test_auto_is_nearby_where_there_is_no_model_and_says_so() -> None:
    proposer, why = make_proposer(search("auto"), llm(), lambda record: None)
    assert proposer.name == "nearby"
    assert "--llm" in why


def test_auto_is_the_configured_model() -> None:
    config = llm(model="openai:local", base_url="http://127.0.0.1:1/v1")
    proposer, why = make_proposer(search("auto"), config, lambda record: None)
    assert proposer.name == "llm"
    assert why == "llm, openai:local (auto: it is configured)"


def test_auto_takes_the_default_of_the_key_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", FAKE_KEY)
    proposer, why = make_proposer(search("auto"), llm(), lambda record: None)
    assert proposer.name == "llm"
    assert why == "llm, openai:gpt-5-mini (auto: its key is in the environment)"


def test_an_arm_that_needs_a_model_says_how_to_name_one() -> None:
    for arm in ("llm", "best_of_n"):
        with pytest.raises(ConfigurationError, match=f"{arm}.*--llm.*OPENAI_API_KEY"):
            resolve_arm(search(arm), llm())


def test_a_named_arm_is_used_whatever_keys_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", FAKE_KEY)
    for arm in ("random", "nearby", "tpe", "fixed"):
        proposer, why = make_proposer(search(arm), llm(), lambda record: None)
        assert (proposer.name, why) == (arm, arm)

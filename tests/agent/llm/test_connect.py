"""Connecting to a model: what is required, what is sent, what is never shown."""

import pytest
from langchain_core.messages import HumanMessage

from agent.llm import CallRecord, Meter, configured_model, connect, provider_of
from agent.settings.config import LLMConfig
from agent.settings.secrets import redact
from tests.loopback.clients import FAKE_KEY, PROVIDERS, connected, fake_keys, llm, llm_config, no_keys
from tests.loopback.replies import Answer
from tests.loopback.server import LoopbackServer
from tools.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    no_keys(monkeypatch)


def say(config: LLMConfig, text: str = "hello") -> CallRecord:
    records: list[CallRecord] = []
    Meter(config, records.append).call(connected(config), [HumanMessage(text)], "test")
    (record,) = records
    return record


class TestConfiguration:
    def test_a_model_without_a_provider_is_refused_with_examples(self) -> None:
        with pytest.raises(ConfigurationError, match=r"'gpt-5-mini'.*provider:model.*openai:gpt-5-mini"):
            provider_of("gpt-5-mini")

    def test_an_unknown_provider_is_named(self) -> None:
        with pytest.raises(ConfigurationError, match="'nobody'"):
            connect(llm(model="nobody:model"))

    def test_a_provider_whose_package_is_missing_says_what_to_install(self, monkeypatch) -> None:
        monkeypatch.setenv("GROQ_API_KEY", FAKE_KEY)
        with pytest.raises(ConfigurationError, match=r"'groq'.*langchain-groq"):
            connect(llm(model="groq:llama"))

    def test_a_missing_key_is_named_with_the_remedies(self) -> None:
        for model, variable in (("openai:m", "OPENAI_API_KEY"), ("google_genai:m", "GOOGLE_API_KEY")):
            with pytest.raises(ConfigurationError, match=rf"export {variable}=.*--llm-base-url.*--proposer"):
                connect(llm(model=model))

    def test_no_model_is_a_configuration_error(self) -> None:
        with pytest.raises(ConfigurationError, match=r"llm\.model.*--llm"):
            connect(llm())


class TestConfiguredModel:
    def test_the_configured_one_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake_keys(monkeypatch)
        assert configured_model(llm(model="openai:mine")) == "openai:mine"

    def test_a_key_alone_gives_the_providers_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert configured_model(llm()) is None
        monkeypatch.setenv("GEMINI_API_KEY", FAKE_KEY)
        assert configured_model(llm()) == "google_genai:gemini-flash-latest"

    def test_a_base_url_without_a_model_asks_for_the_model(self) -> None:
        with pytest.raises(ConfigurationError, match=r"http://localhost:1/v1.*llm\.model.*--llm"):
            configured_model(llm(base_url="http://localhost:1/v1"))


@pytest.mark.parametrize("provider", PROVIDERS)
class TestOnTheWire:
    def test_temperature_and_the_limit_of_tokens_are_sent(
        self, provider: str, server: LoopbackServer
    ) -> None:
        server.play(Answer("hi"), Answer("hi"))
        say(llm_config(provider, server, temperature=0.25, max_tokens=77))
        say(llm_config(provider, server))
        sent, default = (
            request.body if provider == "openai" else request.body["generationConfig"]
            for request in server.requests
        )
        assert sent["temperature"] == 0.25
        assert sent["max_tokens" if provider == "openai" else "maxOutputTokens"] == 77
        assert "temperature" not in default

    def test_the_key_of_the_environment_is_used_and_ones_own_server_needs_none(
        self, provider: str, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = llm_config(provider, server)
        for key in ("not-needed", FAKE_KEY):
            server.play(Answer("hi"))
            connect(config).invoke("hello")
            headers = server.requests[0].headers
            assert key in headers.get("authorization", "") + headers.get("x-goog-api-key", "")
            fake_keys(monkeypatch)

    def test_requests_keep_to_the_rate(self, provider: str, server: LoopbackServer) -> None:
        server.play(Answer("hi"), Answer("hi"))
        config = llm_config(provider, server, requests_per_minute=300)
        say(config)
        say(config)
        first, second = (request.at for request in server.requests)
        assert second - first >= 0.15

    def test_tokens_are_counted_as_the_server_reports_them_or_estimated(
        self, provider: str, server: LoopbackServer
    ) -> None:
        server.play(Answer("four"), Answer("four", usage=False))
        reported, estimated = (say(llm_config(provider, server)) for _ in range(2))
        assert reported.input_tokens > 0
        assert reported.output_tokens == 2
        assert estimated.input_tokens > 0
        assert estimated.output_tokens > 0

    def test_the_record_holds_what_was_said(self, provider: str, server: LoopbackServer) -> None:
        server.play(Answer("the answer"))
        record = say(llm_config(provider, server), "the question")
        assert record.request == [{"role": "user", "content": "the question"}]
        assert record.answer is not None
        assert record.answer["content"] == "the answer"
        assert record.model == f"{provider}:loopback"


def test_no_setting_is_ignored_by_the_client(server: LoopbackServer, caplog, recwarn) -> None:
    for provider in PROVIDERS:
        connect(llm_config(provider, server, temperature=0.5, requests_per_minute=60))
    assert caplog.text == ""
    assert [str(each.message) for each in recwarn if "default parameter" in str(each.message)] == []


def test_openais_own_server_gets_the_limit_by_its_newer_name(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_keys(monkeypatch)
    chat = connect(llm(model="openai:gpt-5-mini", max_tokens=77))
    payload = chat._get_request_payload([("user", "hi")])  # type: ignore[attr-defined]
    assert payload["max_completion_tokens"] == 77
    assert "max_tokens" not in payload


def test_secrets_are_hidden_and_words_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PROVIDER_API_KEY", "abcdef-123456")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert "abcdef" not in redact("key abcdef-123456 is wrong")
    assert "sk-" not in redact("Incorrect API key provided: sk-abc***wxyz.")
    assert redact("http://me:pass@host/v1") == "http://[hidden]@host/v1"
    assert redact("none of them") == "none of them"

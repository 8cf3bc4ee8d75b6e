"""Reaching a model: what is asked for, what is sent, what is never shown."""

import pytest

from agent.llm import CallRecord, Meter, configured_model, connect, provider_of
from agent.settings.config import LLMConfig
from agent.settings.secrets import redact
from tests.loopback.clients import FAKE_KEY, PROVIDERS, fake_keys, llm, llm_config, no_keys
from tests.loopback.replies import Answer
from tests.loopback.server import LoopbackServer
from tools.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    no_keys(monkeypatch)


def say(config: LLMConfig, text: str = "hello") -> list[CallRecord]:
    from langchain_core.messages import HumanMessage

    records: list[CallRecord] = []
    Meter(config, records.append).call(connect(config), [HumanMessage(text)], "test")
    return records


class TestConfiguration:
    def test_a_model_without_a_provider_is_refused_with_examples(self) -> None:
        with pytest.raises(ConfigurationError, match=r"'gpt-5-mini'.*provider:model.*openai:gpt-5-mini"):
            provider_of("gpt-5-mini")

    def test_an_unknown_provider_is_named(self) -> None:
        with pytest.raises(ConfigurationError, match="'nobody'"):
            connect(llm(model="nobody:model"))

    def test_a_provider_whose_package_is_missing_says_what_to_install(self, monkeypatch) -> None:
        monkeypatch.setenv("GROQ_API_KEY", FAKE_KEY)
        with pytest.raises(ConfigurationError, match=r"'groq' is not installed.*langchain-groq"):
            connect(llm(model="groq:llama"))

    @pytest.mark.parametrize(
        ("model", "variable"), [("openai:m", "OPENAI_API_KEY"), ("google_genai:m", "GOOGLE_API_KEY")]
    )
    def test_a_missing_key_is_named_with_the_remedy(self, model: str, variable: str) -> None:
        with pytest.raises(ConfigurationError, match=rf"{variable}.*export .*--llm-base-url.*--proposer tpe"):
            connect(llm(model=model))

    def test_no_model_is_a_configuration_error(self) -> None:
        with pytest.raises(ConfigurationError, match=r"llm\.model is not set"):
            connect(llm())


class TestConfiguredModel:
    def test_the_configured_one_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake_keys(monkeypatch)
        assert configured_model(llm(model="openai:mine")) == "openai:mine"

    def test_a_key_alone_gives_the_providers_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GEMINI_API_KEY", FAKE_KEY)
        assert configured_model(llm()) == "google_genai:gemini-flash-latest"

    def test_nothing_gives_none(self) -> None:
        assert configured_model(llm()) is None

    def test_a_base_url_without_a_model_asks_for_the_model(self) -> None:
        with pytest.raises(ConfigurationError, match=r"llm\.model is not set: name the model"):
            configured_model(llm(base_url="http://localhost:1/v1"))


@pytest.mark.parametrize("provider", PROVIDERS)
class TestOnTheWire:
    def test_temperature_and_the_limit_of_tokens_are_sent(self, provider: str) -> None:
        with LoopbackServer([Answer("hi")]) as server:
            say(llm_config(provider, server, temperature=0.25, max_tokens=77))
            body = server.requests[0].body
        sent = body if provider == "openai" else body["generationConfig"]
        assert sent["temperature"] == 0.25
        assert sent["max_tokens" if provider == "openai" else "maxOutputTokens"] == 77

    def test_an_unset_temperature_is_left_to_the_provider(self, provider: str) -> None:
        with LoopbackServer([Answer("hi")]) as server:
            say(llm_config(provider, server))
            body = server.requests[0].body
        assert "temperature" not in (body if provider == "openai" else body["generationConfig"])

    def test_a_server_of_ones_own_needs_no_key(self, provider: str) -> None:
        with LoopbackServer([Answer("hi")]) as server:
            say(llm_config(provider, server))
            headers = server.requests[0].headers
        assert "not-needed" in (headers.get("authorization", "") + headers.get("x-goog-api-key", ""))

    def test_the_key_of_the_environment_is_used(self, provider: str, monkeypatch) -> None:
        fake_keys(monkeypatch)
        with LoopbackServer([Answer("hi")]) as server:
            say(llm_config(provider, server))
            headers = server.requests[0].headers
        assert FAKE_KEY in (headers.get("authorization", "") + headers.get("x-goog-api-key", ""))

    def test_requests_keep_to_the_rate(self, provider: str) -> None:
        from langchain_core.messages import HumanMessage

        with LoopbackServer([Answer("hi")] * 2) as server:
            config = llm_config(provider, server, requests_per_minute=150)
            chat, meter = connect(config), Meter(config, lambda record: None)
            for _ in range(2):
                meter.call(chat, [HumanMessage("hello")], "test")
            first, second = (request.at for request in server.requests)
        assert second - first >= 0.35

    def test_tokens_are_counted_as_the_server_reports_them(self, provider: str) -> None:
        with LoopbackServer([Answer("four")]) as server:
            (record,) = say(llm_config(provider, server))
        assert record.input_tokens > 0
        assert record.output_tokens == 2

    def test_tokens_that_the_server_does_not_report_are_estimated(self, provider: str) -> None:
        with LoopbackServer([Answer("four", usage=False)]) as server:
            (record,) = say(llm_config(provider, server))
        assert record.input_tokens > 0
        assert record.output_tokens > 0

    def test_the_record_holds_what_was_said(self, provider: str) -> None:
        with LoopbackServer([Answer("the answer")]) as server:
            (record,) = say(llm_config(provider, server), "the question")
        assert record.request == [{"role": "user", "content": "the question"}]
        assert record.answer is not None
        assert record.answer["content"] == "the answer"
        assert record.model == f"{provider}:loopback"


class TestOpenAIsOwnServer:
    def test_the_limit_goes_by_the_name_that_its_newer_models_demand(self, monkeypatch) -> None:
        fake_keys(monkeypatch)
        chat = connect(llm(model="openai:gpt-5-mini", max_tokens=77))
        payload = chat._get_request_payload([("user", "hi")])  # type: ignore[attr-defined]
        assert payload["max_completion_tokens"] == 77
        assert "max_tokens" not in payload


class TestRedaction:
    def test_values_of_key_variables_are_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOME_PROVIDER_API_KEY", "abcdef-123456")
        assert "abcdef" not in redact("key abcdef-123456 is wrong")

    def test_what_looks_like_a_key_is_hidden_even_half_masked(self) -> None:
        assert redact("Incorrect API key provided: sk-abc***wxyz.").count("sk-") == 0

    def test_a_password_in_an_address_is_hidden(self) -> None:
        assert redact("http://me:pass@host/v1") == "http://[hidden]@host/v1"

    def test_placeholders_leave_words_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        assert redact("none of them") == "none of them"

"""What a client may do on the wire: no other server, no longer than allowed, no more than fits."""

import time

import pytest
from langchain_core.messages import HumanMessage

from agent.llm import CallRecord, Meter, TransportError, connect
from tests.loopback.clients import FAKE_KEY, PROVIDERS, connected, fake_keys, llm, llm_config
from tests.loopback.replies import Answer, Bytes, Raw
from tests.loopback.server import LoopbackServer

HELLO = [HumanMessage("hello")]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_redirect_never_carries_the_key_to_another_server(
    provider: str, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_keys(monkeypatch)
    with LoopbackServer([Answer("I have your key")] * 9) as thief:
        path = "/v1/chat/completions" if provider == "openai" else "/v1beta/models/loopback:generateContent"
        for status in (301, 302, 303, 307, 308):
            server.play(Raw("", status=status, headers={"Location": f"{thief.address}{path}?key=abcdef"}))
            config = llm_config(provider, server)
            with pytest.raises(TransportError, match=f"redirect.*{thief.address}") as caught:
                Meter(config, lambda record: None).call(connect(config), HELLO, "test")
            assert "abcdef" not in str(caught.value)
            assert FAKE_KEY in str(server.requests[0].headers)
            assert len(server.requests) == 1
        assert thief.requests == []


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "slow",
    [
        Bytes(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.1, 600),
        Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b" ", 0.1, 600),
        Bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.1, 600),
        Bytes(b"HTTP/1.1 503 Busy\r\nContent-Length: 900\r\n\r\n", b" ", 0.1, 600),
    ],
    ids=["headers", "body", "chunks", "error"],
)
def test_the_timeout_bounds_the_whole_call(provider: str, slow: Bytes, server: LoopbackServer) -> None:
    """Every single read is in time; only their sum is not."""
    config = llm_config(provider, server, timeout=0.5)
    chat = connected(config)
    server.play(slow)
    records: list[CallRecord] = []
    started = time.monotonic()
    with pytest.raises(TransportError, match=r"timeout.*llm\.timeout \(0\.5 s\)"):
        Meter(config, records.append).call(chat, HELLO, "test")
    assert time.monotonic() - started < 4
    assert len(records) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_waiting_for_the_rate_limit_is_no_part_of_the_timeout(provider: str, server: LoopbackServer) -> None:
    config = llm_config(provider, server, timeout=0.5, requests_per_minute=40)
    server.play(Answer("one"), Answer("two"), Answer("three"))
    meter = Meter(config, lambda record: None)
    assert [meter.call(connected(config), HELLO, "test").text for _ in range(3)] == ["one", "two", "three"]


def test_a_client_asks_where_the_configuration_says_whatever_the_environment_says(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_keys(monkeypatch)
    with LoopbackServer([Answer("elsewhere")] * 9) as other:
        for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "GOOGLE_GEMINI_BASE_URL"):
            monkeypatch.setenv(name, other.openai_url)
        monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
        for provider in PROVIDERS:
            config = llm_config(provider, server)
            server.play(Answer("here"))
            assert Meter(config, lambda record: None).call(connect(config), HELLO, "test").text == "here"
        assert other.requests == []


def test_the_environments_server_is_asked_and_has_no_published_price(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_keys(monkeypatch)
    for model, name, url in (
        ("openai:gpt-5-mini", "OPENAI_BASE_URL", server.openai_url),
        ("google_genai:gemini-flash-latest", "GOOGLE_GEMINI_BASE_URL", server.gemini_url),
    ):
        monkeypatch.setenv(name, url)
        config = llm(model=model, retries=0)
        records: list[CallRecord] = []
        server.play(Answer("hi"))
        Meter(config, records.append).call(connect(config), HELLO, "test")
        assert len(server.requests) == 1
        assert records[0].dollars is None


def test_a_conversation_with_characters_that_cannot_be_sent_is_sent_without_them(
    server: LoopbackServer,
) -> None:
    for provider in PROVIDERS:
        config = llm_config(provider, server)
        server.play(Answer("hi"))
        message = HumanMessage("a class called \udc80 or \ud83d")
        assert Meter(config, lambda record: None).call(connected(config), [message], "test").text == "hi"
        assert "a class called" in server.requests[0].ask.last_user_text

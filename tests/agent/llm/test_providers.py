"""What is wrong with a choice of model is told in milliseconds, without a client, and without the network."""

import subprocess
import sys
import time

import pytest
from langchain.chat_models import base

from agent.llm import check_llm, with_server
from agent.llm import providers as table
from agent.llm.ping import ping
from agent.proposers.factory import resolve_arm, resolved
from agent.settings.config import SearchConfig
from tests.loopback.clients import FAKE_KEY, PROVIDERS, llm, llm_config, no_keys
from tests.loopback.replies import Answer
from tests.loopback.server import LoopbackServer
from tools.errors import ConfigurationError

KEYS = {"OPENAI_API_KEY": FAKE_KEY, "GOOGLE_API_KEY": FAKE_KEY}
LOCAL = "http://localhost:11434/v1"


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    no_keys(monkeypatch)


@pytest.mark.parametrize(
    ("settings", "environ", "told"),
    [
        ({}, KEYS, r"llm\.model is not set"),
        ({"model": "opnai:gpt-5"}, KEYS, r"'opnai' is unknown.*did you mean 'openai'"),
        ({"model": "groq:llama"}, {"GROQ_API_KEY": FAKE_KEY}, r"'groq'.*langchain-groq"),
        ({"model": "openai:gpt-5"}, {}, r"export OPENAI_API_KEY=.*--llm-base-url.*--proposer"),
        ({"model": "openai:gpt-5"}, {"OPENAI_API_KEY": "  "}, "There is no key"),
        ({"model": "openai:gpt-5"}, {"OPENAI_API_KEY": "sk-a b"}, "OPENAI_API_KEY holds a character"),
        ({"model": "openai:gpt-5"}, {"OPENAI_API_KEY": "sk-“abc”"}, "OPENAI_API_KEY holds a character"),
        ({"model": "google_genai:g"}, {"GOOGLE_GEMINI_BASE_URL": "localhost"}, "must be an http"),
        (
            {"model": "openai:gpt-5"},
            {"OPENAI_BASE_URL": LOCAL, "OPENAI_API_BASE": "http://me:sesame@other/v1"},
            "OPENAI_BASE_URL.*OPENAI_API_BASE.*unset one",
        ),
    ],
)
def test_a_mistake_is_named_with_its_remedy(
    settings: dict[str, str], environ: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        check_llm(llm(**settings), environ)
    assert "sesame" not in str(caught.value)
    assert "sk-" not in str(caught.value)


def test_a_choice_that_can_work_is_accepted() -> None:
    check_llm(llm(model="openai:gpt-5"), KEYS)
    check_llm(llm(model="openai:llama3", base_url=LOCAL), {})
    check_llm(llm(model="openai:llama3"), {"OPENAI_BASE_URL": LOCAL})
    check_llm(
        llm(model="google_genai:g"), {"GEMINI_API_KEY": f"{FAKE_KEY}\n"}
    )  # as `export X=$(cat key)` leaves it


def test_nothing_heavy_is_imported_to_find_a_mistake() -> None:
    script = (
        "import sys; from agent.llm import check_llm; from agent.settings.config import LLMConfig\n"
        "try: check_llm(LLMConfig(model='openai:gpt-5'), {})\n"
        "except Exception as error: print(type(error).__name__)\n"
        "heavy = ('torch', 'langchain_core', 'openai', 'google.genai', 'mlflow')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["ConfigurationError", "[]"], done.stdout + done.stderr
    assert time.monotonic() - started < 10


def test_every_provider_of_the_clients_table_with_a_key_or_an_address_is_known() -> None:
    known = base._BUILTIN_PROVIDERS
    for provider, package in table._PACKAGES.items():
        assert known[provider][0].partition(".")[0] == package
    assert table.KEY_VARIABLES.keys() <= table._PACKAGES.keys()


def test_the_environments_server_becomes_the_studys_setting() -> None:
    environ = {
        "OPENAI_BASE_URL": LOCAL,
        "OPENAI_API_BASE": LOCAL + "/",
        "GOOGLE_GEMINI_BASE_URL": "https://g/x",
    }
    assert with_server(llm(model="openai:m"), environ).base_url == LOCAL
    assert with_server(llm(model="google_genai:m"), environ).base_url == "https://g/x"
    assert with_server(llm(model="openai:m", base_url="http://mine/v1"), environ).base_url == "http://mine/v1"
    assert with_server(llm(model="anthropic:m"), environ).base_url is None
    official = {"OPENAI_BASE_URL": "https://api.openai.com/v1/"}
    assert with_server(llm(model="openai:m"), official).base_url is None


def test_the_first_line_says_which_variable_sends_the_calls_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:sesame@gateway/v1")
    monkeypatch.setenv("OPENAI_API_KEY", FAKE_KEY)
    for config in (llm(), llm(model="openai:mine")):
        arm, sentence = resolve_arm(SearchConfig(), config)
        assert arm == "llm"
        assert "@gateway/v1 (OPENAI_BASE_URL)" in sentence
        assert "sesame" not in sentence
        assert resolved(config).base_url == "http://me:sesame@gateway/v1"
    assert "OPENAI_BASE_URL" not in resolve_arm(SearchConfig(), llm(model="openai:m", base_url=LOCAL))[1]


def test_the_check_of_a_server_asks_where_the_calls_go(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", FAKE_KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
    assert server.openai_url in ping("openai:loopback", None).detail
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    found = ping("openai:loopback", None)
    assert found.reachable is False
    assert "OPENAI_BASE_URL" in found.remedy


def test_gemini_is_checked_in_the_version_in_which_it_is_called(server: LoopbackServer) -> None:
    from langchain_core.messages import HumanMessage

    from agent.llm import Meter, connect

    config = llm_config("google_genai", server)
    server.play(Answer("hi"))
    Meter(config, lambda record: None).call(connect(config), [HumanMessage("hello")], "test")
    called = server.requests[0].path.rpartition("/models/")[0]
    assert f"{server.gemini_url}{called}/models" in ping("google_genai:loopback", server.gemini_url).detail


@pytest.mark.parametrize("provider", PROVIDERS)
def test_credentials_and_a_query_in_an_address_are_used_and_never_shown(
    provider: str, server: LoopbackServer
) -> None:
    from langchain_core.messages import HumanMessage

    from agent.llm import CallRecord, Meter, TransportError, connect
    from tests.loopback.replies import Failure

    address = llm_config(provider, server).base_url
    assert address is not None
    secret = address.replace("://", "://me:sesame-street@") + "?api-version=1&api_key=open-sesame"
    config = llm_config(provider, server, base_url=secret)
    records: list[CallRecord] = []
    server.play(Answer("hi"), Failure(404, f"nothing at {secret}"), Failure(500, f"{secret} is down"))
    meter = Meter(config, records.append)
    chat = connect(config)
    assert meter.call(chat, [HumanMessage("hello")], "test").text == "hi"
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    told = [str(records), str(ping(f"{provider}:loopback", secret))]
    for _ in range(2):
        with pytest.raises(TransportError) as caught:
            meter.call(chat, [HumanMessage("hello")], "test")
        told.append(str(caught.value))
    told.append(str(records))
    for text in told:
        assert "sesame" not in text


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "ftp://me:sesame@proxy"),
        ("ALL_PROXY", "socks5://proxy:1"),
        ("SSL_CERT_FILE", "/nowhere.pem"),
    ],
)
def test_a_proxy_or_certificate_that_cannot_be_used_is_told_with_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agent.llm import connect

    monkeypatch.setenv(variable, value)
    for provider in PROVIDERS:
        with pytest.raises(ConfigurationError, match=variable) as caught:
            connect(llm(model=f"{provider}:m", base_url="https://localhost:9/v1"))
        assert "sesame" not in str(caught.value)
        assert "not installed: Using" not in str(caught.value)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_proxy_of_the_environment_is_used(
    provider: str, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from langchain_core.messages import HumanMessage

    from agent.llm import Meter, connect

    monkeypatch.setenv("HTTP_PROXY", server.address)
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    config = llm_config(provider, server, base_url="http://model.example/v1")
    server.play(Answer("through the proxy"))
    assert (
        Meter(config, print).call(connect(config), [HumanMessage("hello")], "test").text
        == "through the proxy"
    )
    assert caplog.text == ""

"""The clients of a service: what `agent submit` and `agent follow` do, and what they say when it cannot be done."""

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from agent.service import client as service_client
from agent.service.client import Client
from agent.service.config import DEFAULT_PORT, address_file, token_file
from agent.service.token import token_of
from tests.agent.service.services import SETTINGS, Service, until
from tests.agent.studies import agent, environment, session
from tools.errors import AugurError, ConfigurationError


def test_submit_and_follow_are_clients_that_need_no_heavy_library(served: Service, tmp_path: Path) -> None:
    where = ("--runs-dir", str(served.runs))
    followed = agent("follow", "s", *where)
    assert followed.returncode == 0, followed.stderr
    assert "study: s" in followed.stdout
    assert f"{served.address}/api/studies/s/report" in followed.stdout
    gone = agent("follow", "nobody", *where)
    assert (gone.returncode, "holds none of that name" in gone.stderr) == (1, True)
    nobody = agent("follow", "s", "--server", "http://127.0.0.1:9")
    assert (nobody.returncode, "start one with `agent serve`" in nobody.stderr) == (1, True)
    stranger = agent("follow", "s", "--server", served.address, "--runs-dir", str(tmp_path))
    assert (stranger.returncode, "--token-file" in stranger.stderr) == (2, True)
    given = environment(AGENT_SERVICE_TOKEN=served.token, AGENT_SERVER=served.address)
    flags = [f"--{key}={'[]' if value == [] else value}" for key, value in SETTINGS.items()]
    again = agent("submit", *flags, "--search.seed", "7", "--study", "waits", "--json", env=given)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["state"] == "paused"


def test_where_following_was_interrupted_the_same_command_is_told(served: Service, tmp_path: Path) -> None:
    words = ("follow", "waits", "--server", served.address, "--runs-dir", str(served.runs), "--token-file")
    process = session(str(tmp_path), "none", (*words, str(token_file(served.runs))), environment())
    process.start()
    until(lambda: "is paused" in _text(tmp_path / "stdout"), "it does not follow", served)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    told = " ".join(_text(tmp_path / "stderr").split())
    assert f"agent follow waits --runs-dir {served.runs} --server {served.address} --token-file" in told


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("token", ["a-token-with-a-break\n", "ein-Schlüssel-mit-Umlaut", "short"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(served: Service, token: str) -> None:
    for command in (("follow", "s"), ("submit", "--dataset", "demo")):
        refused = agent(*command, env=environment(AGENT_SERVICE_TOKEN=token, AGENT_SERVER=served.address))
        assert (refused.returncode, "the token in AGENT_SERVICE_TOKEN must have" in refused.stderr) == (
            2,
            True,
        )
        assert token.strip() not in refused.stderr + refused.stdout


@pytest.mark.parametrize(
    "address", ["http://[::1", "http://127.0.0.1:abc", "http://a b", "http://u:p@host", "http://"]
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match="must be an address such as"):
        Client.of(address, None, tmp_path, {})


@pytest.mark.parametrize("text", ["[1]", "null", "{}", '{"address": 3}', "{", None])
def test_a_damaged_file_of_the_address_is_as_good_as_none(tmp_path: Path, text: str | None) -> None:
    file = address_file(tmp_path)
    file.parent.mkdir()
    file.mkdir() if text is None else file.write_text(text)
    assert Client.of(None, None, tmp_path, {}).address == f"http://127.0.0.1:{DEFAULT_PORT}"


def test_an_empty_file_of_the_token_is_refused_with_its_remedy(tmp_path: Path) -> None:
    file = token_file(tmp_path)
    file.parent.mkdir()
    file.touch(mode=0o600)
    with pytest.raises(
        ConfigurationError, match="token is empty: delete it, and `agent serve` makes a new token"
    ):
        token_of(file, {})


class _Proxy(BaseHTTPRequestHandler):
    """Before a service that is away for a moment: one event, an answer of its own, the last event."""

    answers: ClassVar = [
        (200, b"event: line\nid: 3\ndata: one\n\n"),
        (502, b"<html>Bad Gateway</html>"),
        (503, b""),
        (429, b'{"error": "too many requests"}'),
        (200, b"event: end\ndata: {}\n\n"),
    ]

    def do_GET(self) -> None:
        status, body = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if b"<html>" in body else "text/event-stream")
        self.end_headers()
        self.wfile.write(body)
        time.sleep(6 if b"one" in body else 0)  # in which the study says nothing

    def log_message(self, *_: object) -> None:
        pass


def test_a_service_that_is_away_behind_a_proxy_is_asked_again(monkeypatch) -> None:
    monkeypatch.setattr(service_client, "_PATIENCE", 5.0)
    with HTTPServer(("127.0.0.1", 0), _Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        client = Client(f"http://127.0.0.1:{proxy.server_port}", None)
        assert [event.kind for event in client.events("s")] == ["line", "end"]
        _Proxy.answers.append((502, b""))
        with pytest.raises(AugurError, match=r"no service answers at .* \(502 Bad Gateway\)"):
            client.result("s")
        _Proxy.answers.append((429, b'{"error": "too many requests"}'))
        with pytest.raises(AugurError, match="too many requests"):
            list(client.events("s"))
        _Proxy.answers.append((200, b"<html>Welcome: this is another program\n\n"))
        with pytest.raises(AugurError, match="is no service of Augur's: see what listens there"):
            list(client.events("s"))
        proxy.shutdown()

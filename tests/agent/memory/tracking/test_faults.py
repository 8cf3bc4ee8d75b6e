"""What a store's faults look like to the person at the terminal: real servers on the loopback, and real refusals."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent.memory import Tracking
from agent.memory.tracking.faults import StoreError
from agent.memory.tracking.store import parse_address
from agent.settings.config import TrackingConfig

Answer = Callable[[BaseHTTPRequestHandler], None]
SECRET = "sesame-open"
EMPTY = json.dumps({"experiments": []}).encode()


@contextmanager
def served(*answers: Answer) -> Iterator[str]:
    """A server that gives one answer after the other, the last for ever; its address."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            (left.pop(0) if len(left) > 1 else left[0])(self)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def page(status: int, body: bytes = b"<html>Bad gateway</html>", kind: str = "text/html") -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def api(status: int, code: str, message: str) -> Answer:
    return page(status, json.dumps({"error_code": code, "message": message}).encode(), "application/json")


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)


def silence(request: BaseHTTPRequestHandler) -> None:
    time.sleep(30)


def drip(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    for _ in range(60):
        request.wfile.write(b" ")
        time.sleep(0.5)


def checked(uri: str, **settings: float) -> None:
    address = parse_address(uri, Path("runs"), {})
    config = TrackingConfig(retries=0, **settings)  # pyright: ignore[reportArgumentType]
    Tracking(address.uri, None, address=address, settings=config).check()


@pytest.fixture(autouse=True)
def own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    # Set to be put back: the product sets them from an address.
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "")


SERVERS = {
    "not authorised": (page(401, b"no", "text/plain"), "MLFLOW_TRACKING_USERNAME", False),
    "not authorised, in JSON": (api(401, "UNAUTHENTICATED", "who?"), "MLFLOW_TRACKING_USERNAME", False),
    "forbidden": (api(403, "PERMISSION_DENIED", "no"), "forbids this", False),
    "a login page": (page(200, b"<!DOCTYPE html><html>Log in</html>"), "web page", False),
    "another program": (page(404, b"not found", "text/plain"), "no MLflow API", False),
    "another program's page": (page(404, b"<html>nothing</html>"), "web page", False),
    "a broken gateway": (page(502), "502", True),
    "an internal fault": (api(500, "INTERNAL_ERROR", "database is away"), "500", True),
    "overloaded": (page(503, b""), "503", True),
    "too many requests": (page(429, b"slow down", "text/plain"), "busy", True),
    "hangs up": (hang_up, "cannot be reached", True),
    "silent": (silence, "does not answer in time", True),
}


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_cannot_be_used_is_told_in_a_sentence(name: str) -> None:
    answer, words, transient = SERVERS[name]
    began = time.monotonic()
    with served(answer) as uri, pytest.raises(StoreError, match=words) as error:
        checked(uri.replace("://", f"://me:{SECRET}@"), timeout=1)
    assert time.monotonic() - began < 20
    assert error.value.transient == transient
    assert uri in str(error.value)
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_server_that_never_finishes_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.memory.tracking.opening._CHECK_SECONDS", 2.0)
    with served(drip) as uri, pytest.raises(StoreError, match="does not answer within 2 s"):
        checked(uri, timeout=5)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://127.0.0.1:{port}", "connection refused"),
        ("http://no-such-host.invalid:5000", "cannot be resolved"),
        ("https://127.0.0.1:{port}", "connection refused"),
        ("postgresql://me:sesame-open@127.0.0.1:{port}/db", "connection refused"),
        ("postgresql://me:sesame-open@no-such-host.invalid/db", "cannot be resolved"),
        ("mssql+nosuchdriver://me:sesame-open@127.0.0.1:{port}/db", "connection refused"),
        ("gopher://me:sesame-open@example.org/x", "knows no store of the kind 'gopher'"),
        ("databricks", "databricks"),
    ],
)
def test_an_address_where_nothing_answers_is_told_at_once(uri: str, words: str) -> None:
    began = time.monotonic()
    with pytest.raises(StoreError, match=words) as error:
        checked(uri.format(port=free_port()), timeout=3)
    assert time.monotonic() - began < 15
    assert SECRET not in str(error.value)


def test_a_missing_driver_is_named_with_the_command_that_installs_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as database:
        port = database.getsockname()[1]
        with pytest.raises(StoreError, match=r"needs the Python package MySQLdb.*uv pip install mysqlclient"):
            checked(f"mysql://me:{SECRET}@127.0.0.1:{port}/db")


def test_a_folder_as_store_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=str(tmp_path)):
        checked(f"file://{tmp_path}")


def retrying(uri: str, told: list[str], retries: int = 3) -> Tracking:
    address = parse_address(uri, Path("runs"), {})
    settings = TrackingConfig(retries=retries, timeout=2)
    return Tracking(uri, None, address=address, settings=settings, tell=told.append)


def test_what_may_pass_is_tried_again_and_told() -> None:
    told: list[str] = []
    with served(page(503), hang_up, page(200, EMPTY, "application/json")) as uri:
        assert retrying(uri, told).client.search_experiments() == []
    assert len(told) == 3
    assert "503" in told[0]
    assert "(1 of 3)" in told[0]
    assert "cannot be reached" in told[1]
    assert "answers again" in told[2]


def test_what_will_not_pass_is_not_tried_again() -> None:
    told: list[str] = []
    with (
        served(page(401), page(200, EMPTY, "application/json")) as uri,
        pytest.raises(StoreError, match="401"),
    ):
        retrying(uri, told).client.search_experiments()
    assert told == []


def test_a_fault_that_stays_stops_the_study_so_that_it_can_be_resumed() -> None:
    told: list[str] = []
    with served(page(502)) as uri, pytest.raises(StoreError, match="502") as error:
        retrying(uri, told, retries=1).client.search_experiments()
    assert error.value.resumable
    assert len(told) == 1


def test_a_wrong_call_of_ours_stays_a_bug(tmp_path: Path) -> None:
    with served(page(200, EMPTY, "application/json")) as uri, pytest.raises(TypeError):
        retrying(uri, []).client.search_experiments(no_such_argument=1)  # pyright: ignore[reportCallIssue]

"""The server itself. By hand: `python -m tests.loopback.server --port 8123` prints the base URLs to use."""

import argparse
import contextlib
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.loopback.protocols import Ask, Gemini, OpenAI
from tests.loopback.replies import Answer, Bytes, CutOff, Drop, Failure, Hang, Raw, Reply

Brain = Callable[[Ask], Reply]


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float
    """Seconds of the monotonic clock."""
    ask: Ask


@dataclass
class _Script:
    replies: deque[Reply]
    brain: Brain | None
    models: tuple[str, ...] | None = ("loopback",)
    requests: list[Received] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)


class LoopbackServer:
    """Answers with the queued replies in turn, and after them with `brain`; without one, with a failure.

    `models` is its list of models; None: it has no such list, as many gateways.
    """

    def __init__(
        self,
        replies: Iterable[Reply] = (),
        brain: Brain | None = None,
        port: int = 0,
        models: tuple[str, ...] | None = ("loopback",),
    ) -> None:
        self._script = _Script(deque(replies), brain, models)
        script = self._script

        class Handler(_Handler):
            pass

        Handler.script = script
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def openai_url(self) -> str:
        return f"{self.address}/v1"

    @property
    def gemini_url(self) -> str:
        return self.address

    @property
    def requests(self) -> list[Received]:
        with self._script.lock:
            return list(self._script.requests)

    def play(self, *replies: Reply) -> None:
        """Forget the requests so far, and answer the next ones with `replies`."""
        with self._script.lock:
            self._script.replies = deque(replies)
            self._script.requests.clear()

    def __enter__(self) -> "LoopbackServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._script.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    script: _Script
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """Without it, every further request of a connection takes 40 ms."""

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the requests are recorded, and a test's output is its own."""

    def do_GET(self) -> None:
        models, path = self.script.models, self.path.partition("?")[0]
        if models is not None and path.endswith("/models"):
            listed = [{"id": name, "name": f"models/{name}", "object": "model"} for name in models]
            self._send(200, {"object": "list", "data": listed})
        else:
            self._send(404, {"error": {"message": f"no such path: {self.path}"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.partition("?")[0]
        if path.endswith("/chat/completions"):
            protocol = OpenAI
        elif path.endswith(":generateContent"):
            protocol = Gemini
        else:
            self._send(
                404, {"error": {"code": 404, "message": f"no such path: {path}", "status": "NOT_FOUND"}}
            )
            return
        ask = protocol.read(path, body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.script.lock:
            self.script.requests.append(Received(path, headers, body, time.monotonic(), ask))
            number = len(self.script.requests)
            reply = self.script.replies.popleft() if self.script.replies else None
        if reply is None:
            reply = self.script.brain(ask) if self.script.brain else Failure(500, "nothing is queued")
        self._play(reply, protocol, ask, number)

    def _play(self, reply: Reply, protocol: Any, ask: Ask, number: int) -> None:
        match reply:
            case Answer():
                self._send(200, protocol.write(ask, reply, number))
            case Failure():
                self._send(reply.status, protocol.failure(reply), reply.headers)
            case Raw():
                body = reply.body if isinstance(reply.body, bytes) else reply.body.encode()
                self._send_bytes(reply.status, body, reply.content_type, dict(reply.headers))
            case Bytes():
                self._pour(reply)
            case Hang():
                self.script.closing.wait()
                self._hang_up()
            case Drop():
                self._hang_up()
            case CutOff():
                whole = json.dumps(protocol.write(ask, Answer("this never arrives"), number)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(whole)))
                self.end_headers()
                self.wfile.write(whole[: len(whole) // 2])
                self.wfile.flush()
                self._hang_up()

    def _pour(self, reply: Bytes) -> None:
        with contextlib.suppress(OSError):  # the client hung up, as it should
            self.connection.sendall(reply.first)
            for _ in range(reply.times):
                if self.script.closing.wait(reply.pause):
                    break
                self.connection.sendall(reply.again)
            self._hang_up()
        self.close_connection = True

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, body: dict[str, Any], headers: Any = ()) -> None:
        self._send_bytes(status, json.dumps(body).encode(), "application/json", dict(headers))

    def _send_bytes(self, status: int, body: bytes, content_type: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    from tests.loopback.autopilot import autopilot

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    port = parser.parse_args().port
    with LoopbackServer(brain=autopilot, port=port) as server:
        print(f"OpenAI protocol: --llm openai:loopback --llm-base-url {server.openai_url}", flush=True)
        print(f"Gemini protocol: --llm google_genai:loopback --llm-base-url {server.gemini_url}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()

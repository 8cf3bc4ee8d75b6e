"""A page in a real browser: headless Chromium, driven by its own protocol."""

import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine to open the page in")
_START = 60


@dataclass
class Browser:
    """One tab."""

    socket: ClientConnection
    events: list[dict[str, Any]] = field(default_factory=list)
    _last: int = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command of the DevTools protocol."""
        self._last += 1
        self.socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv(timeout=_START))
            if message.get("id") == self._last:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def open(self, page: Path, width: int) -> None:
        """Load a file in a window `width` pixels wide, as a phone would below 600."""
        self.open_address(page.as_uri(), width)

    def open_address(self, address: str, width: int) -> None:
        """The same with an address."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=address)
        deadline = time.monotonic() + _START
        while self.evaluate("document.readyState + ' ' + location.href") != f"complete {address}":
            assert time.monotonic() < deadline, "the page does not load"

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings on the console, such as violations of the Content-Security-Policy."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [json.dumps(event["params"]) for event in self.events if event["method"] in kinds]

    @property
    def requests(self) -> list[str]:
        """Addresses that were asked for, but for what a page holds itself."""
        asked = (e["params"] for e in self.events if e["method"] == "Network.requestWillBeSent")
        return [url for each in asked if not (url := each["request"]["url"]).startswith("data:")]


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium without a window, closed at the end."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        log = Path(folder) / "log"
        with log.open("w") as stream:
            command = [PROGRAM, *flags, f"--user-data-dir={folder}/profile", "about:blank"]
            process = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{_port(log, process)}/json", timeout=_START
            ) as tabs:
                (tab,) = (each for each in json.load(tabs) if each["type"] == "page")
            with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
                found = Browser(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    found.call(f"{domain}.enable")
                yield found
        finally:
            process.terminate()
            process.wait(_START)


def _port(log: Path, process: subprocess.Popen) -> str:
    deadline = time.monotonic() + _START
    while "DevTools listening on" not in (text := log.read_text(errors="replace")):
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    return text.split("DevTools listening on ws://127.0.0.1:")[1].split("/")[0]

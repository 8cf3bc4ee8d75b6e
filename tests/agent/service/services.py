"""A real service in tests: `agent serve` in a process of its own, spoken to over the loopback, killed for real."""

import json
import os
import signal
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.service.config import address_file, token_file
from tests.agent.studies import MODEL, environment, session
from tools.files import read_json

SETTINGS = {
    "data.dataset": "demo",
    "data.image_size": 16,
    "data.decode_workers": 1,
    "model.name": MODEL,
    "training.epochs": 2,
    "training.batch_size": 10,
    "training.learning_rate": 0.01,
    "execution.workers": 1,
    "execution.threads": 1,
    "report.explain": "off",
    "search.iterations": 0,
    "search.seeds": 1,
    "search.choosing_seeds": 1,
    "search.final_seeds": 2,
    "search.top_k": 1,
    "search.baselines": [],
    "search.backgrounds": "off",
}
"""The smallest study: three trainings of a fraction of a second."""
_PATIENCE = 120.0


class Service:
    """A service on a folder of runs; may be killed and started again."""

    def __init__(self, runs: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.runs, self._flags, self._env = runs, flags, env or {}
        self._scratch = tempfile.TemporaryDirectory()
        self.process: Any = None

    def start(self) -> "Service":
        words = ("serve", "--runs-dir", str(self.runs), "--port", "0", *self._flags)
        self.process = session(self._scratch.name, "none", words, environment(**self._env))
        self.process.start()
        until(self._answers, "the service does not start")
        return self

    def _answers(self) -> bool:
        assert self.process.is_alive(), self.output
        known = read_json(address_file(self.runs)) or {}
        if known.get("pid") != self.process.pid:
            return False
        try:
            return self.ask("GET", "/health", headers={})[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def stop(self) -> int:
        """Ends it as Ctrl-C or a machine that shuts down does; its exit code."""
        os.kill(self.process.pid, signal.SIGTERM)
        self.process.join(_PATIENCE)
        assert self.process.exitcode is not None, "the service does not end"
        return self.process.exitcode

    @property
    def output(self) -> str:
        folder = Path(self._scratch.name)
        return "".join(
            (folder / name).read_text() for name in ("stdout", "stderr") if (folder / name).exists()
        )

    @property
    def address(self) -> str:
        return (read_json(address_file(self.runs)) or {})["address"]

    @property
    def token(self) -> str:
        return token_file(self.runs).read_text().strip()

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """(status, JSON or bytes); with the token, unless `headers` are given."""
        if headers is None:
            headers = {"Authorization": f"Bearer {self.token}"}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, method=method)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
                return answer.status, _content(answer)
        except urllib.error.HTTPError as error:
            return error.code, _content(error)

    def submit(self, name: str, **settings: Any) -> dict[str, Any]:
        changed = {key.replace("__", "."): value for key, value in settings.items()}
        status, found = self.ask("POST", "/api/studies", {"name": name, "settings": {**SETTINGS, **changed}})
        assert status in (200, 201), found
        return found

    def state(self, name: str) -> str:
        return self.ask("GET", f"/api/studies/{name}")[1]["state"]

    def wait(self, name: str, states: Sequence[str]) -> dict[str, Any]:
        """The study, once it is in one of the states."""
        until(lambda: self.state(name) in states, f"{name} does not get {states}", self)
        return self.ask("GET", f"/api/studies/{name}")[1]


def until(holds: Any, complaint: str, service: Service | None = None) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{complaint}\n{service.output if service else ''}"
        time.sleep(0.05)


def _content(answer: Any) -> Any:
    data = answer.read()
    is_json = "json" in (answer.headers.get("Content-Type") or "")
    return json.loads(data) if is_json else data

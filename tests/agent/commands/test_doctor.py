"""`agent doctor`: what works, what does not, and no word of any key."""

import http.server
import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from agent.commands.doctor import all_checks, examine
from agent.commands.doctor.check import Check
from agent.commands.doctor.pace import cpu_pace, waiting
from agent.llm.ping import ping
from agent.llm.providers import KEY_VARIABLES
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from tests.agent.settings.settings_of import settings_of

KEY = "sk-loopback-0123456789abcdef"


class Models(http.server.BaseHTTPRequestHandler):
    """Lists two models to whoever has the key."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        key = self.headers.get("Authorization", "").removeprefix("Bearer ") or self.headers.get(
            "x-goog-api-key"
        )
        path = self.path.partition("?")[0]
        if key not in (KEY, None):
            self.send_error(401)
        elif path == "/broken/models":
            self.wfile.write(b"this is no HTTP")
        elif path == "/busy/models":
            self.send_error(503)
        elif path not in ("/v1/models", "/v1beta/models"):
            self.send_error(404)
        else:
            openai = {"data": [{"id": "llama3"}, {"id": "qwen3"}]}
            google = {"models": [{"name": "models/gemini-flash-latest"}]}
            body = json.dumps(google if "beta" in path else openai).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def server() -> Iterator[str]:
    Models.asked.clear()
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Models)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*[name for names in KEY_VARIABLES.values() for name in names], "MLFLOW_TRACKING_URI"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class TestReach:
    def test_a_server_that_lists_the_model_works(self, server: str) -> None:
        found = ping("openai:llama3", f"{server}/v1")
        assert found.reachable
        assert "openai:llama3" in found.detail

    def test_google_is_asked_in_its_own_way(self, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GEMINI_API_KEY", KEY)
        assert ping("google_genai:gemini-flash-latest", server).reachable

    def test_a_server_that_lacks_the_model_says_what_it_has(self, server: str) -> None:
        found = ping("openai:mistral", f"{server}/v1")
        assert found.reachable is False
        assert "does not list mistral" in found.detail
        assert "llama3, qwen3" in found.remedy

    def test_a_refused_key_names_its_variable_and_hides_its_value(
        self, server: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-0123456789abcdef")
        found = ping("openai:llama3", f"{server}/v1")
        assert found.reachable is False
        assert "refuses the key (HTTP 401)" in found.detail
        assert "OPENAI_API_KEY" in found.remedy
        assert "wrong" not in str(found)

    @pytest.mark.parametrize(
        ("path", "words"),
        [
            ("elsewhere", "(HTTP 404)"),
            ("busy", "answers HTTP 503"),
            ("broken", "no answer from"),
        ],
    )
    def test_other_answers_are_told(self, server: str, path: str, words: str) -> None:
        found = ping("openai:llama3", f"{server}/{path}")
        assert found.reachable is False
        assert words in found.detail

    def test_a_server_that_is_not_there(self) -> None:
        found = ping("openai:llama3", "http://127.0.0.1:9/v1")
        assert found.reachable is False
        assert "start the server" in found.remedy

    def test_a_server_that_never_answers_is_given_up(self) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as silent:
            found = ping("openai:llama3", f"http://127.0.0.1:{silent.getsockname()[1]}/v1", timeout=0.1)
        assert found.reachable is False
        assert "timed out" in found.detail

    def test_no_request_is_made_without_a_key(self) -> None:
        found = ping("openai:gpt-5-mini", None)
        assert (found.reachable, found.remedy) == (False, "set OPENAI_API_KEY")

    def test_a_provider_that_cannot_be_asked_is_no_failure(self) -> None:
        assert ping("bedrock:some-model", None).reachable is None

    def test_a_password_in_the_address_is_hidden(self) -> None:
        assert "sesame" not in str(ping("openai:llama3", "http://me:sesame@127.0.0.1:9/v1"))


def checks(config: StudyConfig, offline: bool = False) -> dict[str, Check]:
    return {check.name: check for check in all_checks(config, offline=offline)}


def report(config: StudyConfig, *, width: int = 80) -> tuple[int, str]:
    output = io.StringIO()
    terminal = Terminal(pages=True, output=Console(file=output, width=width), errors=Console(file=output))
    code = examine(config, terminal, offline=True)
    return code, output.getvalue()


class TestDoctor:
    def test_a_machine_where_a_study_can_run(self, tmp_path: Path) -> None:
        code, text = report(settings_of(["--runs-dir", str(tmp_path / "runs")]))
        assert code == 0
        assert "A study can run here" in text
        for word in (
            "✓  Python",
            "✓  CPU",
            "✓  memory",
            "✓  versions",
            "✓  workers",
            "✓  pace of cpu",
            "✓  data: demo",
            "–  keys",
        ):
            assert word in text
        assert max(map(len, text.splitlines())) <= 80

    def test_it_says_how_fast_a_worker_trains_and_how_much_of_that_is_augmentation(self) -> None:
        text = cpu_pace(1).detail
        assert re.fullmatch(
            r"ResNet18 at 64 px, one worker: [\d,]+ images/s in .*augmenting takes \d+%", text
        )
        assert [round(waiting(1000, augmented), 2) for augmented in (250, 1000, 4000)] == [0.75, 0, 0]

    def test_nothing_is_left_behind(self, tmp_path: Path) -> None:
        report(settings_of(["--runs-dir", str(tmp_path / "runs")]))
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_written_is_essential(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        code, text = report(settings_of(["--runs-dir", str(tmp_path / "file" / "runs")]))
        assert code == 1
        assert "✗  runs" in text
        assert "→ make it writable, or choose another with --runs-dir" in text
        assert "A study cannot run here: runs" in text

    def test_data_that_are_asked_for_and_missing_are_essential(self, tmp_path: Path) -> None:
        found = checks(settings_of(["--data", str(tmp_path / "none"), "--runs-dir", str(tmp_path)]))
        assert (found["data: folder"].state, found["data: folder"].essential) == ("fails", True)
        assert found["data sets"].detail.endswith(": demo")

    def test_keys_are_named_and_never_shown(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        _, text = report(settings_of(["--runs-dir", str(tmp_path)]))
        assert "OPENAI_API_KEY is set" in text
        assert KEY not in text

    def test_a_model_that_is_needed_and_away_is_essential(self, tmp_path: Path) -> None:
        words = [
            "--llm",
            "openai:llama3",
            "--llm-base-url",
            "http://127.0.0.1:9/v1",
            "--runs-dir",
            str(tmp_path),
        ]
        assert checks(settings_of([*words, "--proposer", "llm"]))["LLM"].essential
        wanted = checks(settings_of(words))["LLM"]
        assert (wanted.state, wanted.essential) == ("fails", False)

    def test_a_model_that_answers_works(self, server: str, tmp_path: Path) -> None:
        words = ["--llm", "openai:llama3", "--llm-base-url", f"{server}/v1", "--runs-dir", str(tmp_path)]
        assert checks(settings_of(words))["LLM"].state == "works"
        assert Models.asked == ["/v1/models"]

    def test_a_choice_of_model_that_cannot_work_is_told_without_asking_anyone(self, tmp_path: Path) -> None:
        for model, told in (("opnai:gpt-5", "did you mean 'openai'"), ("groq:llama", "langchain-groq")):
            for offline in (True, False):
                found = checks(settings_of(["--llm", model, "--runs-dir", str(tmp_path)]), offline)["LLM"]
                assert (found.state, found.essential) == ("fails", True)
                assert told in found.detail

    def test_offline_sends_nothing(self, server: str, tmp_path: Path) -> None:
        words = ["--llm", "openai:llama3", "--llm-base-url", f"{server}/v1", "--runs-dir", str(tmp_path)]
        assert checks(settings_of(words), offline=True)["LLM"].state == "absent"
        assert Models.asked == []

    def test_a_store_that_is_none_is_essential(self, tmp_path: Path) -> None:
        (tmp_path / "mlflow.db").write_bytes(b"no database at all, and long enough to be read as one" * 100)
        found = checks(settings_of(["--runs-dir", str(tmp_path)]))["MLflow"]
        assert (found.state, found.essential) == ("fails", True)

    def test_a_store_that_opens_says_how_much_it_holds(self, tmp_path: Path) -> None:
        from agent.memory import Tracking

        Tracking(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts").open_study(
            "digits/resnet18", "first", {"arm": "tpe"}, {}
        )
        found = checks(settings_of(["--runs-dir", str(tmp_path)]))["MLflow"]
        assert found.state == "works"
        assert found.detail.endswith("holds 1 study")

    def test_offline_asks_no_mlflow_server(self, server: str, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
        found = checks(settings_of(["--runs-dir", str(tmp_path)]), offline=True)["MLflow"]
        assert found.state == "absent"
        assert Models.asked == []

"""A place for artifacts that cannot be written to is found before a study begins."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from agent.memory import Tracking
from agent.memory.tracking import opening
from agent.memory.tracking.faults import StoreError
from agent.memory.tracking.store import parse_address, sqlite_uri
from tests.agent.studies import SHORT, agent, environment


def store(folder: Path, artifacts: str, name: str = "data/model") -> Tracking:
    """A store in a file whose experiment keeps its artifacts elsewhere, as on a server with a bucket."""
    found = Tracking(sqlite_uri(folder / "mlflow.db"), folder / "artifacts")
    found.client.create_experiment(name, artifact_location=artifacts)
    return found


def test_a_small_file_is_written_and_nothing_is_left(tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    store(tmp_path, place.as_uri()).check_artifacts("data/model")
    assert place.is_dir(), "it was written to"
    assert [path for path in place.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be stored in file:///proc/nowhere: .*can be written to"):
        store(tmp_path, "file:///proc/nowhere").check_artifacts("data/model")


@pytest.mark.skipif(find_spec("boto3") is not None, reason="boto3 is installed")
def test_a_bucket_without_the_package_for_it_is_told_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"s3://bucket/x.*needs the Python package.*uv pip install boto3"):
        store(tmp_path, "s3://bucket/x").check_artifacts("data/model")


def test_a_kind_of_place_that_nobody_knows_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot be stored in teleport://moon/x"):
        store(tmp_path, "teleport://moon/x").check_artifacts("data/model")


@contextmanager
def server(status: int) -> Iterator[str]:
    """An MLflow server whose experiments are there, and whose place for artifacts answers with `status`."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "mlflow-artifacts" in self.path:
                code, body = status, {"error_code": "INTERNAL_ERROR", "message": "the bucket does not exist"}
            else:
                experiment = {
                    "experiment_id": "0",
                    "name": "Default",
                    "artifact_location": "mlflow-artifacts:/0",
                    "lifecycle_stage": "active",
                }
                code, body = 200, {"experiment": experiment, "experiments": [experiment]}
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()


def opened(uri: str) -> Tracking:
    address = parse_address(uri, Path("runs"), {})
    return Tracking(address.uri, None, address=address)


def test_a_server_whose_bucket_is_away_is_told_with_what_to_check() -> None:
    with server(200) as uri:
        opened(uri).check_artifacts("data/model")
    with (
        server(500) as uri,
        pytest.raises(StoreError, match=r"cannot be stored in mlflow-artifacts:.*--artifacts-destination"),
    ):
        opened(uri).check_artifacts("data/model")


def test_a_place_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(opening, "_CHECK_SECONDS", 0.2)
    monkeypatch.setattr(opening, "try_artifacts", lambda location, address: never.wait(30))
    with pytest.raises(StoreError, match=r"artifacts s3://bucket/x does not answer within"):
        store(tmp_path, "s3://bucket/x").check_artifacts("data/model")
    never.set()


def test_a_study_finds_it_before_anything_is_decoded(runs: Path) -> None:
    found = Tracking(sqlite_uri(runs / "mlflow.db"), runs / "artifacts")
    found.client.create_experiment("mine", artifact_location="s3://bucket/x")
    flags = f"{SHORT} --proposer random --tracking.experiment mine --study s --runs-dir {runs}"
    ended = agent("run", *flags.split(), env=environment())
    assert ended.returncode == 1
    assert "cannot be stored in s3://bucket/x" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (runs / "cache").exists()
    assert not (runs / "studies/s").exists()

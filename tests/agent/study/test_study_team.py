"""Studies with what a team has: workers on Ray, an MLflow server and checkpoints in PostgreSQL, all of them killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.memory import Tracking
from tests.agent.studies import SHORT, Ended, agent, environment, ledger, outcome, resume, run
from tests.agent.study.test_study_kills import KILLED
from tests.postgres import PASSWORD, Postgres, running_postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BARE = f"{SHORT} --search.backgrounds off --proposer random"


def test_a_study_on_ray_that_was_killed_trains_nothing_twice_and_ends_like_one_on_this_machine(
    runs: Path, tmp_path: Path, empty_store: Path
):
    pytest.importorskip("ray", reason="the extra augur-vision[ray] is not installed")
    size = f"{BARE} --execution.kind ray"
    env = environment(OPENAI_API_KEY="sk-that-stays-here-alone")
    killed = run(runs, size=size, moment="epoch:3", env=env)
    assert killed.returncode == KILLED, killed.stderr
    done = resume(runs, env=env)
    assert done.returncode == 0, done.stderr
    assert "Starting Ray on this machine" in done.stdout + done.stderr
    assert "Ray on this machine: cpu × 1 thread" in done.stdout + done.stderr
    trained = [
        event["id"] for event in ledger(runs) if event.get("kind") == "trial" and not event.get("reused")
    ]
    assert max(Counter(trained).values()) == 1
    local = tmp_path / "local"
    local.mkdir()
    (local / "mlflow.db").write_bytes(empty_store.read_bytes())
    assert run(local, size=BARE).returncode == 0
    assert outcome(runs) == outcome(local)


class Server:
    """A real `mlflow server` over PostgreSQL."""

    def __init__(self, database: Postgres, artifacts: Path) -> None:
        self._database, self._artifacts = database, artifacts
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", self._database.address("mlflow"), "--workers", "1"]
        command += ["--artifacts-destination", str(self._artifacts)]
        self._process = subprocess.Popen(
            command,
            env=environment(),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 240
        while True:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                    return
            except OSError:
                assert time.monotonic() < deadline, "the MLflow server does not start"
                time.sleep(0.3)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def serving(database: Postgres, artifacts: Path) -> Iterator[Server]:
    server = Server(database, artifacts)
    try:
        yield server
    finally:
        server.kill()


def test_a_study_outlives_the_death_of_the_database_and_of_the_server_and_shows_no_password(tmp_path: Path):
    pytest.importorskip("psycopg2", reason="the extra augur-vision[postgres] is not installed")
    runs = tmp_path / "runs"
    with running_postgres() as database:
        database.sql("postgres", "CREATE DATABASE mlflow")
        with serving(database, tmp_path / "artifacts") as server:
            env = environment(AGENT_TRACKING__CHECKPOINTS=database.address())
            size = f"{BARE} --tracking.uri {server.uri} --tracking.timeout 10 --tracking.retries 8"
            ended: list[Ended] = []
            study = threading.Thread(target=lambda: ended.append(run(runs, size=size, env=env)))
            study.start()
            _wait_for_a_result(runs)
            server.kill()
            database.kill()
            time.sleep(1)
            database.start()
            server.start()
            study.join()
            (done,) = ended
            assert done.returncode == 0, done.stderr
            assert "Trying again in" in done.stderr
            assert "answers again" in done.stderr
            again = agent("resume", "s", "--runs-dir", str(runs), env=env)
            assert again.returncode == 0, again.stderr
            assert "This study is finished" in again.stdout + again.stderr
            store = Tracking(server.uri)
            assert store.find_study("s")
            found = store.client.search_runs([store.experiment_id], "tags.study = 's'", max_results=1000)
            names = ("kind", "phase", "candidate", "seed")
            assert max(Counter(tuple(r.data.tags.get(n, "") for n in names) for r in found).values()) == 1
            files = [file.read_bytes() for file in (runs / "studies" / "s").rglob("*") if file.is_file()]
            assert not [content for content in files if b"that-nobody-shows" in content]
            assert "that-nobody-shows" not in done.stdout + done.stderr + again.stdout + again.stderr
            assert PASSWORD not in done.stderr
            gone = agent("delete", "s", "--yes", "--runs-dir", str(runs), env=env)
            assert gone.returncode == 0, gone.stderr
        assert database.sql("augur", "SELECT count(*) FROM checkpoints") == [(0,)]


def _wait_for_a_result(runs: Path) -> None:
    deadline = time.monotonic() + 240
    while not [*(runs / "trials").rglob("result.json")]:
        assert time.monotonic() < deadline, "nothing was trained"
        time.sleep(0.05)

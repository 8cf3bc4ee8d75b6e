"""`agent ui`: MLflow's server on the right store, or why not."""

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from agent.commands.ui import _free_port, serve
from agent.memory.tracking.store import sqlite_uri
from agent.screen.terminal import Terminal
from tests.repository import ROOT
from tools.errors import AugurError


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_without_a_store_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(AugurError, match="`agent run`"):
        serve(tmp_path, "127.0.0.1", 5000, Terminal())


def test_a_taken_port_is_named_and_another_offered(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AugurError, match=rf"127\.0\.0\.1:{port} .*--port {port + 1}"):
            serve(tmp_path, "127.0.0.1", port, Terminal())


@pytest.mark.parametrize("host", ["no-such-machine.invalid", "203.0.113.1"])
def test_where_the_machine_has_no_such_address_another_one_is_offered(host: str) -> None:
    with pytest.raises(AugurError, match=r"choose another --host, such as 127\.0\.0\.1"):
        _free_port(host, 5000)


def test_a_port_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    with pytest.raises(AugurError, match=r"127\.0\.0\.1:70000 "):
        serve(tmp_path, "127.0.0.1", 70_000, Terminal())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_port_0_is_one_that_is_free(host: str) -> None:
    assert _free_port(host, 0) > 0


def test_a_server_of_ones_own_is_pointed_to(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:sesame@mlflow.example.org")
    assert serve(tmp_path, "127.0.0.1", 5000, Terminal(pages=True)) == 0
    shown = capsys.readouterr().out
    assert "mlflow.example.org" in shown
    assert "sesame" not in shown


@pytest.mark.slow
def test_it_serves_the_store_and_leaves_no_process_behind(tmp_path: Path) -> None:
    from agent.memory import Tracking
    from agent.memory.views import view_address

    made, runs = tmp_path / "made", tmp_path / "My%20Data?"
    store = Tracking(sqlite_uri(made / "mlflow.db"), made / "artifacts")
    store.open_study("digits/resnet18", "first", {"arm": "tpe"}, {})
    store.log_view(over_default=False)
    store.log_json(store.study_run, {"answer": 42}, "a.json")
    made.rename(runs)
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "ui", "--runs-dir", str(runs), "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "shows the studies" in line)
        found = re.search(r"http://\S+", line)
        assert found
        address = f"{found[0]}/api/2.0/mlflow/experiments/get-by-name?experiment_name=digits/resnet18"
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert b"digits/resnet18" in answer.read()
        page = f"first: {view_address(found[0], store.experiment_id, store.study_run)}"
        assert any(page in line for line in process.stdout)
        file = f"{found[0]}/get-artifact?path=a.json&run_uuid={store.study_run}"
        with urllib.request.urlopen(file, timeout=30) as answer:
            assert b"42" in answer.read()
        assert [path.name for path in tmp_path.iterdir()] == [runs.name]
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]

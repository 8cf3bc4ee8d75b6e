"""A runs folder on a read-only disk (an archive, results of a colleague): it can be looked at, not written to."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.studies import agent, environment
from tests.repository import ROOT


@pytest.fixture(scope="module")
def archive(finished, tmp_path_factory) -> Iterator[Path]:
    """The runs folder of a finished study, on a real disk that is mounted read-only."""
    disk = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    runs = disk / "runs"
    shutil.copytree(finished, runs)
    # As one that was moved there and opened: its addresses are right.
    assert agent("list", "--runs-dir", str(runs)).returncode == 0
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    yield runs
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize(
    "words", [("list",), ("show", "s"), ("cache",), ("generate", "--status")], ids=lambda words: words[0]
)
def test_it_can_be_looked_at(archive: Path, words: tuple[str, ...]) -> None:
    ended = agent(*words, "--runs-dir", str(archive))
    assert ended.returncode == 0, ended.stderr
    assert "warning" not in ended.stderr
    if words[0] in ("list", "show"):
        assert "tpe" in ended.stdout


def test_what_would_write_says_that_it_cannot(archive: Path) -> None:
    for words in (("resume", "s"), ("run", "--dataset", "demo", "--proposer", "tpe")):
        ended = agent(*words, "--runs-dir", str(archive))
        assert ended.returncode == 1, ended.stdout
        assert "Read-only file system" in ended.stderr or "cannot be written" in ended.stderr
        assert "--runs-dir" in ended.stderr or "permissions" in ended.stderr
        assert "Traceback" not in ended.stderr


def test_mlflow_shows_it(archive: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "agent", "ui", "--runs-dir", str(archive), "--port", str(port)]
    output = tmp_path / "output"
    with output.open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if "shows the studies at" in line), "")
        assert line, output.read_text()
        found = urllib.request.urlopen(
            f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get?experiment_id=1"
        )
        assert b"artifact_location" in found.read()
    finally:
        process.terminate()
        process.wait(30)
    assert os.listdir(archive)

"""A runs folder on a read-only disk (an archive, results of a colleague): it can be looked at, not written to."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent import studies
from tests.agent.studies import SHORT, agent, environment
from tests.repository import ROOT


@pytest.fixture(scope="module")
def archive(empty_store, tmp_path_factory) -> Iterator[Path]:
    """The runs folder of a study that was interrupted, on a real disk that is mounted read-only."""
    disk = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        runs = disk / "runs"
        runs.mkdir()
        shutil.copy(empty_store, runs)
        # Opened there once, its addresses are right.
        killed = studies.run(runs, "--proposer", "random", size=SHORT, moment="after:prepare")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        yield runs
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize(
    "words", [("list",), ("show", "s"), ("cache",), ("generate", "--status")], ids=lambda words: words[0]
)
def test_it_can_be_looked_at(archive: Path, words: tuple[str, ...]) -> None:
    ended = agent(*words, "--runs-dir", str(archive))
    assert ended.returncode == 0, ended.stderr
    assert "read-only" not in ended.stderr
    assert "cannot be written" not in ended.stderr
    if words[0] in ("list", "show"):
        assert "random" in ended.stdout


def test_what_would_write_says_that_it_cannot(archive: Path) -> None:
    for words in (("resume", "s"), ("run", "--dataset", "demo", "--proposer", "random")):
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


def test_one_that_was_moved_there_can_be_looked_at_too(archive: Path, tmp_path: Path) -> None:
    """Its addresses of artifacts cannot be put right, which is told, and is no reason to show nothing."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=True)
    try:
        shutil.copytree(archive, disk / "moved")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for words in (("list",), ("show", "s")):
            ended = agent(*words, "--runs-dir", str(disk / "moved"))
            assert ended.returncode == 0, ended.stderr
            assert "random" in ended.stdout
            assert "was moved and cannot be written to" in " ".join(ended.stderr.split())
    finally:
        subprocess.run(["umount", "-l", disk], check=True)

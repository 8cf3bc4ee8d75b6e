"""Disks that are full, failing or read-only, in real workers: no trial fails of them, and everything resumes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import ROOT
from tests.tools.execution import tasks
from tests.tools.training.trials import numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.disk import DiskError
from tools.execution import local
from tools.execution.devices import WorkerPlan
from tools.execution.local import LocalExecutor
from tools.training.trial_store import read_predictions, read_result
from tools.training.types import TrialEvent

ONE = [WorkerPlan("cpu", 1)]
DRIVE = Path(__file__).with_name("drive.py")


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    with LocalExecutor(ONE, timeout=None) as shared:
        yield shared


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def ended(events: list[TrialEvent]) -> list[TrialEvent]:
    return [event for event in events if event.kind == "ended"]


def test_a_full_disk_stops_the_trials_and_they_resume_when_there_is_room(
    executor: LocalExecutor, tinted: CachedDataset, tmp_path: Path, small_disk: Path
):
    (other,) = executor.train([tiny_trial(tinted, tmp_path / "roomy")], silent)
    events: list[TrialEvent] = []
    spec = tiny_trial(tinted, small_disk)
    with pytest.raises(DiskError) as caught:
        list(executor.train([spec], events.append))
    told = str(caught.value)
    assert "the disk is full" in told
    assert str(spec.directory) in told
    assert "free" in told
    assert "agent cache" in told
    assert caught.value.resumable
    assert ended(events) == [], "it has not failed"
    assert read_result(spec.directory) is None

    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    (resumed,) = executor.train([spec], events.append)
    assert numbers(resumed) == numbers(other)


def test_a_limit_on_the_size_of_files_is_named_and_is_not_the_trials_fault(
    executor: LocalExecutor, tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(local, "train_in_worker", tasks.train_with_small_files)
    spec, events = tiny_trial(tinted, tmp_path), list[TrialEvent]()
    with pytest.raises(DiskError, match="raise the limit on file sizes") as caught:
        list(executor.train([spec], events.append))
    assert str(spec.directory) in str(caught.value)
    assert ended(events) == []
    assert read_result(spec.directory) is None


def test_predictions_that_do_not_fit_on_the_disk_are_made_later(
    executor: LocalExecutor, tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    spec = tiny_trial(tinted, tmp_path)
    list(executor.train([spec], silent))
    monkeypatch.setattr(local, "evaluate_in_worker", tasks.evaluate_on_full_disk)
    with pytest.raises(DiskError, match=r"the disk is full.*predictions-test\.npz"):
        executor.evaluate([spec], "test")
    assert read_predictions(spec.directory, "test") is None
    monkeypatch.undo()
    assert len(executor.evaluate([spec], "test")) == 1


def test_a_folder_that_may_not_be_written_is_named(
    executor: LocalExecutor, tinted: CachedDataset, tmp_path: Path, small_disk: Path
):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(DiskError, match="read-only") as caught:
        list(executor.train([tiny_trial(tinted, small_disk / "trials")], silent))
    assert str(small_disk) in str(caught.value)


def test_shared_memory_that_is_too_small_is_named_and_training_goes_on_without_it(
    tinted: CachedDataset, tmp_path: Path
):
    """Loader processes hand batches over in /dev/shm, of which this process has a few kilobytes."""
    spec = tiny_trial(tinted, tmp_path, epochs=1, loader_workers=1)
    file = tmp_path / "spec.json"
    file.write_text(spec.model_dump_json())
    script = f"mount -t tmpfs -o size=16k tmpfs /dev/shm && exec {sys.executable} {DRIVE} {file}"
    ran = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if "unshare" in ran.stderr or "mount:" in ran.stderr:
        pytest.skip(f"no other /dev/shm can be mounted here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    assert "--shm-size" in ran.stdout, ran.stdout + ran.stderr
    assert "training.loader_workers=0" in ran.stdout
    assert "bus error" not in ran.stderr.lower()
    result = read_result(spec.directory)
    assert result is not None
    assert result.status == "finished"

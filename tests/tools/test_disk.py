"""What counts as the disk's fault, however a library wraps it, and what is said of it."""

import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tools.disk import DiskError, disk_error, disk_errors_explained, free_space, refuse_unwritable


def full(file: str = "") -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file) if file else OSError(errno.ENOSPC, "full")


def test_the_place_the_room_and_what_to_delete_are_named(tmp_path: Path):
    told = str(disk_error(full(str(tmp_path / "weights")), tmp_path / "elsewhere"))
    assert str(tmp_path / "weights") in told
    assert "iB free" in told
    assert "agent cache" in told
    assert str(tmp_path / "elsewhere") in str(disk_error(full(), tmp_path / "elsewhere"))


def test_a_cause_within_counts(tmp_path: Path):
    wrapped = RuntimeError("unexpected pos 704 vs 598")
    wrapped.__context__ = full()
    assert disk_error(wrapped, tmp_path) is not None


def test_what_is_no_fault_of_the_disk_stays_what_it_is(tmp_path: Path):
    for error in (
        ValueError("no"),
        FileNotFoundError(errno.ENOENT, "gone"),
        ConnectionRefusedError(111, "no"),
    ):
        assert disk_error(error, tmp_path) is None
    with pytest.raises(ValueError, match="no"), disk_errors_explained(tmp_path):
        raise ValueError("no")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
def test_libraries_that_wrap_it_are_understood(tmp_path: Path):
    tensors = {"a": torch.zeros(100_000)}
    with (
        pytest.raises(DiskError, match="the disk is full"),
        disk_errors_explained(tmp_path),
        Path("/dev/full").open("wb") as opened,
    ):
        torch.save(tensors, opened)
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="stands in its place"), disk_errors_explained(tmp_path):
        save_file(tensors, tmp_path / "file" / "weights.safetensors")


def test_room_is_that_of_the_nearest_folder_there_is(tmp_path: Path):
    assert free_space(tmp_path / "not" / "there").endswith("iB free")


def test_a_folder_that_cannot_be_made_is_refused_without_making_one(tmp_path: Path):
    refuse_unwritable(tmp_path / "not" / "there")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file"):
        refuse_unwritable(tmp_path / "file" / "runs")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path):
    (tmp_path / "sealed").mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="sealed"):
        refuse_unwritable(tmp_path / "sealed" / "runs")

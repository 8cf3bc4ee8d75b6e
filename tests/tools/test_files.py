"""Files that are on disk whole or not at all."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.repository import ROOT
from tools.disk import DiskError
from tools.files import (
    DamagedFile,
    allocate_array,
    locked,
    mend_last_line,
    read_checked_json,
    read_json,
    remove_unfinished,
    sha256_of,
    write_checked_json,
    write_json,
    write_whole,
    written_whole,
)

KILLED = """
import os, signal, sys
from pathlib import Path
from tools.files import written_whole
with written_whole(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half of the new cont")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_between_writing_and_renaming_leaves_the_old_file(tmp_path: Path):
    file = tmp_path / "data"
    file.write_bytes(b"old")
    ran = subprocess.run([sys.executable, "-c", KILLED, str(file)], cwd=ROOT, check=False)
    assert ran.returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2  # what the killed process had written

    remove_unfinished(file)

    assert list(tmp_path.iterdir()) == [file]


def test_a_block_that_fails_changes_nothing_and_leaves_nothing(tmp_path: Path):
    write_whole(tmp_path / "data", b"old")

    def fail(temporary: Path) -> None:
        temporary.write_bytes(b"new")
        raise RuntimeError

    with pytest.raises(RuntimeError), written_whole(tmp_path / "data") as temporary:
        fail(temporary)
    with pytest.raises(OSError), written_whole(tmp_path / "other"):
        pass  # nothing was written
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_several_writers_do_not_disturb_each_other(tmp_path: Path):
    file = tmp_path / "new folder" / "data"
    with written_whole(file) as first, written_whole(file) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
        assert not file.exists()
    assert file.read_bytes() == b"first"  # which ended last
    assert list(file.parent.iterdir()) == [file]


def test_the_temporary_file_may_be_in_another_folder(tmp_path: Path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with written_whole(tmp_path / "data", scratch) as temporary:
        assert temporary.parent == scratch
        temporary.write_bytes(b"new")
    assert (tmp_path / "data").read_bytes() == b"new"
    assert list(scratch.iterdir()) == []


def test_json_comes_back_and_what_is_missing_or_damaged_is_none(tmp_path: Path):
    file = tmp_path / "data.json"
    assert read_json(file) is None
    write_json(file, {"name": "Müller", "numbers": [1, 2.5]})
    assert read_json(file) == {"name": "Müller", "numbers": [1, 2.5]}
    file.write_bytes(file.read_bytes()[:-3])
    assert read_json(file) is None
    file.write_bytes(b"\xff\xfe")
    assert read_json(file) is None


def test_an_allocated_array_has_its_full_size_and_is_allocated_once(tmp_path: Path):
    file = tmp_path / "pixels.npy"
    allocate_array(file, (3, 4, 2), np.dtype(np.uint16))
    assert np.load(file).tolist() == np.zeros((3, 4, 2)).tolist()
    opened = np.lib.format.open_memmap(file, mode="r+")
    opened[1] = 7
    opened.flush()

    allocate_array(file, (3, 4, 2), np.dtype(np.uint16))

    assert np.load(file).dtype == np.uint16
    assert np.load(file).sum() == 7 * 8
    assert list(tmp_path.iterdir()) == [file]


def test_the_digest_is_that_of_the_content(tmp_path: Path):
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")


def test_content_then_name_then_folder_reach_the_disk_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        done.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        sync(descriptor)

    def replaced(source: Path, target: Path) -> None:
        done.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_whole(tmp_path / "new" / "folder" / "data", b"new")
    temporary = done.pop(2)
    assert temporary.endswith(".writing")
    assert done == ["sync new", f"sync {tmp_path.name}", "rename", "sync folder"]


def test_a_file_with_a_checksum_comes_back_and_is_not_believed_when_it_was_changed(tmp_path: Path):
    file = tmp_path / "data.json"
    with pytest.raises(FileNotFoundError):
        read_checked_json(file)
    data = {"name": "Müller", "numbers": [1, 2.5, 0.1 + 0.2], "none": None}
    write_checked_json(file, data)
    assert read_checked_json(file) == data
    whole = file.read_bytes()
    for damaged in (
        b"",
        whole[:-1],
        whole.replace(b"2.5", b"2.6"),
        b"[]",
        b"\xff" + whole,
        bytes(len(whole)),
    ):
        file.write_bytes(damaged)
        with pytest.raises(DamagedFile, match=r"data\.json is damaged"):
            read_checked_json(file)
    file.write_text(json.dumps(data))  # as versions wrote it that knew no checksums
    assert read_checked_json(file) == data


def test_a_lock_of_a_killed_process_blocks_nobody(tmp_path: Path):
    code = (
        "import os, signal, sys; from pathlib import Path; from tools.files import locked\n"
        "with locked(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    file = tmp_path / "lock"
    killed = subprocess.run([sys.executable, "-c", code, str(file)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert file.exists()
    waited: list[str] = []
    with locked(file, on_wait=lambda: waited.append("waited")):
        pass
    assert waited == []


def test_a_file_system_without_locks_is_named_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import fcntl

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(DiskError, match=r"no locks.*--runs-dir on a local disk"), locked(tmp_path / "lock"):
        pass


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        (b"", b""),
        (b'{"a": 1}\n', b'{"a": 1}\n'),
        (b'{"a": 1}', b'{"a": 1}\n'),
        (b'{"a": 1}\n{"b": 2}', b'{"a": 1}\n{"b": 2}\n'),
        (b'{"a": 1}\n{"b": ', b'{"a": 1}\n'),
        (b'{"a": 1}\n\x00\x00\x00', b'{"a": 1}\n'),
        (b'{"a": "\xc3', b""),
    ],
)
def test_what_a_kill_left_of_a_last_line_is_ended_or_dropped(tmp_path: Path, left: bytes, kept: bytes):
    file = tmp_path / "lines.jsonl"
    file.write_bytes(left)
    mend_last_line(file)
    assert file.read_bytes() == kept


def test_a_file_of_lines_that_is_not_there_is_not_made(tmp_path: Path):
    mend_last_line(tmp_path / "lines.jsonl")
    assert not list(tmp_path.iterdir())

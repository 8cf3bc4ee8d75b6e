"""Who holds a study. Another machine is a `holder.json` with another boot id, as that machine would write it."""

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from agent.memory import study_lock
from agent.memory.study_lock import HOLDER, LOCK, is_running, locked
from tools.errors import AugurError


def elsewhere(folder: Path, silence: float = 0.0) -> Path:
    """A holder on another machine that gave its last sign of life so many seconds ago."""
    known = {
        "host": "node-7",
        "boot": "another-boot",
        "pid": 4711,
        "since": "2026-11-27 08:00",
        "token": "theirs",
    }
    file = folder / HOLDER
    file.write_text(json.dumps(known))
    last = time.time() - silence
    os.utime(file, (last, last))
    return file


def test_the_holder_is_known_while_it_holds_and_nothing_stays_behind(tmp_path: Path):
    with locked(tmp_path, "s"):
        assert json.loads((tmp_path / HOLDER).read_text())["pid"] == os.getpid()
        assert is_running(tmp_path)
        with (
            pytest.raises(AugurError, match=rf"run by another process \(process {os.getpid()}, since 20"),
            locked(tmp_path, "s"),
        ):
            pass
        assert is_running(tmp_path), "the one that was refused has changed nothing"
    assert not is_running(tmp_path)
    assert not (tmp_path / HOLDER).exists()


def _hold_and_die(folder: str) -> None:
    with locked(Path(folder), "s"):
        os._exit(1)


def test_a_holder_of_this_machine_that_was_killed_is_followed_at_once(tmp_path: Path):
    process = multiprocessing.get_context("fork").Process(target=_hold_and_die, args=(str(tmp_path),))
    process.start()
    process.join()
    assert (tmp_path / HOLDER).exists()
    told: list[str] = []
    with locked(tmp_path, "s", told.append):
        assert told == []


def test_a_machine_that_lives_keeps_its_study_even_where_its_lock_is_not_seen(tmp_path: Path):
    elsewhere(tmp_path, silence=40)
    assert is_running(tmp_path)
    with pytest.raises(AugurError) as refused, locked(tmp_path, "s"):
        pass
    for part in ("on node-7 (process 4711", "last sign of life 40 s ago", "resumed here in 80 s"):
        assert part in str(refused.value)
    assert "theirs" in (tmp_path / HOLDER).read_text()
    with FileLock(tmp_path / LOCK).acquire(timeout=0):
        pass


@pytest.mark.parametrize("keeps_its_lock", [False, True], ids=["free", "held"])
def test_a_machine_that_is_gone_is_followed_and_named_with_its_age(tmp_path: Path, keeps_its_lock: bool):
    elsewhere(tmp_path, silence=3 * 3600)
    held = FileLock(tmp_path / LOCK)
    if keeps_its_lock:  # by the file server, for a machine that will not come back
        held.acquire()
    assert not is_running(tmp_path)
    told: list[str] = []
    with locked(tmp_path, "s", told.append):
        assert "theirs" not in (tmp_path / HOLDER).read_text()
        assert is_running(tmp_path)
        with pytest.raises(AugurError, match="run by another process"), locked(tmp_path, "s"):
            pass
    held.release()
    (text,) = told
    assert "was being run on node-7 (process 4711, since 2026-11-27 08:00)" in text
    assert "no sign of life for 3 h: it is taken over here" in text


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """SIGINT is ignored where the suite runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def held_until_stopped(folder: Path, meanwhile: Any) -> None:
    """What a study does whose lock is lost: wait for something."""
    with locked(folder, "s"):
        meanwhile()
        threading.Event().wait(20)
    pytest.fail("it was not stopped")


def test_a_holder_that_is_replaced_stops_and_leaves_the_other_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(study_lock, "_FIRST_BEAT_SECONDS", 0.2)
    with pytest.raises(AugurError, match=r"Study s was taken over by node-7 \(process 4711") as stopped:
        held_until_stopped(tmp_path, lambda: elsewhere(tmp_path))
    assert stopped.value.resumable
    assert "theirs" in (tmp_path / HOLDER).read_text()


def test_a_holder_that_cannot_give_a_sign_of_life_stops_before_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(study_lock, "_FIRST_BEAT_SECONDS", 0.1)
    monkeypatch.setattr(study_lock, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(study_lock, "GONE_SECONDS", 1.0)

    def refuse(*arguments: Any) -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(AugurError, match=r"could not write to .* \(Input/output error\)"):
        held_until_stopped(tmp_path, lambda: monkeypatch.setattr(os, "utime", refuse))


def test_signs_of_life_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(study_lock, "_FIRST_BEAT_SECONDS", 0.1)
    monkeypatch.setattr(study_lock, "BEAT_SECONDS", 0.1)
    with locked(tmp_path, "s"):
        file = tmp_path / HOLDER
        os.utime(file, (1, 1))
        deadline = time.monotonic() + 20
        while file.stat().st_mtime < 10:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_an_interrupt_of_the_user_stays_one(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), locked(tmp_path, "s"):
        raise KeyboardInterrupt
    assert not (tmp_path / HOLDER).exists()

"""The store: whole files or none, one writer for each set, a full disk by its name, and making room."""

import os
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from tests.tools.aga.drive_generation import (
    World,
    contents,
    drive,
    open_world,
    splits,
    write_photos,
)
from tools.aga.store.disk_space import DiskFullError, check_room, disk_errors_explained, disk_usage
from tools.aga.store.pieces import STORE_LOCK, key_of, piece_file, set_folder, writing_set
from tools.aga.store.sets import list_sets, prune
from tools.errors import AugurError
from tools.files import read_json, write_json, write_whole


@pytest.fixture
def world(tmp_path: Path) -> World:
    write_photos(tmp_path / "photos", splits(4))
    return open_world(tmp_path)


def test_a_key_depends_on_what_is_said_and_not_on_its_order() -> None:
    assert key_of(a=1, b="two") == key_of(b="two", a=1)
    assert key_of(a=1, b="two") != key_of(a=1, b="twp")


def test_a_write_that_fails_leaves_neither_a_file_nor_a_remainder(tmp_path: Path) -> None:
    (tmp_path / "place").write_text("a file where a folder is needed")
    with pytest.raises(OSError):
        write_whole(tmp_path / "place" / "piece.png", b"data", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["place"]


def test_a_damaged_record_counts_as_missing(tmp_path: Path) -> None:
    write_json(tmp_path / "record.json", {"a": 1}, tmp_path)
    assert read_json(tmp_path / "record.json") == {"a": 1}
    (tmp_path / "record.json").write_text('{"a": ')
    assert read_json(tmp_path / "record.json") is None


def test_a_full_disk_is_named_with_what_was_needed_and_where(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError) as caught, disk_errors_explained(tmp_path, 3 * 2**30):  # noqa: SIM117
        with Path("/dev/full").open("wb", buffering=0) as opened:
            opened.write(b"the device that is always full")
    assert "3.00 GiB" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert caught.value.resumable


def test_what_would_not_fit_on_the_disk_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match="free"):
        check_room(tmp_path, 2**60, max_gib=1e12)


def test_the_cap_counts_what_is_there_already(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(bytes(2**20))
    check_room(tmp_path, 2**20, max_gib=3 / 1024)
    with pytest.raises(DiskFullError, match=r"aga\.max_disk_gib"):
        check_room(tmp_path, 2**20, max_gib=1.5 / 1024)


def test_a_set_above_the_cap_is_refused_and_leaves_nothing(world: World) -> None:
    with pytest.raises(DiskFullError, match=r"--prune"):
        world.generate(max_disk_gib=1e-6)
    assert disk_usage(world.root) == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "aga").write_text("a file where a folder is needed")
    with pytest.raises(AugurError, match="--runs-dir"), writing_set(tmp_path / "aga" / "store", "a" * 64):
        raise AssertionError("not reached")


def test_two_threads_never_write_one_set_at_once(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def write() -> None:
        with writing_set(tmp_path, "a" * 64):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def test_two_processes_that_want_the_same_set_make_it_once(world: World, tmp_path: Path) -> None:
    assert drive(world.folder, 1.5, 1, "whole,whole") == [0, 0]
    assert len(list_sets(world.root)) == 1
    write_photos(tmp_path / "alone" / "photos", splits(4))
    alone = open_world(tmp_path / "alone")
    alone.generate()
    both = (_without_locks(contents(each.root / "sets")) for each in (world, alone))
    assert next(both) == next(both)


def _without_locks(files: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if not name.endswith(".lock")}


def test_sets_are_listed_with_those_used_last_first(world: World) -> None:
    first, second = world.generate(seed=1), world.generate(seed=2)
    for made, used in ((first, 1000), (second, 2000)):
        os.utime(made.folder / "set.json", (used, used))
    assert [each.key for each in list_sets(world.root)] == [second.key, first.key]
    world.generate(seed=1)
    listed = list_sets(world.root)
    assert [each.key for each in listed] == [first.key, second.key]
    assert [(each.finished, each.being_written, each.images) for each in listed] == [(True, False, 12)] * 2
    assert listed[0].bytes == disk_usage(first.folder)


def test_pruning_takes_the_sets_that_were_not_used_for_the_longest_time_first(world: World) -> None:
    made = [world.generate(seed=seed) for seed in range(3)]
    for number, each in enumerate(made):
        os.utime(each.folder / "set.json", (1000 + number, 1000 + number))
    before = disk_usage(world.root)
    freed = prune(world.root, keep=(), down_to=before - 1)
    assert {each.key for each in list_sets(world.root)} == {made[1].key, made[2].key}
    assert freed == before - disk_usage(world.root) > 0


def test_pruning_keeps_the_sets_that_it_is_told_to_and_what_they_were_made_from(world: World) -> None:
    kept, other = world.generate(seed=1), world.generate(seed=2)
    pieces = read_json(kept.folder / "pieces.json")
    assert pieces is not None
    before = contents(kept.folder)
    prune(world.root, keep={kept.key})
    assert not other.folder.exists()
    assert contents(kept.folder) == before
    left = {
        file.relative_to(world.root).as_posix()
        for kind in ("masks", "backgrounds")
        for file in (world.root / kind).glob("*/*")
    }
    assert left == set(pieces["pieces"])


def test_what_was_pruned_is_made_again_to_the_last_byte(world: World) -> None:
    before = contents(world.generate().folder)
    prune(world.root, keep=())
    assert not [file for kind in ("masks", "backgrounds") for file in (world.root / kind).glob("*/*")]
    assert contents(world.generate().folder) == before


def test_a_set_that_is_being_written_is_never_pruned_nor_is_any_mask(world: World) -> None:
    finished = world.generate()
    being_written = set_folder(world.root, "b" * 64)
    (being_written / "work").mkdir(parents=True)
    mask = piece_file(world.root, "masks", "c" * 64)
    mask.parent.mkdir(parents=True, exist_ok=True)
    mask.write_bytes(b"a mask that no record refers to yet")
    with FileLock(f"{being_written}.lock"):
        assert [each.being_written for each in list_sets(world.root) if each.key == "b" * 64] == [True]
        prune(world.root, keep=())
    assert not finished.folder.exists()
    assert being_written.is_dir()
    assert mask.exists()


def test_no_set_is_taken_up_while_the_store_is_pruned(tmp_path: Path) -> None:
    taken = threading.Event()

    def write() -> None:
        with writing_set(tmp_path, "a" * 64):
            taken.set()

    (tmp_path / "sets").mkdir()
    with FileLock(tmp_path / STORE_LOCK):
        thread = threading.Thread(target=write)
        thread.start()
        assert not taken.wait(0.3)
    assert taken.wait(10)
    thread.join()


def test_pruning_a_store_that_is_not_there_frees_nothing(tmp_path: Path) -> None:
    assert prune(tmp_path / "none", keep=()) == 0
    assert list_sets(tmp_path / "none") == []

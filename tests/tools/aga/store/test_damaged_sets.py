"""Sets that were torn or changed on disk: found when they are opened, and made again to the last byte."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.tools.aga.drive_generation import World, contents, open_world, real_tools, splits, write_photos
from tools.aga.store import sets
from tools.aga.store.pieces import KNOWN
from tools.aga.store.sets import open_finished
from tools.files import DamagedFile


@pytest.fixture
def world(tmp_path: Path) -> World:
    write_photos(tmp_path / "photos", splits(4))
    return open_world(tmp_path)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3] ^= 4
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [flip, cut, empty, Path.unlink])
@pytest.mark.parametrize("name", ["pixels.npy", "labels.npy", "provenance.parquet", "pieces.json"])
def test_a_damaged_file_of_a_set_is_named_and_the_set_made_again(
    world: World, caplog: pytest.LogCaptureFixture, name: str, damage
) -> None:
    made = world.generate()
    before = contents(made.folder)
    damage(made.folder / name)
    with pytest.raises(DamagedFile, match=name):
        open_finished(world.root, made.key)
    assert world.generate() == made
    assert contents(made.folder) == before
    assert f"{made.folder / name} is damaged" in caplog.text


@pytest.mark.parametrize("damage", [flip, cut, empty])
def test_a_damaged_description_does_not_crash_and_is_made_again(
    world: World, caplog: pytest.LogCaptureFixture, damage
) -> None:
    made = world.generate(tools=real_tools)
    before = contents(made.folder)
    damage(made.folder / "set.json")
    assert world.generate(tools=real_tools) == made
    assert contents(made.folder) == before
    assert "set.json is damaged" in caplog.text


def test_a_description_that_was_edited_is_not_believed(world: World) -> None:
    made = world.generate()
    file = made.folder / "set.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"images": made.images - 1}))
    assert world.generate() == made


def test_a_set_whose_labels_were_exchanged_is_not_trained_on(world: World) -> None:
    made = world.generate()
    labels = np.load(made.folder / "labels.npy")
    np.save(made.folder / "labels.npy", labels[::-1])
    world.generate()
    assert np.array_equal(np.load(made.folder / "labels.npy"), labels)


def test_a_damaged_note_of_an_earlier_answer_only_costs_time(world: World) -> None:
    made = world.generate(tools=real_tools)
    (note,) = (world.root / KNOWN).iterdir()
    for damage in (flip, cut, empty):
        damage(note)
        assert world.generate(tools=real_tools) == made


def test_a_set_of_a_version_without_digests_is_used_as_it_is(world: World) -> None:
    made = world.generate()
    file = made.folder / "set.json"
    about = json.loads(file.read_text())
    for name in ("sha256", sets.DIGESTS):
        del about[name]
    file.write_text(json.dumps(about))
    before = contents(made.folder)
    assert world.generate() == made
    assert contents(made.folder) == before


def test_the_files_are_hashed_once_in_a_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.generate()

    def never(file: Path) -> str:
        raise AssertionError(f"{file} was read again")

    world.generate()
    monkeypatch.setattr(sets, "sha256_of", never)
    world.generate()

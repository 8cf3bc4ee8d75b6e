"""Names of files and classes that are not UTF-8, or that hold what a screen must not see."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.studies import environment
from tests.repository import ROOT
from tests.tools.datasets.images import fill, photo
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.splits.split_file import NAME, read_splits
from tools.errors import DataError

LATIN = os.fsdecode(b"caf\xe9")
"""As a zip file from Windows leaves it on a disk that expects UTF-8."""
STEERING = "dog\x1b[31m\x07"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for number in range(24):
        place = folder / (LATIN, STEERING)[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        try:
            photo(number).save(place / f"{number}-{LATIN}.png")
        except OSError:
            pytest.skip("this file system takes only names in UTF-8")
    return folder


def test_they_are_read_and_written_as_they_are_and_shown_as_they_can_be(root: Path, tmp_path: Path) -> None:
    config = DataConfig(dataset="folder", path=root, decode_workers=1)
    dataset = open_dataset(config)
    made = build_cache(dataset, config, 8, tmp_path / "cache")
    assert made.card.classes == ("caf\\xe9", "dog\N{REPLACEMENT CHARACTER}")
    assert {record.file for record in dataset.records} == {
        path.relative_to(root).as_posix() for path in root.rglob("*.png")
    }
    again, _ = read_splits(made.splits_file, dataset.records)
    assert {record.file for record in again} == {record.file for record in dataset.records}
    assert made.splits_file.name == NAME
    assert b"caf\xe9" in made.splits_file.read_bytes()


def test_the_command_that_checks_them_shows_no_control_character(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agent", "datasets", "check", "--data", str(root), "--image-size", "16"]
    done = subprocess.run(
        [*command, "--modality", "natural", "--runs-dir", str(tmp_path / "runs")],
        capture_output=True,
        cwd=ROOT,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    shown = (done.stdout + done.stderr).decode("utf-8")
    assert "caf\\xe9" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_classes_that_would_look_alike_are_refused(tmp_path: Path) -> None:
    for name in ("cat", "cat\x1b[0m"):
        (tmp_path / name).mkdir()
        for number in range(6):
            photo(len(name) * 10 + number).save(tmp_path / name / f"{number}.png")
    with pytest.raises(DataError, match="several classes are shown as cat"):
        open_dataset(DataConfig(dataset="folder", path=tmp_path))


def test_a_folder_whose_name_is_not_utf8_is_named_in_a_note_that_can_be_stored(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for number, split in enumerate(("train", "val", "test")):
        fill(root / split, {"cat": 4, "dog": 4}, seed=100 * number)
    try:
        fill(root, {LATIN: 3}, seed=900)
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    config = DataConfig(dataset="folder", path=root, on_leak="drop", decode_workers=1)
    made = build_cache(open_dataset(config), config, 8, tmp_path / "cache")
    (note,) = (note for note in made.notes if "beside the splits" in note)
    assert r"caf\xe9 (3 images)" in note

"""What `agent datasets check` says of splits and leaks is what a study does, and no more than was looked at."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.tools.datasets.images import fill, write_csv
from tools.datasets.cache.build import build_cache
from tools.datasets.check.check_report import check
from tools.datasets.check.finding import Finding
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset, open_published
from tools.datasets.types import SPLITS

PER_SPLIT = {"train": 12, "validation": 6, "test": 6}


def found_by(name: str, config: DataConfig, root: Path) -> Finding:
    report = check(open_published(config), (), config, 16, root)
    (found,) = (each for each in report.findings if each.check == name)
    return found


@pytest.fixture
def patients(tmp_path) -> Path:
    """Each image of a patient of its own, but that the first two training images are of a test patient."""
    splits = [split for split, count in PER_SPLIT.items() for _ in range(count)]
    root = fill(tmp_path / "data", {"img": len(splits)})
    rows = [(f"img/{n:04d}.png", "ab"[n % 2], split, f"patient {n}") for n, split in enumerate(splits)]
    rows[:2] = [(*row[:3], f"patient {len(rows) - 1}") for row in rows[:2]]
    write_csv(root / "manifest.csv", [("file", "label", "split", "group"), *rows])
    return root


@pytest.mark.parametrize(
    ("on_leak", "sizes"),
    [
        ("drop", {"train": 10, "validation": 6, "test": 6}),
        ("move", {"train": 10, "validation": 6, "test": 8}),
    ],
)
def test_leaks_are_dropped_or_moved_as_a_study_does(patients, tmp_path, on_leak, sizes):
    config = DataConfig(path=patients, on_leak=on_leak)
    assert found_by("splits", config, tmp_path / "cache").numbers["sizes"] == sizes
    study = build_cache(open_dataset(config), config, 16, tmp_path / "cache")
    assert {split: study.size(split) for split in SPLITS} == sizes


def test_leaks_in_a_file_of_splits_are_a_problem_as_they_stop_a_study(patients, tmp_path):
    with (patients / "manifest.csv").open() as opened:
        rows = [(row["file"], row["split"]) for row in csv.DictReader(opened)]
    write_csv(tmp_path / "mine.csv", [("file", "split"), *rows])
    found = found_by("splits", DataConfig(path=patients, splits=tmp_path / "mine.csv"), tmp_path / "cache")
    assert found.severity == "problem"
    assert "a study with these settings stops: in" in found.text
    assert "  patient 23: img/0000.png (train) and img/0023.png (test)" in found.details
    taken = DataConfig(path=patients, splits=tmp_path / "mine.csv", on_leak="drop")
    assert found_by("splits", taken, tmp_path / "cache").severity == "warning", "of few images"


def test_a_class_of_few_patients_is_scarce_however_many_images_they_have(tmp_path):
    splits = [split for split in PER_SPLIT for _ in range(24)]
    root = fill(tmp_path / "data", {"img": len(splits)})
    rows = [
        (f"img/{n:04d}.png", "ab"[n % 2], split, f"{split} {n % (4 if split == 'test' else 12)}")
        for n, split in enumerate(splits)
    ]
    assert Counter(row[2] for row in rows) == dict.fromkeys(PER_SPLIT, 24)
    write_csv(root / "manifest.csv", [("file", "label", "split", "group"), *rows])
    config = DataConfig(path=root)
    found = found_by("splits", config, tmp_path / "cache")
    assert found.severity == "warning"
    assert "test has 12 of a in 2 groups, test has 12 of b in 2 groups" in found.details[-1]
    study = build_cache(open_dataset(config), config, 16, tmp_path / "cache")
    assert study.class_groups("test") == {"a": 2, "b": 2}
    assert study.class_groups("validation") == {"a": 6, "b": 6}


def test_pictures_too_plain_to_be_compared_are_not_called_different(tmp_path):
    root = fill(tmp_path / "data", {"a": 20, "b": 20})
    for number in range(3):
        Image.new("L", (24, 20), 10 + number).save(root / "a" / f"dark{number}.png")
    found = found_by("near copies", DataConfig(path=root), tmp_path / "cache")
    assert found.severity == "warning"
    assert found.text.startswith(
        "no two images have the same appearance; of 43, 3 are too plain to be compared"
    )

"""Images whose group nobody wrote down, in a table where others have one: no word for nothing is a patient."""

from collections import Counter
from pathlib import Path

import pytest

from tests.tools.datasets.images import fill, write_csv
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset, open_published
from tools.datasets.types import Dataset
from tools.errors import DataError

PATIENTS = ["p1", "p1", "p2", "p2", "p3", "p3", "", "nan", "NaN", "N/A", "None", "?"]
ALONE = ["img/0006.png", "img/0007.png", "img/0008.png", "img/0009.png", "img/0010.png", "img/0011.png"]
NOTE = "6 images have no group and are each one of their own ((empty) 1, nan 1, NaN 1, N/A 1, None 1, ? 1)"


def listed(root: Path, name: str, patients: list[str] = PATIENTS) -> Path:
    """Two classes in turn, with these patients, in a table of that name."""
    fill(root, {"img": len(patients)})
    rows = [(f"img/{n:04d}.png", "ab"[n % 2], patient) for n, patient in enumerate(patients)]
    write_csv(root / name, [("file", "label", "group"), *rows])
    return root


def opened(root: Path, **settings) -> Dataset:
    return open_published(DataConfig(path=root, **settings))


@pytest.mark.parametrize(("name", "labels"), [("manifest.csv", None), ("t.csv", "t.csv:file:label:group")])
def test_images_without_a_group_do_not_share_one_and_are_counted(tmp_path, name, labels):
    dataset = opened(listed(tmp_path, name), labels=labels)
    groups = Counter(record.group for record in dataset.records)
    assert groups == {"p1": 2, "p2": 2, "p3": 2, **dict.fromkeys(ALONE, 1)}
    assert NOTE in dataset.notes


@pytest.mark.parametrize("patients", [["p1", "p2", "p1", "p2"], ["nan"] * 4])
def test_nothing_is_said_where_all_images_have_a_group_or_none_has(tmp_path, patients):
    dataset = opened(listed(tmp_path, "manifest.csv", patients))
    assert not any("no group" in note for note in dataset.notes)


def test_a_table_that_is_offered_counts_an_image_without_a_group_as_one(tmp_path):
    with pytest.raises(DataError, match="group keeps 9 groups together"):
        opened(listed(tmp_path, "t.csv", ["p1", "p1", "p2", "p2", "p3", "p3", *["nan"] * 6]))


def test_a_file_of_splits_names_no_group_by_such_a_word_either(tmp_path):
    root = listed(tmp_path, "manifest.csv", ["p1", "p1", "p2", "p2", "p3", "p3"])
    rows = [(f"img/{n:04d}.png", ("train", "val", "test")[n // 2], "nan") for n in range(6)]
    write_csv(tmp_path / "splits.csv", [("file", "split", "group"), *rows])
    dataset = open_dataset(DataConfig(path=root, splits=tmp_path / "splits.csv"))
    assert {record.group: record.split for record in dataset.records} == {
        "p1": "train",
        "p2": "validation",
        "p3": "test",
    }

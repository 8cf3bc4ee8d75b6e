"""Other images that a study's classifiers are tested on: which of them are used, and what is said where none can be."""

from pathlib import Path

import pytest
from PIL import Image

from agent.shifts import find_shift
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_published
from tools.datasets.types import Dataset
from tools.errors import AugurError


def fill(folder: Path, counts: dict[str, int]) -> None:
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (8, 8), (number, 90, 9)).save(folder / name / f"{number}.png")


def found(root: Path, counts: dict[str, int]) -> Dataset:
    """What is found in `others`, for a study of ants, bees and wasps."""
    fill(root / "own", {"ants": 2, "bees": 2, "wasps": 2})
    fill(root / "others", counts)
    config = DataConfig(path=root / "own", modality="natural")
    card = open_published(config).card
    return find_shift(config, card, "others", root / "others", "--folder", True)[0]


def test_classes_without_images_are_no_fault_and_labels_are_those_of_the_study(tmp_path: Path):
    records = found(tmp_path, {"wasps": 1, "bees": 2}).records
    assert sorted(record.label for record in records) == [1, 1, 2]


def test_that_only_the_test_split_of_a_folder_is_used_is_told(tmp_path: Path):
    counts = {"train/ants": 3, "train/bees": 2, "test/ants": 1, "test/bees": 1}
    dataset = found(tmp_path, counts)
    assert len(dataset.records) == 2
    assert "its test split alone is used; 5 images of its others not" in dataset.notes


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"ants": 2, "spiders": 2}, "lacks: spiders"),
        ({"ants": 2}, "images of one class only"),
    ],
)
def test_what_cannot_be_tested_on_is_said_with_what_can_be_done_about_it_here(
    tmp_path: Path, counts: dict[str, int], said: str
):
    with pytest.raises(AugurError) as told:
        found(tmp_path, counts)
    text = str(told.value)
    assert said in text
    assert "own has ants, bees, wasps. Other images must be in folders of these names" in text
    assert text.endswith("flags such as --data.labels and --data.layout are for the images of own alone.")

"""Tables in which an image may have several labels, or none."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.tools.datasets.images import photo, write_csv
from tools.datasets.cache.build import build_cache
from tools.datasets.check.class_balance import sizes_line
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset, open_published
from tools.datasets.types import Dataset
from tools.errors import ConfigurationError, DataError

LABELS = ("wet", "old", "torn")


@pytest.fixture
def photos(tmp_path) -> Path:
    """24 images with labels by the bits of their numbers: three of them have no label, three all."""
    (tmp_path / "img").mkdir()
    for n in range(24):
        photo(n).save(tmp_path / "img" / f"s{n:02d}.jpg")
    rows = [(f"s{n:02d}", *(n >> bit & 1 for bit in range(3)), n // 2) for n in range(24)]
    write_csv(tmp_path / "t.csv", [("image", *LABELS, "source"), *rows])
    return tmp_path


def opened(root: Path, labels: str = "t.csv:image:wet,old,torn", **settings) -> Dataset:
    return open_published(DataConfig(path=root, labels=labels, **settings))


@pytest.mark.parametrize("columns", ["wet,old,torn", "wet+old+torn"])
def test_named_columns_that_do_not_exclude_each_other_are_labels(photos, columns):
    dataset = opened(photos, f"t.csv:image:{columns}")
    assert dataset.card.several_labels
    assert dataset.card.classes == LABELS, "in the order of the columns"
    names = {record.file: dataset.card.label_name(record.label) for record in dataset.records}
    assert names["img/s00.jpg"] == "no label"
    assert names["img/s03.jpg"] == "wet + old"
    assert any("an image may have several labels" in note for note in dataset.notes)


def test_columns_that_are_not_named_are_asked_about(photos):
    with pytest.raises(DataError, match=r"line 5: the image has 2 labels \(wet, old\).*several_labels on"):
        opened(photos, "t.csv:image::source")
    assert opened(photos, "t.csv:image::source", several_labels="on").card.several_labels


def test_a_single_image_of_two_classes_is_a_mistake(photos):
    rows = [(f"s{n:02d}", int(n % 2 == 0 or n == 5), int(n % 2 == 1)) for n in range(24)]
    write_csv(photos / "t.csv", [("image", "x", "y"), *rows])
    with pytest.raises(DataError, match=r"t\.csv, line 7: the image has 2 labels \(x, y\)"):
        opened(photos, "t.csv:image:x,y")


def test_several_labels_need_a_column_for_each(photos):
    with pytest.raises(ConfigurationError, match="names the single column wet"):
        opened(photos, "t.csv:image:wet", several_labels="on")
    with pytest.raises(ConfigurationError, match="needs a table with a column of 0 and 1 for each label"):
        open_published(DataConfig(path=photos, layout="class", several_labels="on"))


def test_an_image_with_other_labels_in_a_second_row_is_refused(photos):
    with (photos / "t.csv").open("a") as table:
        table.write("s03,1,0,1,1\n")
    with pytest.raises(DataError, match="has the label 'torn \\+ wet' here and 'old \\+ wet' in line 5"):
        opened(photos)


def test_the_opening_line_has_the_share_of_each_label_and_of_none(photos):
    dataset = opened(photos)
    assert sizes_line(dataset.records, dataset.card) == (
        "24 images · 3 labels: wet 50.0%, old 50.0%, torn 50.0%; 12.5% have none · train 24"
    )


def test_trials_read_a_row_of_zeros_and_ones_and_the_splits_can_be_used_again(photos, tmp_path):
    config = DataConfig(path=photos, labels="t.csv:image:wet,old,torn", leak_guard="exact", decode_workers=1)
    cached = build_cache(open_dataset(config), config, 16, tmp_path / "cache")
    train = cached.split("train")
    assert train.labels.dtype == np.uint8
    assert train.labels.shape == (cached.size("train"), 3)
    numbers = [int(Path(file).stem[1:]) for file in train.files]
    assert train.labels.tolist() == [[n >> bit & 1 for bit in range(3)] for n in numbers]
    assert cached.size("train") + cached.size("validation") + cached.size("test") == 24
    assert cached.without_label == 3
    for split in ("train", "validation", "test"):
        assert min(cached.class_counts(split).values()) > 0

    rows = list(csv.DictReader(cached.splits_file.open()))
    assert rows[0].keys() == {"file", *LABELS, "split", "group"}
    again = config.model_copy(update={"splits": cached.splits_file})
    assert build_cache(open_dataset(again), again, 16, tmp_path / "cache").fingerprint == cached.fingerprint


def test_the_same_columns_as_classes_are_other_data(photos, tmp_path):
    rows = [(f"s{n:02d}", int(n % 2 == 0), int(n % 2 == 1)) for n in range(24)]
    write_csv(photos / "t.csv", [("image", "x", "y"), *rows])
    found = set()
    for several in ("on", "off"):
        config = DataConfig(
            path=photos,
            labels="t.csv:image:x,y",
            several_labels=several,
            leak_guard="exact",
            decode_workers=1,
        )
        found.add(build_cache(open_dataset(config), config, 16, tmp_path / "cache").fingerprint)
    assert len(found) == 2

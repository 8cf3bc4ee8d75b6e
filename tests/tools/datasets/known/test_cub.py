"""CUB-200-2011 as it is distributed: tables that are joined by the id of the image, boxes, and masks apart."""

import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.datasets.images import photo
from tools.aga.detectors.simple import GivenBoxes
from tools.aga.segmenters.given_masks import read_mask
from tools.aga.types import Box, SourceImage
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.known.cub import CARD
from tools.datasets.registry import open_dataset, open_published
from tools.datasets.types import Corners, Dataset
from tools.errors import ConfigurationError, DataError

CLASSES = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross")
NAMES = ("Black footed Albatross", "Laysan Albatross", "Sooty Albatross")
SIZE = (24, 20)


@dataclass
class Birds:
    """A replica: ids in any order of file names, and lines in any order of ids."""

    root: Path
    train: int = 8
    test: int = 3
    shuffle: int = 0
    files: dict[int, str] = field(default_factory=dict)
    """id → file, as in images.txt."""
    class_ids: dict[int, int] = field(default_factory=dict)
    flags: dict[int, int] = field(default_factory=dict)

    @property
    def base(self) -> Path:
        return self.root / "CUB_200_2011"

    def write(self) -> "Birds":
        chance = random.Random(self.shuffle)
        for class_id, folder in enumerate(CLASSES, start=1):
            flags = [1] * self.train + [0] * self.test
            chance.shuffle(flags)
            names = chance.sample(range(1, 1000), len(flags))
            for flag, name in zip(flags, names, strict=True):
                key = len(self.files) + 1
                stem = folder.partition(".")[2].title()
                self.files[key] = f"{folder}/{stem}_{name:04d}_{key + 700000}.jpg"
                self.class_ids[key] = class_id
                self.flags[key] = flag
                file = self.base / "images" / self.files[key]
                file.parent.mkdir(parents=True, exist_ok=True)
                photo(key, *SIZE).save(file, "JPEG")
        self.table("classes.txt", dict(enumerate(CLASSES, start=1)))
        self.table("images.txt", self.files)
        self.table("image_class_labels.txt", self.class_ids)
        self.table("train_test_split.txt", self.flags)
        self.table("bounding_boxes.txt", {key: f"{key % 5}.0 2.0 10.5 12.0" for key in self.files})
        return self

    def table(self, name: str, rows: dict) -> Path:
        lines = [f"{key} {value}\n" for key, value in rows.items()]
        random.Random(name).shuffle(lines)
        (self.base / name).write_text("".join(lines))
        return self.base / name

    def masks(self, place: Path) -> Path:
        """A mask for each image, in five shades as the published ones are."""
        for file in self.files.values():
            mask = np.zeros(SIZE[::-1], np.uint8)
            mask[4:16, 4:20] = 102
            mask[6:14, 6:18] = 255
            where = (place / "segmentations" / file).with_suffix(".png")
            where.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(where)
        return place / "segmentations"


@pytest.fixture
def birds(tmp_path) -> Birds:
    return Birds(tmp_path).write()


def cub(path: Path, **settings) -> Dataset:
    return open_dataset(DataConfig(dataset="cub", path=path, **settings))


def published(path: Path, **settings) -> Dataset:
    return open_published(DataConfig(dataset="cub", path=path, **settings))


def test_tables_are_joined_by_id_and_classes_count_from_one(birds):
    dataset = published(birds.root)
    assert dataset.card.classes == NAMES
    assert {r.file: (r.label, r.split) for r in dataset.records} == {
        f"images/{birds.files[key]}": (birds.class_ids[key] - 1, "train" if birds.flags[key] else "test")
        for key in birds.files
    }


def test_the_published_test_split_is_kept_and_validation_carved(birds):
    dataset = cub(birds.root, validation_fraction=0.25)
    assert Counter((r.split, r.label) for r in dataset.records) == {
        (split, label): count
        for split, count in (("train", 6), ("validation", 2), ("test", 3))
        for label in range(3)
    }


def test_the_card_has_all_200_birds():
    assert (len(set(CARD.classes)), CARD.classes[0], CARD.classes[199]) == (
        200,
        "Black footed Albatross",
        "Common Yellowthroat",
    )
    assert set(CARD.superclasses) == {"bird"}
    assert len(CARD.superclasses) == 200


def test_each_class_that_is_there_has_the_superclass_bird(birds):
    assert published(birds.root).card.superclasses == ("bird", "bird", "bird")


def test_the_folder_itself_may_be_given(birds):
    assert published(birds.base).records == published(birds.root).records


def test_tables_with_a_byte_order_mark_windows_line_ends_and_empty_lines_are_read(birds):
    expected = published(birds.root).records
    for file in birds.base.glob("*.txt"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_text().replace("\n", "\r\n").encode() + b"\r\n")
    dataset = published(birds.root)
    assert dataset.records == expected
    assert dataset.card.classes == NAMES
    assert len(dataset.boxes) == 33


def test_boxes_are_given_as_corners_by_file(birds):
    boxes = published(birds.root).boxes
    assert boxes == {
        f"images/{birds.files[key]}": Corners(key % 5, 2, key % 5 + 10.5, 14) for key in birds.files
    }


def test_a_box_that_ends_outside_of_its_image_is_cut_where_it_is_used(birds):
    birds.table("bounding_boxes.txt", dict.fromkeys(birds.files, "20.0 0.0 5.0 20.0"))
    file, corners = next(iter(published(birds.root).boxes.items()))
    assert corners == Corners(20, 0, 25, 20)
    given = GivenBoxes({file: Box(corners.left, corners.top, corners.right, corners.bottom, 1.0)})
    image = np.asarray(Image.open(birds.base / file))
    source = SourceImage(0, file, image, label=0, group=file, digest="")
    assert given.detect([source], "bird") == [[Box(20, 0, 24, 20, 1.0)]]


def test_without_the_table_of_boxes_there_are_none(birds):
    (birds.base / "bounding_boxes.txt").unlink()
    assert published(birds.root).boxes == {}


@pytest.mark.parametrize("within", [True, False])
def test_masks_lie_in_the_folder_or_beside_it(birds, within):
    folder = birds.masks(birds.base if within else birds.root)
    for path in (birds.root, birds.base):
        masks = published(path).masks
        assert set(masks) == {record.file for record in published(path).records}
        for file, mask in masks.items():
            assert mask == (folder / file.removeprefix("images/")).with_suffix(".png")
    assert read_mask(next(iter(masks.values()))).sum() == 8 * 12


def test_images_without_a_mask_are_counted(birds):
    folder = birds.masks(birds.root)
    (folder / birds.files[5]).with_suffix(".png").unlink()
    dataset = published(birds.root)
    assert len(dataset.masks) == 32
    assert "1 image has no mask in segmentations" in dataset.notes


def test_without_the_archive_of_masks_there_are_none_and_nothing_is_said(birds):
    dataset = published(birds.root)
    assert dataset.masks == {}
    assert dataset.notes == ()


def test_alia_holds_out_the_last_five_training_images_of_each_class_by_id(birds):
    dataset = cub(birds.root, variant="alia")
    held = {r.file for r in dataset.records if r.split == "validation"}
    expected = set()
    for class_id in (1, 2, 3):
        train = [key for key in birds.files if birds.class_ids[key] == class_id and birds.flags[key]]
        expected.update(f"images/{birds.files[key]}" for key in sorted(train)[-5:])
    assert held == expected
    assert Counter(r.split for r in dataset.records) == {"train": 9, "validation": 15, "test": 9}
    assert any("the last 5 training images of each class, by id" in note for note in dataset.notes)


def test_the_last_by_id_are_neither_the_last_by_name_nor_by_line(birds):
    # Otherwise the test above could not tell them apart.
    train = [key for key in birds.files if birds.class_ids[key] == 1 and birds.flags[key]]
    by_name = sorted(train, key=lambda key: birds.files[key])[-5:]
    lines = [int(line.split()[0]) for line in (birds.base / "images.txt").read_text().splitlines()]
    by_line = [key for key in lines if key in train][-5:]
    assert set(by_name) != set(sorted(train)[-5:]) != set(by_line)


def test_alia_needs_more_than_five_training_images_of_each_class(tmp_path):
    with pytest.raises(DataError, match="has no training images, only validation and test"):
        cub(Birds(tmp_path, train=5).write().root, variant="alia")


def test_an_unknown_variant_is_refused(birds):
    with pytest.raises(ConfigurationError, match=r"cub has no variant 'wilds'.* alia"):
        cub(birds.root, variant="wilds")


@pytest.mark.parametrize(
    ("table", "line", "problem"),
    [
        ("images.txt", "34", "expected an id (a number) and file, found '34'"),
        ("images.txt", "x 001.Black/a.jpg", "expected an id (a number) and file"),
        ("classes.txt", "4", "expected an id (a number) and name"),
        ("image_class_labels.txt", "34 1 2", "expected an id (a number) and class id, found '34 1 2'"),
        ("train_test_split.txt", "34", "expected an id (a number) and 1 or 0"),
        ("bounding_boxes.txt", "34 1.0 2.0 3.0", "expected an id (a number) and x, y, width, height"),
    ],
)
def test_a_malformed_line_is_named(birds, table, line, problem):
    with (birds.base / table).open("a") as opened:
        opened.write(f"{line}\n")
    number = 4 if table == "classes.txt" else 34
    with pytest.raises(DataError) as error:
        published(birds.root)
    assert f"{birds.base / table}, line {number}: {problem}" in str(error.value)


@pytest.mark.parametrize(
    ("table", "value", "problem"),
    [
        ("image_class_labels.txt", "0", "classes.txt has no class '0'; it has 1 to 3"),
        ("image_class_labels.txt", "4", "classes.txt has no class '4'; it has 1 to 3"),
        ("image_class_labels.txt", "one", "classes.txt has no class 'one'"),
        ("train_test_split.txt", "2", "expected 1 (train) or 0 (test), found '2'"),
        ("bounding_boxes.txt", "1 2 0 4", "width and height above 0, found '1 2 0 4'"),
        ("bounding_boxes.txt", "1 2 nan 4", "width and height above 0, found '1 2 nan 4'"),
        ("bounding_boxes.txt", "1 2 wide 4", "width and height above 0, found '1 2 wide 4'"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(birds, table, value, problem):
    lines = (birds.base / table).read_text().splitlines()
    key = lines[6].split()[0]
    lines[6] = f"{key} {value}"
    (birds.base / table).write_text("\n".join(lines))
    with pytest.raises(DataError) as error:
        published(birds.root)
    assert f"{birds.base / table}, line 7: " in str(error.value)
    assert problem in str(error.value)


def test_an_id_that_is_listed_twice_is_named(birds):
    with (birds.base / "images.txt").open("a") as opened:
        opened.write("7 001.Black_footed_Albatross/again.jpg\n")
    with pytest.raises(DataError, match=r"images\.txt, line 34: id 7 is listed twice, first in .*line"):
        published(birds.root)


@pytest.mark.parametrize("table", ["image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt"])
def test_a_table_that_lacks_an_image_is_named_with_the_image(birds, table):
    lines = (birds.base / table).read_text().splitlines()
    key = int(lines.pop(3).split()[0])
    (birds.base / table).write_text("\n".join(lines))
    with pytest.raises(DataError) as error:
        published(birds.root)
    assert f"{table} and images.txt do not list the same images" in str(error.value)
    assert f"{key} ({birds.files[key]}" in str(error.value).replace("images/", "")


def test_a_table_with_an_image_too_many_is_named_with_the_line(birds):
    with (birds.base / "train_test_split.txt").open("a") as opened:
        opened.write("99 1\n")
    with pytest.raises(
        DataError, match=r"only one of them has the ids 99 \(.*train_test_split\.txt, line 34\)"
    ):
        published(birds.root)


@pytest.mark.parametrize("table", ["classes.txt", "image_class_labels.txt", "train_test_split.txt"])
def test_a_missing_table_is_named(birds, table):
    (birds.base / table).unlink()
    with pytest.raises(DataError, match=rf"{table} of Caltech-UCSD Birds-200-2011 was not found in "):
        published(birds.root)


def test_a_missing_image_is_named(birds):
    (birds.base / "images" / birds.files[12]).unlink()
    with pytest.raises(DataError) as error:
        published(birds.root)
    assert f"1 of the 33 images listed in the tables of {CARD.title} are missing: " in str(error.value)
    assert birds.files[12] in str(error.value)


def test_what_is_missing_is_said_with_where_which_layout_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        open_published(DataConfig(dataset="cub"))
    text = str(error.value)
    assert f"was not found in {tmp_path / 'data/cub'}, which does not exist" in text
    assert "CUB_200_2011/images.txt" in text
    assert "tar -xzf data/cub/CUB_200_2011.tgz" in text


def test_grey_images_and_photographs_go_through_the_cache(birds, shared_data, tmp_path):
    photographs = iter(sorted((shared_data / "antsbees2").rglob("*.jpg")))
    for key, file in birds.files.items():
        if key % 11 == 0:
            photo(key, *SIZE).convert("L").save(birds.base / "images" / file)
        else:
            shutil.copy(next(photographs), birds.base / "images" / file)
    config = DataConfig(dataset="cub", path=birds.root, variant="alia")
    cached = build_cache(open_dataset(config), config, 32, tmp_path / "cache")
    assert cached.class_counts("train") == dict.fromkeys(NAMES, 3)
    assert (len(cached.split("validation")), len(cached.open_test())) == (15, 9)
    assert cached.skipped == ()
    views = [cached.split("train"), cached.split("validation"), cached.open_test()]
    grey = {
        file
        for view in views
        for file, image in zip(view.files, view.images, strict=True)
        if (image[..., 0] == image[..., 2]).all()
    }
    assert {f"images/{birds.files[key]}" for key in (11, 22, 33)} <= grey

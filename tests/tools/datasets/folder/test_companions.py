"""Masks, annotated copies and thumbnails beside their images are no images; a lone file of such a name is one."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.tools.datasets.images import fill, photo
from tools.datasets.config import DataConfig
from tools.datasets.folder.folder import open_folder
from tools.errors import DataError


def mask(seed: int, width: int = 24, height: int = 20, mode: str = "1") -> Image.Image:
    """A white ellipse on black, as tools for annotation write it."""
    x, y = np.random.default_rng(seed).integers(1, 8, 2).tolist()
    made = Image.new("L", (width, height))
    ImageDraw.Draw(made).ellipse((x, y, width - y, height - x), fill=255)
    return made.convert(mode)


def opened(root: Path, **settings):
    return open_folder(DataConfig(path=root, **settings))


def files(root: Path, **settings) -> list[str]:
    return [record.file for record in opened(root, **settings).records]


@pytest.fixture
def root(tmp_path) -> Path:
    """Two classes of six images named 0000.png to 0005.png."""
    return fill(tmp_path / "data", {"a": 6, "b": 6})


def images_of(root: Path) -> list[Path]:
    return sorted(root.glob("*/*.png"))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
@pytest.mark.parametrize(
    "name", ["{}_mask", "{}_mask_1", "{}-seg", "{}_gt", "{}_label", "{} (mask)", "{}.Segmentation"]
)
def test_a_mask_beside_its_image_is_left_out_and_told(root, name, mode):
    for number, image in enumerate(images_of(root)):
        mask(number, mode=mode).save(image.with_name(f"{name.format(image.stem)}.png"))
    dataset = opened(root)
    assert all(Path(record.file).stem.isdecimal() for record in dataset.records)
    assert len(dataset.records) == 12
    (note,) = (note for note in dataset.notes if "mask" in note)
    assert note.startswith("12 masks of images beside them are not used (a 6, b 6), such as a/0000")
    assert dataset.warnings == ()


def test_a_mask_saved_as_jpeg_is_a_mask(root):
    for number, image in enumerate(images_of(root)):
        mask(number, mode="L").save(image.with_name(f"{image.stem}_mask.jpg"), quality=80)
    assert len(files(root)) == 12


def test_an_empty_mask_is_a_mask(root):
    for image in images_of(root):
        Image.new("L", (24, 20)).save(image.with_name(f"{image.stem}_mask.png"))
    assert len(files(root)) == 12


def test_a_mask_with_the_name_of_its_photograph_and_another_format_is_left_out(root):
    for number, image in enumerate(images_of(root)):
        photo(number).save(image.with_suffix(".jpg"))
        mask(number).save(image)
    assert files(root) == [f"{c}/{n:04d}.jpg" for c in "ab" for n in range(6)]


def test_of_two_photographs_with_one_name_none_is_a_mask(root):
    for number, image in enumerate(images_of(root)):
        photo(100 + number).save(image.with_suffix(".bmp"))
    dataset = opened(root)
    assert (len(dataset.records), dataset.warnings) == (24, ())


@pytest.mark.parametrize("folder", ["masks", "annotations", "GT", "lung masks"])
def test_a_folder_of_masks_beside_the_images_is_left_out(root, folder):
    for number, image in enumerate(images_of(root)):
        inside = image.parent / "images" / image.name
        inside.parent.mkdir(exist_ok=True)
        image.rename(inside)
        (image.parent / folder).mkdir(exist_ok=True)
        mask(number, 48, 40, "RGB").save(image.parent / folder / image.name)
    assert files(root) == [f"{c}/images/{n:04d}.png" for c in "ab" for n in range(6)]


def test_an_annotated_copy_is_left_out(root):
    for image in images_of(root):
        with Image.open(image) as original:
            copy = original.copy()
        ImageDraw.Draw(copy).rectangle((4, 4, 16, 14), outline="red")
        copy.save(image.with_name(f"{image.stem}_annotated.png"))
    dataset = opened(root)
    assert len(dataset.records) == 12
    assert any(note.startswith("12 annotated copies of images beside them") for note in dataset.notes)


@pytest.mark.parametrize("name", ["{}_thumb", "{}-thumbnail", "thumbs/{}"])
def test_a_thumbnail_is_left_out(tmp_path, name):
    root = tmp_path / "data"
    for number in range(12):
        place = root / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        photo(number, 96, 80).save(place / f"{number}.png")
        small = place / f"{name.format(number)}.png"
        small.parent.mkdir(exist_ok=True)
        photo(number, 96, 80).resize((24, 20)).save(small)
    dataset = opened(root)
    assert len(dataset.records) == 12
    assert any(note.startswith("12 thumbnails of images beside them") for note in dataset.notes)


def test_a_photograph_with_the_name_of_a_mask_is_used_and_told(root):
    """People with and without a face mask: 0001.png, 0001_mask.png."""
    for number, image in enumerate(images_of(root)):
        photo(500 + number).save(image.with_name(f"{image.stem}_mask.png"))
    dataset = opened(root)
    assert len(dataset.records) == 24
    (warning,) = dataset.warnings
    assert warning.startswith("12 files are named like a mask or a copy of an image beside them and are used")
    assert "such as a/0000_mask.png beside a/0000.png" in warning


def test_of_two_photographs_with_one_name_none_is_skipped(root):
    for number, image in enumerate(images_of(root)):
        photo(100 + number).save(image.with_suffix(".bmp"))
    assert len(files(root, companions="skip")) == 24


def test_the_setting_decides(root):
    for number, image in enumerate(images_of(root)):
        photo(500 + number).save(image.with_name(f"{image.stem}_mask.png"))
    assert len(files(root, companions="skip")) == 12
    kept = opened(root, companions="keep")
    assert (len(kept.records), kept.warnings) == (24, ())


def test_masks_among_photographs_of_that_name_are_told_apart(root):
    for number, image in enumerate(images_of(root)):
        made = mask(number) if number % 2 else photo(500 + number)
        made.save(image.with_name(f"{image.stem}_mask.png"))
    dataset = opened(root)
    assert len(dataset.records) == 18
    assert any(note.startswith("6 masks") for note in dataset.notes)
    assert any(warning.startswith("6 files are named like a mask") for warning in dataset.warnings)


def test_a_mask_without_its_image_is_used_and_told(root):
    mask(0).save(root / "a" / "lost_mask.png")
    dataset = opened(root)
    assert "a/lost_mask.png" in [record.file for record in dataset.records]
    (warning,) = dataset.warnings
    assert warning.startswith("1 file is named like a mask, looks like a mask, and is used as an image")
    assert "a/lost_mask.png" in warning


def test_a_photograph_without_a_twin_is_an_image_whatever_its_name(root):
    photo(900).save(root / "a" / "party_mask.png")
    photo(901).save(root / "a" / "label.png")
    dataset = opened(root)
    assert (len(dataset.records), dataset.warnings) == (14, ())


def test_a_class_folder_of_masks_is_refused(root):
    (root / "masks").mkdir()
    for number, image in enumerate(sorted((root / "a").iterdir())):
        mask(number).save(root / "masks" / image.name)
    with pytest.raises(DataError, match=r"data/masks has the name of no class: its 6 pictures are masks"):
        open_folder(DataConfig(path=root))
    kept = opened(root, companions="keep", layout="class")
    assert kept.card.classes == ("a", "b", "masks")


def test_classes_of_people_with_and_without_a_mask_are_classes(tmp_path):
    root = fill(tmp_path / "data", {"with_mask": 6, "without_mask": 6})
    dataset = opened(root)
    assert (dataset.card.classes, dataset.warnings) == (("with_mask", "without_mask"), ())

"""Pictures that are black, blank, hidden or mixed are told, by the check and by the cache that a study opens."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.datasets.dicoms import a_dicom
from tests.tools.datasets.images import fill, photo
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.pixels import PixelFolder
from tools.datasets.cache.read import CachedDataset
from tools.datasets.check.check_report import check
from tools.datasets.check.finding import Finding
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset, open_published
from tools.errors import DataError

Draw = Callable[[int], Image.Image]


def written(root: Path, *draws: Draw, count: int = 8, suffix: str = ".png") -> Path:
    """A class for each of `draws`: a, b, …"""
    for label, draw in enumerate(draws):
        place = root / "abc"[label]
        place.mkdir(parents=True)
        for number in range(count):
            draw(100 * label + number).save(place / f"{number}{suffix}")
    return root


def built(root: Path, **settings) -> CachedDataset:
    config = DataConfig(path=root, **settings)
    return build_cache(open_dataset(config), config, 16, root.parent / "cache")


def appearance(root: Path, **settings) -> Finding:
    config = DataConfig(path=root, **settings)
    report = check(open_published(config), (), config, 16, root.parent / "cache")
    (found,) = (each for each in report.findings if each.check == "appearance")
    return found


def told(root: Path, **settings) -> str:
    """What the study warns of; the check finds as much."""
    warnings = built(root, **settings).warnings
    found = appearance(root, **settings)
    assert found.severity == "warning"
    assert [line.split(" (")[0] for line in found.details] == [line.split(" (")[0] for line in warnings]
    return "\n".join(warnings)


def numbers(largest: float, dtype: type = np.uint16) -> Draw:
    """Grey photographs whose numbers go up to `largest`."""

    def draw(seed: int) -> Image.Image:
        grey = np.asarray(photo(seed, 16, 16).convert("L")).astype(np.float64)
        return Image.fromarray((grey / grey.max() * largest).astype(dtype))

    return draw


def mapped(change: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    """A photograph with other numbers."""
    values = np.asarray(photo(900, 16, 16).convert("L")).astype(int)
    return Image.fromarray(change(values).astype(np.uint8)).convert("RGB")


def grey(seed: int) -> Image.Image:
    return photo(seed).convert("L")


def test_photographs_are_not_odd(tmp_path):
    root = written(tmp_path / "data", photo, photo)
    assert built(root).warnings == ()
    assert appearance(root).severity == "right"


# the range


@pytest.mark.parametrize(
    ("largest", "used", "brightest"), [(255, "255", 1), (4095, "4,095", 16), (16383, "16,383", 64)]
)
def test_16_bit_files_that_use_little_of_their_range_are_told_with_the_remedy(
    tmp_path, largest, used, brightest
):
    said = told(written(tmp_path / "data", numbers(largest), numbers(largest)))
    assert f"16 images of 16 bits use at most {used} of 65,535" in said
    assert f"becomes {brightest} of 255" in said
    assert "--data.range dataset" in said
    assert len(said.splitlines()) == 1


def test_16_bit_colours_too(tmp_path):
    cv2 = pytest.importorskip("cv2")
    root = tmp_path / "data"
    for number in range(16):
        place = root / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{number}.png"), np.asarray(photo(number)).astype(np.uint16) * 16)
    assert "16 images of 16 bits use few of 65,535" in told(root)
    data = built(root, range="dataset")
    assert (data.span, data.warnings) == ((0, 4095), ())
    assert data.split("train").images[:].max() > 200


def test_dark_dicom_is_told_with_the_remedy(tmp_path):
    root = tmp_path / "data"
    for number in range(16):
        place = root / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.dcm").write_bytes(a_dicom(np.array(numbers(4095)(number))))
    said = told(root)
    assert "16 images in DICOM use few of 65,535" in said
    assert "--data.range dataset" in said
    assert built(root, range="dataset").span == (0, 4095)


def test_16_bit_files_that_use_their_range_are_not_odd(tmp_path):
    assert built(written(tmp_path / "data", numbers(60_000), numbers(60_000))).warnings == ()


def test_the_range_of_the_data_set_is_that_of_its_training_images_in_whole_bits(tmp_path):
    root = written(tmp_path / "data" / "train", numbers(2000), numbers(3987)).parent
    written(root / "test", numbers(9000), numbers(9000))
    data = built(root, range="dataset")
    assert data.span == (0, 4095)
    assert data.split("train").images[:].max() == round(3987 / 4095 * 255)
    assert data.open_test().images[:].max() == 255
    assert "in images of more than 8 bits, 0 is black and 4,095 is white (data.range dataset)" in data.notes
    assert data.warnings == ()


def test_it_is_the_same_for_every_image_so_that_brightness_stays_comparable(tmp_path):
    data = built(written(tmp_path / "data", numbers(1000), numbers(4000)), range="dataset")
    train = data.split("train")
    assert train.images[:][train.labels == 0].max() < 70
    assert train.images[:][train.labels == 1].max() > 240


@pytest.mark.parametrize(("dtype", "largest"), [(np.float32, 1.0), (np.float32, 0.02), (np.int32, 100_000)])
def test_numbers_without_an_agreed_range_are_read_by_that_of_the_data_set_or_by_a_given_one(
    tmp_path, dtype, largest
):
    root = written(tmp_path / "data", numbers(largest, dtype), numbers(largest, dtype), suffix=".tif")
    with pytest.raises(DataError, match=r"--data\.range"):
        built(root)
    assert built(root, range="dataset").split("train").images[:].max() > 190
    assert built(root, range=f"0:{largest}").split("train").images[:].max() == 255


def test_the_range_is_measured_in_several_processes_as_in_one(tmp_path):
    root = written(tmp_path / "data", numbers(900), numbers(1800), count=70)
    one, two = (built(root, range="dataset", decode_workers=number) for number in (1, 2))
    assert one.span == two.span == (0, 2047)
    assert one.fingerprint == two.fingerprint


def test_a_range_that_changes_nothing_is_told_and_keeps_the_fingerprint(tmp_path):
    root = written(tmp_path / "data", photo, photo)
    usual, asked = built(root), built(root, range="dataset")
    assert asked.fingerprint == usual.fingerprint
    assert "data.range dataset changes nothing: no image has more than 8 bits" in asked.notes


def test_a_range_that_is_used_counts_in_the_fingerprint_and_its_pixels_are_its_own(tmp_path):
    root = written(tmp_path / "data", numbers(4095), numbers(4095))
    usual, asked, given = built(root), built(root, range="dataset"), built(root, range="0:5000")
    assert len({usual.fingerprint, asked.fingerprint, given.fingerprint}) == 3
    assert [each.split("train").images[:].max() for each in (usual, asked, given)] == [16, 255, 209]


@pytest.mark.parametrize("text", ["4095", "9:1", "a:b", "0:inf", "image", ":5"])
def test_a_range_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError, match=r"data\.range .*expected type, dataset or LOW:HIGH"):
        DataConfig(range=text)


# single images


def odd_one(root: Path, image: Image.Image, name: str = "odd.png", **options) -> str:
    written(root, photo, photo)
    image.save(root / "a" / name, **options)
    said = told(root)
    assert f"a/{name}" in said
    return said


def test_an_image_of_a_single_colour_is_told(tmp_path):
    assert "1 image of a single colour" in odd_one(tmp_path / "data", Image.new("RGB", (24, 20), (7, 80, 9)))


def test_an_image_that_is_nearly_black_is_told(tmp_path):
    labels = mapped(lambda values: values // 100)
    assert "1 image nearly black, no pixel brighter than 31 of 255" in odd_one(tmp_path / "data", labels)


def test_an_image_that_is_nearly_white_is_told(tmp_path):
    faint = mapped(lambda values: 255 - values // 20)
    assert "1 image nearly white" in odd_one(tmp_path / "data", faint)


def test_an_image_with_few_levels_is_told(tmp_path):
    labels = mapped(lambda values: values // 86 * 120).convert("L")
    assert "1 image with at most 4 grey levels" in odd_one(tmp_path / "data", labels)


def test_a_picture_hidden_by_transparency_is_told(tmp_path):
    hidden = photo(900).convert("RGBA")
    hidden.putalpha(0)
    said = odd_one(tmp_path / "data", hidden)
    assert "1 image transparent in more than half of the area, with other colours hidden there" in said
    assert "1 image of a single colour" in said


def test_several_pages_are_told(tmp_path):
    said = odd_one(tmp_path / "data", photo(900), "odd.tif", save_all=True, append_images=[photo(901)])
    assert "1 image with several frames or pages, of which the first is used" in said


# mixtures


def test_1_bit_images_among_others_are_told(tmp_path):
    root = written(tmp_path / "data", photo, photo)
    for label in "ab":
        for number in range(8):
            photo(700 + number + 50 * (label == "b")).convert("1").save(root / label / f"bits{number}.png")
    assert "16 images of 32 of 1 bit, black and white: are they masks of the others?" in told(root)


def test_16_bits_among_8_are_told(tmp_path):
    root = written(tmp_path / "data", photo, photo)
    for label in "ab":
        numbers(60_000)(800 + ord(label)).save(root / label / "deep.png")
    assert "2 images of 18 of more than 8 bits, which are scaled by another range" in told(root)


def test_a_way_of_storing_that_tells_the_class_is_told(tmp_path):
    said = told(written(tmp_path / "data", photo, grey))
    assert said.startswith(
        "8 images stored as 8-bit grey, which tells their class (in training images, a 0, b 6)"
    )
    assert len(said.splitlines()) == 1


def test_a_way_of_storing_that_is_mixed_within_classes_tells_none(tmp_path):
    assert built(written(tmp_path / "data", lambda n: photo(n) if n % 2 else grey(n), photo)).warnings == ()


# what is kept


def test_rows_of_another_fit_are_not_copied(tmp_path):
    root = fill(tmp_path / "data", {"a": 8, "b": 8})
    for fit in ("stretch", "pad", "crop"):
        after = built(root, fit=fit).split("train").images[:]
        config = DataConfig(path=root, fit=fit)
        alone = build_cache(open_dataset(config), config, 16, tmp_path / f"alone-{fit}")
        assert (after == alone.split("train").images[:]).all(), fit


def test_images_that_an_earlier_version_decoded_are_used_and_not_judged(tmp_path):
    root = written(tmp_path / "data", numbers(4095), numbers(4095))
    first = built(root)
    (PixelFolder(first.folder.parents[1]).looks_file).unlink()
    again = built(root)
    assert (again.fingerprint, again.warnings) == (first.fingerprint, ())


def test_what_was_seen_is_copied_with_the_pixels(tmp_path):
    root = written(tmp_path / "data", numbers(4095), numbers(4095))
    built(root)
    numbers(4000)(990).save(root / "a" / "more.png")
    assert "17 images of 16 bits use at most 4,095" in told(root)


def test_a_damaged_row_is_looked_at_again(tmp_path):
    root = written(tmp_path / "data", numbers(4095), numbers(4095))
    folder = PixelFolder(built(root).folder.parents[1])
    pixels = np.load(folder.pixels, mmap_mode="r+")
    pixels[0] = 7
    pixels.flush()
    folder.looks_file.unlink()
    built(root)
    assert folder.looks()["seen"].tolist() == [1] + [0] * 15

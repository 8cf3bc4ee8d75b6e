"""iWildCam in the layout of WILDS, and ALIA's subset of it."""

from collections import Counter
from pathlib import Path

import pytest

from tests.tools.datasets.images import photo, write_csv
from tools.datasets.cache.build import build_cache
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset
from tools.errors import ConfigurationError, DataError

COLUMNS = (
    "split",
    "location_remapped",
    "location",
    "sequence_remapped",
    "seq_id",
    "y",
    "category_id",
    "datetime",
    "filename",
    "image_id",
)
SEVEN = (0, 24, 32, 36, 48, 49, 52)
SPECIES = {0: "empty", 1: "tayassu pecari", 24: "bos taurus", 153: "mazama temama", 181: "mazama temama"}


def iwildcam(path: Path, variant: str | None = None, **settings) -> Dataset:
    return open_dataset(DataConfig(dataset="iwildcam", path=path, variant=variant, **settings))


def table(file: Path, frames: list[tuple[str, int, int]], start: int = 0, extra=()) -> None:
    """A table as WILDS writes it (its first column is a nameless index), and the images; (split, location, y) each."""
    (file.parent / "train").mkdir(exist_ok=True)
    rows: list[tuple[object, ...]] = [("", *COLUMNS)]
    for number, (split, location, y) in enumerate(frames, start):
        name = f"{number:08x}-21bc-11ea-a13a-137349068a90"
        photo(number).save(file.parent / "train" / f"{name}.jpg")
        burst = number // 2
        when = "2013-01-20 11:34:39.000"
        rows.append(
            (
                number,
                split,
                location,
                location + 500,
                burst,
                f"seq{burst}",
                y,
                y * 3,
                when,
                f"{name}.jpg",
                name,
            )
        )
    write_csv(file, [*rows, *extra])


def names(folder: Path, species: dict[int, str] = SPECIES) -> None:
    unused = [(99999, 700, "not in wilds")]
    write_csv(
        folder / "categories.csv",
        [("y", "category_id", "name"), *((y, y * 3, n) for y, n in species.items()), *unused],
    )


@pytest.fixture
def wilds(tmp_path) -> Path:
    """Five classes; those of y 1 and 181 are in train only."""
    inner = tmp_path / "iwildcam_v2.0"
    inner.mkdir()
    table(
        inner / "metadata.csv",
        [("train", location, y) for location in (1, 2) for y in SPECIES]
        + [("val", 3, y) for y in (0, 24, 153)]
        + [("test", 4, y) for y in (0, 0, 24, 153)]
        + [("id_val", 1, 0), ("id_test", 2, 24), ("id_test", 2, 0)],
    )
    names(inner)
    return tmp_path


@pytest.fixture
def seven(tmp_path) -> Path:
    """The official table with the seven classes of ALIA in every split, and one more class."""
    table(
        tmp_path / "metadata.csv",
        [("train", location, y) for location in (1, 2) for y in (*SEVEN, 7)]
        + [("val", 3, y) for y in (*SEVEN, 7)]
        + [("test", 4, y) for y in SEVEN]
        + [("id_test", 1, y) for y in SEVEN],
    )
    names(tmp_path, {y: f"species {y}" for y in (*SEVEN, 7)})
    return tmp_path


@pytest.fixture
def alia(tmp_path) -> Path:
    """ALIA's lists: validation is of WILDS' id_test, and camera trap 1 is in train and in validation."""
    table(tmp_path / "train_subset.csv", [("train", location, y) for location in (1, 2) for y in SEVEN])
    table(
        tmp_path / "val_subset.csv",
        [("id_test", location, y) for location in (1, 6) for y in SEVEN],
        start=100,
    )
    table(tmp_path / "test_subset.csv", [("test", 287, y) for y in SEVEN], start=200)
    table(tmp_path / "train_extra_subset.csv", [("test", 24, y) for y in SEVEN], start=300)
    return tmp_path


def test_the_splits_are_those_of_other_camera_traps(wilds):
    dataset = iwildcam(wilds)
    assert Counter(record.split for record in dataset.records) == {"train": 10, "validation": 3, "test": 4}
    homes = {record.group: record.split for record in dataset.records}
    assert homes == {
        "location 1": "train",
        "location 2": "train",
        "location 3": "validation",
        "location 4": "test",
    }


def test_frames_of_the_training_traps_on_other_days_are_left_out_and_counted(wilds):
    dataset = iwildcam(wilds)
    assert "2 images of id_test and 1 images of id_val are not used" in " ".join(dataset.notes)


def test_it_may_lie_in_the_folder_of_its_version_or_be_that_folder(wilds):
    assert iwildcam(wilds).records == iwildcam(wilds / "iwildcam_v2.0").records


def test_classes_are_the_categories_in_the_order_of_y(wilds):
    card = iwildcam(wilds).card
    assert card.classes == (
        "empty",
        "tayassu pecari",
        "bos taurus",
        "mazama temama (153)",
        "mazama temama (181)",
    )
    assert card.metric == "validation_macro_f1"


def test_a_detector_looks_for_the_species_and_for_nothing_in_empty_frames(wilds):
    assert iwildcam(wilds).card.superclasses[:3] == ("", "tayassu pecari", "bos taurus")


def test_a_detector_looks_for_one_animal_of_each_of_the_seven_classes(seven):
    card = iwildcam(seven, "alia-classes").card
    assert dict(zip(card.classes, card.superclasses, strict=True)) == {
        "background": "",
        "cattle": "cattle",
        "elephants": "elephant",
        "impalas": "impala",
        "zebras": "zebra",
        "giraffes": "giraffe",
        "dik-diks": "dik-dik",
    }


def test_empty_rows_are_skipped_and_counted(wilds):
    with (wilds / "iwildcam_v2.0/metadata.csv").open("a") as opened:
        opened.write(f"99{',' * len(COLUMNS)}\n")
    assert "1 empty rows of metadata.csv skipped" in iwildcam(wilds).notes


def test_labels_that_were_saved_as_fractions_are_read(wilds):
    file = wilds / "iwildcam_v2.0/metadata.csv"
    before = iwildcam(wilds).records
    file.write_text(file.read_text().replace(",24,72,", ",24.0,72.0,"))
    assert iwildcam(wilds).records == before


def test_a_row_without_a_label_is_named(wilds):
    with (wilds / "iwildcam_v2.0/metadata.csv").open("a") as opened:
        opened.write("99,train,1,501,9,seq9,,,,zebra.jpg,zebra\n")
    with pytest.raises(
        DataError, match=r"metadata\.csv, line 22: expected .* found 'train', '', '1', '9', 'zebra"
    ):
        iwildcam(wilds)


def test_an_image_of_two_species_has_no_single_label_and_is_left_out(wilds):
    inner = wilds / "iwildcam_v2.0"
    text = (inner / "metadata.csv").read_text()
    second = text.splitlines()[1].replace(",0,0,2013", ",24,72,2013")
    again = text.splitlines()[2]
    (inner / "metadata.csv").write_text(f"{text}{second}\n{again}\n")
    dataset = iwildcam(wilds)
    assert len(dataset.records) == 16
    assert "1 image that shows several classes is not used" in dataset.notes


def test_a_trap_in_two_splits_is_refused(wilds):
    table(
        wilds / "iwildcam_v2.0/metadata.csv",
        [("train", 1, 0), ("train", 1, 24), ("val", 1, 0), ("test", 2, 24)],
    )
    with pytest.raises(DataError, match=r"location 1: .* \(train\) and .* \(validation\)"):
        iwildcam(wilds)


def test_images_that_the_table_lists_in_vain_are_named(wilds):
    (wilds / "iwildcam_v2.0/train/00000003-21bc-11ea-a13a-137349068a90.jpg").unlink()
    with pytest.raises(DataError, match=r"1 of the 17 images .* missing: 00000003-21bc"):
        iwildcam(wilds)


def test_a_category_without_a_name_is_named(wilds):
    names(wilds / "iwildcam_v2.0", {y: name for y, name in SPECIES.items() if y != 24})
    with pytest.raises(DataError, match=r"categories\.csv names no category for y 24"):
        iwildcam(wilds)


def test_what_is_missing_is_said_with_how_to_get_it(tmp_path):
    with pytest.raises(DataError) as error:
        iwildcam(tmp_path / "nowhere")
    assert "which does not exist" in str(error.value)
    assert "metadata.csv" in str(error.value)
    assert "get_dataset('iwildcam'" in str(error.value)


def test_seven_classes_of_the_official_splits(seven):
    dataset = iwildcam(seven, "alia-classes")
    assert Counter(record.split for record in dataset.records) == {"train": 14, "validation": 7, "test": 7}
    assert "7 images of id_test are not used" in " ".join(dataset.notes)


def test_the_lists_of_alia_are_used_as_published(alia):
    dataset = iwildcam(alia, "alia")
    assert Counter(record.split for record in dataset.records) == {"train": 14, "validation": 14, "test": 7}
    notes = " ".join(dataset.notes)
    assert "7 validation images are from 1 camera traps that are in train too" in notes
    assert "7 real images of train_extra_subset.csv" in notes


def test_a_trap_that_alia_has_in_train_and_validation_is_grouped_by_its_bursts(alia):
    groups = {record.group for record in iwildcam(alia, "alia").records}
    assert {"location 2", "location 6", "location 287"} <= groups
    assert "location 1" not in groups
    assert any(group.startswith("location 1, sequence ") for group in groups)


def test_alia_without_its_lists_says_where_they_are(seven):
    with pytest.raises(DataError) as error:
        iwildcam(seven, "alia")
    assert "train_subset.csv, val_subset.csv, test_subset.csv" in str(error.value)
    assert "https://github.com/lisadunlap/ALIA" in str(error.value)


def test_an_unknown_variant_is_refused_with_those_that_are_known(wilds):
    with pytest.raises(ConfigurationError, match=r"iwildcam has no variant 'mini'.* alia, alia-classes"):
        iwildcam(wilds, "mini")


def test_the_subset_is_decoded(alia, tmp_path_factory):
    cached = build_cache(iwildcam(alia, "alia"), DataConfig(), 8, tmp_path_factory.mktemp("cache"))
    assert (len(cached.split("train")), len(cached.split("validation")), len(cached.open_test())) == (
        14,
        14,
        7,
    )
    assert cached.card.classes[0] == "background"


def test_a_corrupt_frame_is_named_and_may_be_skipped(seven, tmp_path_factory):
    broken = seven / "train/00000000-21bc-11ea-a13a-137349068a90.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    root = tmp_path_factory.mktemp("cache")
    with pytest.raises(DataError, match="1 of 28 images cannot be read") as error:
        build_cache(iwildcam(seven, "alia-classes"), DataConfig(), 8, root)
    assert str(broken) in str(error.value)
    cached = build_cache(iwildcam(seven, "alia-classes"), DataConfig(on_corrupt="skip"), 8, root)
    assert len(cached.split("train")) == 13

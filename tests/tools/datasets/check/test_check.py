"""Judging a data set: each planted fault is found and named, and a clean one has none."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.tools.datasets.images import MemorySource, card, encode, fill, in_memory, photo, write_csv
from tools.datasets.check.check_report import CheckReport, check
from tools.datasets.check.class_sheet import COLUMNS, ROWS, class_sheet
from tools.datasets.check.finding import Finding
from tools.datasets.config import DataConfig
from tools.datasets.registry import open_published
from tools.datasets.types import Card, Dataset, Record


def checked(dataset: Dataset, root: Path, counts=(), size: int = 16, **settings) -> CheckReport:
    return check(dataset, counts, DataConfig(**settings), size, root)


def finding(report: CheckReport, name: str) -> Finding:
    (found,) = (each for each in report.findings if each.check == name)
    return found


def checks_with(report: CheckReport, severity: str) -> set[str]:
    return {each.check for each in report.findings if each.severity == severity}


def folder(root: Path, **settings) -> Dataset:
    return open_published(DataConfig(path=root, **settings))


@pytest.fixture
def split_folders(tmp_path) -> Path:
    return fill(tmp_path / "data", {f"{s}/{c}": 6 for s in ("train", "val", "test") for c in ("cat", "dog")})


def with_image(dataset: Dataset, file: str, label: int, split: str, data: bytes, group: str = "") -> Dataset:
    assert isinstance(dataset.source, MemorySource)
    record = Record(file, label, split, group or f"group of {file}")  # type: ignore[arg-type]
    source = MemorySource({**dataset.source.images, file: data})
    return replace(dataset, records=(*dataset.records, record), source=source)


def test_a_clean_data_set_has_no_problem_and_no_warning(tmp_path):
    counts = ({"train": 10, "validation": 10, "test": 10},)
    report = checked(in_memory(per_split=10), tmp_path, counts)
    assert checks_with(report, "right") == {each.check for each in report.findings}
    assert (report.problems, report.warnings) == (0, 0)


# counts


def test_any_published_layout_may_be_the_one_that_is_here(tmp_path):
    layouts = ({"all": 999}, {"train": 4, "validation": 4, "test": 4})
    assert finding(checked(in_memory(), tmp_path, layouts), "counts").severity == "right"
    assert finding(checked(in_memory(), tmp_path, ({"all": 12},)), "counts").severity == "right"


def test_what_differs_from_the_nearest_published_layout_is_said_by_split(tmp_path):
    layouts = ({"all": 999}, {"train": 6, "test": 4})
    found = finding(checked(in_memory(), tmp_path, layouts), "counts")
    assert found.severity == "problem"
    assert found.details == ("train: 6 published, 2 missing", "validation: 0 published, 4 too many")


def test_without_published_numbers_the_counts_are_neither_right_nor_wrong(tmp_path):
    assert finding(checked(in_memory(), tmp_path), "counts").severity == "unknown"


# images


def test_files_that_cannot_be_decoded_are_named_with_the_reason(split_folders, tmp_path):
    (split_folders / "test/cat/0002.png").write_bytes(b"no image")
    report = checked(folder(split_folders), tmp_path / "cache")
    found = finding(report, "readable")
    assert found.severity == "problem"
    assert found.text == "1 of 36 images cannot be decoded"
    assert found.details == (f"{split_folders / 'test/cat/0002.png'}: not an image, or of an unknown format",)
    assert report.counts["test"] == {"cat": 5, "dog": 6}


def test_a_data_set_of_which_nothing_can_be_read_is_told_as_such(tmp_path):
    root = fill(tmp_path / "data", {"cat": 3, "dog": 3})
    for file in root.rglob("*.png"):
        file.write_bytes(b"no image")
    report = checked(folder(root), tmp_path / "cache")
    assert finding(report, "readable").severity == "problem"
    assert finding(report, "appearance").severity == "unknown"
    assert "no image of data can be read" in finding(report, "splits").text


def test_files_that_the_settings_leave_out_are_a_warning(split_folders, tmp_path):
    (split_folders / "test/cat/0002.png").write_bytes(b"no image")
    found = finding(checked(folder(split_folders), tmp_path / "cache", on_corrupt="skip"), "readable")
    assert found.severity == "warning"


def test_at_most_twenty_files_are_named(tmp_path):
    root = fill(tmp_path / "data", {"train/cat": 30, "train/dog": 30})
    for number in range(25):
        (root / f"train/cat/{number:04d}.png").write_bytes(b"")
    found = finding(checked(folder(root), tmp_path / "cache"), "readable")
    assert len(found.details) == 21
    assert found.details[-1] == "… and 5 more"
    assert len(found.numbers["files"]) == 25


def test_sizes_and_modes_come_from_the_headers(tmp_path):
    dataset = in_memory()
    for number, (width, height, mode) in enumerate([(10, 90, "L"), (70, 20, "RGBA")]):
        data = encode(photo(50 + number, width, height).convert(mode))
        dataset = with_image(dataset, f"odd {number}", 0, "train", data)
    numbers = finding(checked(dataset, tmp_path), "sizes").numbers
    assert numbers["width"] == [10, 24, 70]
    assert numbers["height"] == [20, 20, 90]
    assert numbers["modes"] == {"RGB": 12, "L": 1, "RGBA": 1}
    assert numbers["looked_at"] == 14


# classes


def test_a_class_without_images_in_a_split_is_named(tmp_path):
    dataset = in_memory()
    records = tuple(r for r in dataset.records if (r.split, r.label) != ("validation", 1))
    found = finding(checked(replace(dataset, records=records), tmp_path), "classes")
    assert found.severity == "warning"
    assert found.details == ("no image in validation: b",)


def test_unbalanced_classes_are_warned_of(tmp_path):
    root = fill(tmp_path / "data", {"cat": 50, "dog": 10})
    found = finding(checked(folder(root), tmp_path / "cache"), "classes")
    assert found.severity == "warning"
    assert found.numbers["imbalance"] == {"train": 5.0}
    assert "unbalanced: read macro F1" in found.details[0]


def test_a_class_that_loses_all_its_training_images_ends_the_plan_of_a_study(split_folders, tmp_path):
    for file in (split_folders / "train/dog").iterdir():
        file.write_bytes(b"broken")
    report = checked(folder(split_folders), tmp_path / "cache")
    found = finding(report, "splits")
    assert found.severity == "problem"
    assert "no usable image of class dog in train" in found.text
    assert report.inspection.division is None


# the same picture more than once


def test_an_exact_copy_in_another_split_is_a_problem_and_names_both_files(split_folders, tmp_path):
    shutil.copy(split_folders / "train/cat/0003.png", split_folders / "test/cat/copy.png")
    found = finding(checked(folder(split_folders), tmp_path / "cache"), "exact copies")
    assert found.severity == "problem"
    assert found.details == ("test/cat/copy.png (test, cat) = train/cat/0003.png (train, cat)",)


def test_an_exact_copy_within_a_split_is_a_warning(split_folders, tmp_path):
    shutil.copy(split_folders / "train/cat/0003.png", split_folders / "train/cat/copy.png")
    report = checked(folder(split_folders), tmp_path / "cache")
    assert finding(report, "exact copies").severity == "warning"
    assert report.problems == 0


@pytest.mark.parametrize("settings", [{"on_leak": "drop"}, {"on_leak": "move"}])
def test_a_copy_in_another_split_is_a_warning_where_the_settings_take_care_of_it(
    split_folders, tmp_path, settings
):
    shutil.copy(split_folders / "train/cat/0003.png", split_folders / "test/cat/copy.png")
    report = checked(folder(split_folders), tmp_path / "cache", **settings)
    assert finding(report, "exact copies").severity == "warning"
    assert finding(report, "exact copies").text.startswith("1 pair across splits has the same bytes")


def test_a_copy_that_was_published_in_two_splits_is_a_warning(tmp_path):
    dataset = in_memory()
    dataset = with_image(dataset, "copy", 0, "test", dataset.source.read("000"))
    assert finding(checked(dataset, tmp_path / "1"), "exact copies").severity == "problem"
    published = replace(dataset, known_leaks=True)
    assert finding(checked(published, tmp_path / "2"), "exact copies").severity == "warning"


def test_a_copy_in_validation_is_no_leak_where_a_fold_makes_validation_anew(split_folders, tmp_path):
    shutil.copy(split_folders / "train/cat/0003.png", split_folders / "val/cat/copy.png")
    report = checked(folder(split_folders), tmp_path / "cache", fold="1/2")
    assert finding(report, "exact copies").severity == "warning"
    assert report.problems == 0


def test_a_mirrored_picture_in_another_split_is_found_by_its_look(split_folders, tmp_path):
    picture = photo(77, 200, 160)
    picture.save(split_folders / "train/cat/one.png")
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(split_folders / "test/cat/other.png")
    report = checked(folder(split_folders), tmp_path / "cache", size=64)
    found = finding(report, "near copies")
    assert found.severity == "problem"
    assert found.details == (
        "test/cat/other.png (test, cat) ≈ train/cat/one.png (train, cat): the same picture, mirrored",
    )
    assert finding(report, "exact copies").severity == "right"


def test_likeness_that_was_not_asked_for_is_not_called_right(split_folders, tmp_path):
    found = finding(checked(folder(split_folders), tmp_path / "cache", leak_guard="exact"), "near copies")
    assert found.severity == "unknown"
    assert "data.leak_guard is exact" in found.text


def test_one_picture_under_two_labels_is_named(split_folders, tmp_path):
    shutil.copy(split_folders / "train/cat/0003.png", split_folders / "train/dog/copy.png")
    found = finding(checked(folder(split_folders), tmp_path / "cache"), "labels")
    assert found.severity == "warning"
    assert found.details == ("train/cat/0003.png (cat) and train/dog/copy.png (dog)",)


# groups


def test_a_group_in_two_splits_is_a_problem_that_stops_nothing(tmp_path):
    dataset = with_image(in_memory(), "more", 0, "test", encode(photo(90)), group="group 0")
    report = checked(dataset, tmp_path)
    found = finding(report, "groups")
    assert found.severity == "problem"
    assert found.details == ("group 0: 000 (train) and more (test)",)
    assert finding(report, "readable").severity == "right"


def test_without_known_groups_it_is_warned_that_splits_may_leak(split_folders, tmp_path):
    found = finding(checked(folder(split_folders), tmp_path / "cache"), "groups")
    assert found.severity == "warning"
    assert "no groups (patients, sources) are known" in found.text


def test_groups_that_keep_to_one_split_are_counted(tmp_path):
    found = finding(checked(in_memory(), tmp_path), "groups")
    assert found.severity == "right"
    assert found.numbers == {"groups": 12, "crossing": []}


# what a study would make of it


def test_caveats_of_the_card_are_warnings(tmp_path):
    dataset = in_memory()
    dataset = replace(dataset, card=replace(dataset.card, warnings=("one hospital only",)))
    found = finding(checked(dataset, tmp_path), "caveats")
    assert (found.severity, found.details) == ("warning", ("one hospital only",))


def test_splits_that_are_carved_are_said(tmp_path):
    root = fill(tmp_path / "data", {"cat": 40, "dog": 40})
    found = finding(checked(folder(root), tmp_path / "cache"), "splits")
    assert found.severity == "right"
    assert found.numbers["sizes"] == {"train": 56, "validation": 12, "test": 12}
    assert "validation (15%) and test (15%) carved from 80 images" in found.details[0]


def test_a_class_too_small_to_be_carved_is_a_problem(tmp_path):
    root = fill(tmp_path / "data", {"cat": 20, "dog": 1})
    assert finding(checked(folder(root), tmp_path / "cache"), "splits").severity == "problem"


def test_a_set_for_tests_only_is_checked_without_a_study(tmp_path):
    dataset = in_memory()
    tests = tuple(record for record in dataset.records if record.split == "test")
    dataset = replace(dataset, records=tests, shift_of="other")
    report = checked(dataset, tmp_path, counts=({"test": 4},))
    assert report.problems == 0
    assert "for classifiers trained on other" in finding(report, "splits").text
    assert report.inspection.division is None


def test_a_study_finds_the_images_decoded(split_folders, tmp_path):
    from tools.datasets.cache.build import build_cache
    from tools.datasets.registry import open_dataset

    checked(folder(split_folders), tmp_path / "cache")
    (before,) = (tmp_path / "cache").glob("*px-*/pixels.npy")
    written = before.stat().st_mtime_ns
    config = DataConfig(path=split_folders)
    cached = build_cache(open_dataset(config), config, 16, tmp_path / "cache")
    assert cached.folder.parent.parent == before.parent
    assert before.stat().st_mtime_ns == written


# the contact sheet


def flat(records: list[tuple[str, str, int]], classes: int) -> Dataset:
    """(split, class letter, brightness) of plain images."""
    images = {
        f"{n:03d}": encode(Image.new("RGB", (8, 8), (level, 0, n % 251)))
        for n, (_, _, level) in enumerate(records)
    }
    made: Card = card([f"class {number}" for number in range(classes)])
    return Dataset(
        made,
        tuple(
            Record(file, int(label), split, file)  # type: ignore[arg-type]
            for file, (split, label, _) in zip(images, records, strict=True)
        ),
        MemorySource(images),
    )


def drawn(dataset: Dataset, tmp_path: Path) -> Image.Image:
    report = checked(dataset, tmp_path / "cache", size=8)
    assert report.inspection.division is not None
    class_sheet(report.inspection.division, report.inspection.pixels, tmp_path / "sheet.png")
    return Image.open(tmp_path / "sheet.png").convert("RGB")


def test_the_sheet_shows_training_images_only(tmp_path):
    bright = [(split, str(label), 200) for split in ("validation", "test") for label in (0, 1)]
    dataset = flat([("train", str(n % 2), 100) for n in range(40)] + bright, 2)
    sheet = drawn(dataset, tmp_path)
    reds = {
        red
        for _, (red, green, _) in sheet.getcolors(1 << 20) or ()  # type: ignore[misc]
        if green == 0
    }
    assert reds == {100}


def test_the_sheet_has_a_row_for_each_class_and_eight_columns(tmp_path):
    levels = [50, 90, 130]
    rows = [
        (split, str(n % 3), levels[n % 3]) for split in ("train", "validation", "test") for n in range(36)
    ]
    sheet = drawn(flat(rows, 3), tmp_path)
    tile = 112 * 112
    counts = dict.fromkeys(levels, 0)
    for count, (red, green, _) in sheet.getcolors(1 << 20) or ():  # type: ignore[misc]
        if green == 0 and red in counts:
            counts[red] += count
    assert counts == dict.fromkeys(levels, COLUMNS * tile)


def test_of_many_classes_twenty_are_shown(tmp_path):
    rows = [(split, str(n), n * 8) for split in ("train", "validation", "test") for n in range(30)]
    sheet = drawn(flat(rows, 30), tmp_path)
    reds = {red for _, (red, green, _) in sheet.getcolors(1 << 20) or () if green == 0}  # type: ignore[misc]
    assert len(reds) == ROWS


def test_one_image_of_each_group_comes_first(tmp_path):
    dataset = flat(
        [("train", "0", 10 * (n // 10 + 1)) for n in range(80)]
        + [("train", "1", 0)] * 2
        + [(s, str(label), 0) for s in ("validation", "test") for label in (0, 1)],
        2,
    )
    records = [
        replace(record, group=f"patient {n // 10}") if n < 80 else record
        for n, record in enumerate(dataset.records)
    ]
    sheet = drawn(replace(dataset, records=tuple(records)), tmp_path)
    reds = {red for _, (red, green, _) in sheet.getcolors(1 << 20) or () if green == 0}  # type: ignore[misc]
    assert {10, 20, 30, 40, 50, 60, 70, 80} <= reds


def test_groups_of_a_manifest_are_checked(tmp_path):
    root = fill(tmp_path / "data", {"images": 8})
    rows = [
        (f"images/{n:04d}.png", "ab"[n % 2], ("train", "train", "val", "test")[n // 2], f"patient {n % 4}")
        for n in range(8)
    ]
    write_csv(root / "manifest.csv", [("file", "label", "split", "group"), *rows])
    found = finding(checked(folder(root), tmp_path / "cache"), "groups")
    assert found.numbers == {
        "groups": 4,
        "crossing": ["patient 0", "patient 1", "patient 2", "patient 3"],
    }

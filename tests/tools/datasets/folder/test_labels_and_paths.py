"""Labels and paths as people mean them: spellings of one class, missing labels, forms of one path, links, FIFOs."""

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.tools.datasets.images import fill, photo, write_csv
from tools.datasets.config import DataConfig
from tools.datasets.folder.tables.label_names import comparable_label
from tools.datasets.registry import open_published
from tools.datasets.types import Dataset
from tools.errors import DataError

NFC, NFD = "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}"
links = pytest.mark.skipif(os.name == "nt", reason="links and FIFOs need a privilege on Windows")


def opened(root: Path, **settings) -> Dataset:
    return open_published(DataConfig(path=root, **settings))


def by_class(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(dataset.card.classes[r.label] for r in dataset.records))


def labelled(root: Path, *labels: str) -> Path:
    """A manifest with one image for each label."""
    fill(root, {"img": len(labels)})
    rows = [(f"img/{n:04d}.png", label) for n, label in enumerate(labels)]
    write_csv(root / "manifest.csv", [("file", "label"), *rows])
    return root


# spellings of one class


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("1", "01"),
        ("0.5", ".50"),
        ("2", "2,0"),
        ("1e1", "10"),
        ("Benign", "benign"),
        ("benign", "benign "),
        ("no tumor", "no_tumor"),
        ("no-tumor", "No Tumor"),
        (NFC, NFD),
        ("Straße", "strasse"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}1", "a1"),
    ],
)
def test_spellings_of_one_class_are_alike(one, other):
    assert comparable_label(one) == comparable_label(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "-1"),
        ("A", "A-"),
        ("A+", "A"),
        ("1", "1.5"),
        ("1-2", "12"),
        ("cat", "cats"),
        ("a", "b"),
        ("10 20", "1020"),
    ],
)
def test_different_classes_are_not_alike(one, other):
    assert comparable_label(one) != comparable_label(other)


def test_numbers_in_two_formats_are_asked_about_with_line_and_counts(tmp_path):
    root = labelled(tmp_path, "0", "0.0", "1", "1.0", "1")
    with pytest.raises(DataError) as caught:
        opened(root)
    text = str(caught.value)
    assert "'0' 1, '0.0' 1; '1' 2, '1.0' 1" in text
    assert "'0.0' at" in text
    assert "manifest.csv, line 3" in text
    assert "--data.similar_labels merge" in text


def test_spellings_are_merged_into_the_commonest_where_asked_for(tmp_path):
    root = labelled(tmp_path, "0", "0.0", "1", "1.0", "1")
    dataset = opened(root, similar_labels="merge")
    assert by_class(dataset) == {"0": 2, "1": 3}
    assert (
        "labels in several spellings are merged: '0' 1, '0.0' 1 → '0'; '1' 2, '1.0' 1 → '1'" in dataset.notes
    )


def test_the_declared_spelling_wins(tmp_path):
    root = labelled(tmp_path, "benign", "benign", "Benign", "malignant")
    (root / "dataset.yaml").write_text("classes: [Benign, malignant]")
    assert by_class(opened(root, similar_labels="merge")) == {"Benign": 3, "malignant": 1}


def test_spellings_are_kept_apart_where_asked_for(tmp_path):
    assert len(by_class(opened(labelled(tmp_path, "a", "A"), similar_labels="keep"))) == 2


def test_folders_that_differ_in_case_only_are_asked_about(tmp_path):
    fill(tmp_path, {"Train/Cat": 2, "Train/dog": 2, "test/cat": 2, "test/dog": 2})
    with pytest.raises(DataError, match=r"differ only in case.*'Cat' 2, 'cat' 2"):
        opened(tmp_path)
    assert by_class(opened(tmp_path, similar_labels="merge")) == {"Cat": 4, "dog": 4}


# missing labels


@pytest.mark.parametrize("missing", ["nan", "NaN", "None", "NULL", "<NA>", "N/A", "", "  ", "-1", "-1.0"])
def test_a_missing_label_is_no_class(tmp_path, missing):
    root = labelled(tmp_path, "0", "1", missing, "1", "0")
    with pytest.raises(DataError, match=r"line 4: the label .*'img/0002\.png'.*\(1 image in all"):
        opened(root)
    dataset = opened(root, missing_labels="drop")
    assert by_class(dataset) == {"0": 2, "1": 2}
    assert any(note.startswith("1 image without a label is not used") for note in dataset.notes)


def test_a_word_for_nothing_may_be_a_class_if_one_says_so(tmp_path):
    root = fill(tmp_path, {"none": 2, "scratch": 2})
    with pytest.raises(DataError, match=r"'none' of 'none/0000\.png'.*--data\.missing_labels keep"):
        opened(root)
    assert by_class(opened(root, missing_labels="keep")) == {"none": 2, "scratch": 2}


def test_an_empty_label_is_never_a_class(tmp_path):
    with pytest.raises(DataError, match=r"line 3: the label of 'img/0001\.png' is empty"):
        opened(labelled(tmp_path, "a", "", "b"), missing_labels="keep")


def test_minus_one_beside_one_is_a_class(tmp_path):
    assert by_class(opened(labelled(tmp_path, "-1", "1", "1"))) == {"-1": 1, "1": 2}


def test_classes_that_are_not_declared_are_named_with_what_they_may_be(tmp_path):
    root = labelled(tmp_path, "benign", "malignent")
    (root / "dataset.yaml").write_text("classes: [benign, malignant]")
    with pytest.raises(DataError, match=r"'malignent' is not declared \(is it 'malignant'\?\)"):
        opened(root)


# forms of one path


@pytest.mark.parametrize(
    "form", ["./{}", "{root}/{}", "img/../{}", "{}", "img/.//../{}", "\\"], ids=lambda form: form or "empty"
)
def test_each_form_of_a_path_means_its_image(tmp_path, form):
    root = labelled(tmp_path, *"abab")
    names = [f"img/{n:04d}.png" for n in range(4)]
    written = [name.replace("/", "\\") if form == "\\" else form.format(name, root=root) for name in names]
    write_csv(root / "manifest.csv", [("file", "label"), *zip(written, "abab", strict=True)])
    dataset = opened(root)
    assert [record.file for record in dataset.records] == names
    assert dataset.notes == ()


def test_another_case_or_unicode_form_than_on_disk_is_found_and_said(tmp_path):
    fill(tmp_path, {"img": 2})
    photo(9).save(tmp_path / "img" / f"{NFD}.png")
    rows = [("IMG/0000.PNG", "a"), ("img/0001.png", "b"), (f"img/{NFC}.png", "b")]
    write_csv(tmp_path / "manifest.csv", [("file", "label"), *rows])
    dataset = opened(tmp_path)
    assert [record.file for record in dataset.records] == ["img/0000.png", "img/0001.png", f"img/{NFD}.png"]
    (note,) = dataset.notes
    assert note.startswith(
        "2 files of manifest.csv are spelled otherwise on disk: IMG/0000.PNG = img/0000.png"
    )


@pytest.mark.parametrize("form", ["./img/0000.png", "{root}/img/0000.png", "img\\0000.png", "IMG/0000.png"])
def test_a_file_that_is_listed_twice_in_two_forms_is_found(tmp_path, form):
    root = labelled(tmp_path, *"abab")
    with (root / "manifest.csv").open("a") as opened_file:
        opened_file.write(f"{form.format(root=root)},b\n")
    with pytest.raises(DataError, match=r"line 6: the file .* is already listed in line 2"):
        opened(root)


@pytest.mark.parametrize("form", ["../x.png", "img/../../x.png", "/etc/hostname"])
def test_a_path_that_leads_outside_is_told(tmp_path, form):
    root = labelled(tmp_path / "data", *"abab")
    photo(3).save(tmp_path / "x.png")
    with (root / "manifest.csv").open("a") as opened_file:
        opened_file.write(f"{form},b\n")
    with pytest.raises(DataError, match=r"line 6: the file .* leads outside the data's folder .*data"):
        opened(root)


def test_a_wrong_ending_is_answered_with_the_image_that_is_there(tmp_path):
    root = labelled(tmp_path, *"abab")
    with (root / "manifest.csv").open("a") as opened_file:
        opened_file.write("img/0001.jpg,b\n")
    with pytest.raises(
        DataError, match=r"line 6: .*0001\.jpg' does not exist .*did you mean img/0001\.png\?"
    ):
        opened(root)


def test_a_manifest_with_semicolons_is_read(tmp_path):
    root = labelled(tmp_path, *"abab")
    text = (root / "manifest.csv").read_text().replace(",", ";")
    (root / "manifest.csv").write_text(text, encoding="utf-8-sig")
    assert by_class(opened(root)) == {"a": 2, "b": 2}


def test_a_comma_that_is_not_quoted_is_named_by_its_line(tmp_path):
    root = labelled(tmp_path, *"abab")
    with (root / "manifest.csv").open("a") as opened_file:
        opened_file.write("img/00,01.png,b\n")
    with pytest.raises(DataError, match=r"line 6: there are 3 cells for 2 columns"):
        opened(root)


# links, and what is no file


@links
def test_a_link_into_another_class_is_a_contradiction(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "b" / "linked.png").symlink_to(tmp_path / "a" / "0000.png")
    with pytest.raises(
        DataError, match=r"b/linked\.png \(label b\) is the same file as a/0000\.png \(label a"
    ):
        opened(tmp_path)


@links
def test_a_hard_link_into_another_class_is_one_too(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    os.link(tmp_path / "a" / "0000.png", tmp_path / "b" / "linked.png")
    with pytest.raises(DataError, match="is the same file as"):
        opened(tmp_path)


@links
@pytest.mark.parametrize("place", ["", "train/"])
def test_a_class_folder_that_is_a_link_to_another_class_is_one_too(tmp_path, place):
    fill(tmp_path, {f"{place}a": 3, f"{place}b": 3})
    (tmp_path / place / "c").symlink_to(tmp_path / place / "a", target_is_directory=True)
    with pytest.raises(DataError, match=r"c/0000\.png \(label c\) is the same file as"):
        opened(tmp_path)


@links
def test_a_link_within_a_class_is_told(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "a" / "linked.png").symlink_to(tmp_path / "a" / "0000.png")
    assert (
        "1 file may be reached by another path too, and count twice, such as a/linked.png = a/0000.png"
        in (opened(tmp_path).notes)
    )


@links
@pytest.mark.parametrize("name", ["0009.png", "0009.raw"])
def test_a_fifo_in_a_manifest_is_refused_and_never_opened(tmp_path, name):
    """Opening one waits for ever."""
    root = labelled(tmp_path, *"abab")
    os.mkfifo(root / "img" / name)
    with (root / "manifest.csv").open("a") as opened_file:
        opened_file.write(f"img/{name},b\n")
    with pytest.raises(DataError, match=r"line 6: .*FIFO"):
        opened(root)

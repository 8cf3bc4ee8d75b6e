"""What is an image, what is passed over, and what is named because it is not used."""

import os
import socket
from pathlib import Path

import pytest

from tests.tools.datasets.images import encode, fill, photo
from tools.datasets import formats
from tools.datasets.config import DataConfig
from tools.datasets.folder import walk
from tools.datasets.folder.folder import open_folder
from tools.datasets.types import Dataset
from tools.errors import DataError


@pytest.fixture
def root(tmp_path) -> Path:
    return fill(tmp_path / "data", {"cat": 6, "dog": 6})


def opened(root: Path) -> Dataset:
    return open_folder(DataConfig(path=root))


def told(dataset: Dataset) -> str:
    return "\n".join((*dataset.notes, *dataset.warnings))


# what the system makes for itself

SYSTEM = [
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    "__MACOSX",
    ".Trash-1000",
]


@pytest.mark.parametrize("name", [*SYSTEM, ".ipynb_checkpoints", ".AppleDouble", ".thumbnails", "@Recycle"])
def test_folders_of_the_system_are_no_class_and_hold_no_images(root, name):
    fill(root, {name: 3, f"cat/{name}": 2, f"dog/{name}/deeper": 1})
    dataset = opened(root)
    assert dataset.card.classes == ("cat", "dog")
    assert len(dataset.records) == 12
    assert told(dataset).count(f"3 in {name}") == 2, "at the top, and below the classes"
    assert dataset.warnings == ()


def test_thumbnails_of_a_network_storage_are_passed_over_wherever_they_are(root):
    photo(90).save(root / "cat" / "SYNOPHOTO_THUMB_M.jpg")
    dataset = opened(root)
    assert len(dataset.records) == 12
    assert "1 in thumbnails of a file manager" in told(dataset)


def test_hidden_images_are_told_but_not_what_macos_keeps_beside_each_file(root):
    photo(91).save(root / "cat" / ".hidden.png")
    (root / "cat" / "._0001.png").write_bytes(b"attributes")
    dataset = opened(root)
    assert len(dataset.records) == 12
    assert "1 in hidden files" in told(dataset)


# formats


@pytest.mark.parametrize("suffix", [".avif", ".jp2", ".qoi", ".tga", ".dib", ".jfif", ".AVIF", ".heic"])
def test_what_can_be_decoded_is_read(root, suffix):
    formats.register_heif()
    (root / "bird").mkdir()
    for number in range(6):
        photo(200 + number, 64, 48).save(root / "bird" / f"{number}{suffix}")
    assert opened(root).card.classes == ("bird", "cat", "dog")


@pytest.mark.parametrize("suffix", [".eps", ".pdf", ".h5", ".mpg", ".wmf"])
def test_what_another_program_would_have_to_decode_is_not_read(suffix):
    assert suffix not in walk.IMAGE_SUFFIXES


@pytest.mark.parametrize(
    ("suffix", "hint"),
    [(".jxl", "convert them to PNG or JPEG"), (".nii", "convert them"), (".xyz", "convert them")],
)
def test_a_class_that_loses_all_its_files_stops_and_is_named(root, suffix, hint):
    (root / "bird").mkdir()
    for number in range(4):
        (root / "bird" / f"{number}{suffix}").write_bytes(b"pixels")
    (root / "bird" / "readme.txt").write_text("birds")
    with pytest.raises(DataError) as stopped:
        opened(root)
    assert f"  bird: 4 {suffix}" in str(stopped.value)
    assert hint in str(stopped.value)


@pytest.mark.parametrize(("suffix", "extra"), [(".dcm", "dicom"), (".heic", "heif")])
def test_without_the_extra_the_error_names_it(root, suffix, extra, monkeypatch):
    monkeypatch.setattr(walk, "image_suffixes", lambda: walk.IMAGE_SUFFIXES - {suffix})
    for number in range(6):
        (root / "cat" / f"{number:04d}.png").rename(root / "cat" / f"{number}{suffix}")
    with pytest.raises(
        DataError, match=rf"cat: 6 \{suffix}\n\{suffix}: pip install 'augur-vision\[{extra}\]'"
    ):
        opened(root)


def test_an_empty_class_folder_stops_and_is_named(root):
    (root / "bird").mkdir()
    with pytest.raises(DataError, match=r"class folders in .*data have no image .*\n  bird: no file\n"):
        opened(root)


def test_all_empty_class_folders_are_named_in_their_splits(tmp_path):
    root = fill(tmp_path / "data", {"train/cat": 4, "train/dog": 4, "val/cat": 2})
    (root / "val" / "dog").mkdir()
    with pytest.raises(DataError, match=r"\n  val/dog: no file\n"):
        opened(root)


def test_a_folder_of_tables_and_texts_is_no_class_and_is_told(root):
    (root / "annotations").mkdir()
    (root / "annotations" / "0000.xml").write_text("<box/>")
    dataset = opened(root)
    assert dataset.card.classes == ("cat", "dog")
    assert "folders without an image are no classes: annotations" in dataset.notes
    assert "1 file is not an image and is not used: 1 .xml (annotations 1)" in dataset.notes


def test_what_may_be_images_is_a_warning_by_suffix_and_class(root):
    for number in range(3):
        (root / "cat" / f"{number}.cr2").write_bytes(b"raw")
    (root / "dog" / "x.cr2").write_bytes(b"raw")
    (warning,) = opened(root).warnings
    assert warning == (
        "4 files with the suffix .cr2 may be images and are not used (cat 3, dog 1): convert them to PNG or JPEG"
    )


def test_images_without_a_suffix_are_named(root):
    (root / "cat" / "IM0001").write_bytes(encode(photo(5), "JPEG"))
    (root / "cat" / "LICENSE").write_text("free")
    dataset = opened(root)
    (warning,) = dataset.warnings
    assert warning.startswith(
        "1 file without a suffix may be an image and is not used (cat 1): give them the suffix"
    )
    assert "1 file is not an image and is not used: 1 without a suffix (cat 1)" in dataset.notes


# what is no file


def test_pipes_sockets_and_links_to_nothing_are_named_and_never_opened(root):
    os.mkfifo(root / "cat" / "pipe.png")
    os.mkfifo(root / "dog" / "pipe")
    (root / "cat" / "gone.jpg").symlink_to("nowhere.jpg")
    (root / "cat" / "circle.jpg").symlink_to("circle.jpg")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(root / "cat" / "socket.png"))
        dataset = opened(root)
    assert len(dataset.records) == 12
    (warning,) = dataset.warnings
    assert warning.startswith("5 entries are no files and are not used: ")
    for each in (
        "cat/pipe.png (a named pipe)",
        "cat/gone.jpg (a link to nothing)",
        "cat/socket.png (a socket)",
    ):
        assert each in warning


def test_a_folder_linked_to_itself_ends(root):
    (root / "cat" / "again").symlink_to(root / "cat")
    assert len(opened(root).records) == 12

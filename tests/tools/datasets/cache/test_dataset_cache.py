"""The decode-once cache: what it holds, what it refuses, and what its fingerprint stands for."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.tools.datasets.cached import built, changed, with_bytes
from tests.tools.datasets.images import MemorySource, card, encode, fill, in_memory, photo
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.decode import decode
from tools.datasets.cache.read import SealedTestError, Skipped, open_cache
from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.registry import open_dataset
from tools.datasets.types import Dataset, Record
from tools.disk import DiskError
from tools.errors import AugurError, DataError, ImagesGone

CONFIG = DataConfig()


# what it holds


def test_every_row_is_the_decoded_image_with_its_label_and_group(tmp_path):
    dataset = in_memory()
    cached = built(dataset, tmp_path, 16)
    records = {record.file: record for record in dataset.records}
    for view in (cached.split("train"), cached.split("validation"), cached.open_test()):
        assert view.images.dtype == np.uint8
        assert view.images.shape == (4, 16, 16, 3)
        assert view.labels.dtype == np.int64
        for image, label, file, group in zip(view.images, view.labels, view.files, view.groups, strict=True):
            assert (image == decode(dataset.source.read(file), 16, "stretch", 10**6)).all()
            assert (records[file].label, records[file].split, records[file].group) == (
                label,
                view.name,
                group,
            )


def test_pixels_and_labels_are_read_only(tmp_path):
    view = built(in_memory(), tmp_path).split("train")
    with pytest.raises(ValueError, match="read-only"):
        view.images[0][:] = 0
    with pytest.raises(ValueError, match="read-only"):
        view.labels[0] = 1


def test_it_opens_again_from_its_folder_alone(tmp_path):
    first = built(in_memory(), tmp_path)
    again = open_cache(first.folder)
    assert (again.fingerprint, again.card, again.image_size) == (first.fingerprint, card(), 8)
    assert again.class_counts("train") == again.class_counts("test") == {"a": 2, "b": 2}
    assert (again.split("train").images[:] == first.split("train").images[:]).all()


def test_it_pickles_by_its_place_and_never_as_pixels(tmp_path):
    cached = built(in_memory(40), tmp_path, 64)
    view = cached.split("train")
    packed = pickle.dumps((cached, view))
    assert len(packed) < 2000
    cached_again, view_again = pickle.loads(packed)
    assert cached_again.fingerprint == cached.fingerprint
    assert (view_again.images[:] == view.images[:]).all()


def test_the_test_split_is_sealed(tmp_path):
    cached = built(in_memory(), tmp_path)
    with pytest.raises(SealedTestError, match="open_test"):
        cached.split("test")


def test_nothing_but_open_test_needs_the_file_of_the_test_split(tmp_path):
    folder = built(in_memory(), tmp_path).folder
    (folder / "test.json").unlink()
    cached = open_cache(folder)
    assert len(cached.split("train")) == len(cached.split("validation")) == 4
    assert cached.class_counts("test") == {"a": 2, "b": 2}
    with pytest.raises(DataError, match=r"test\.json"):
        cached.open_test()


def test_opening_imports_no_heavy_library():
    code = (
        "import sys, tools.datasets.cache.build, tools.datasets.registry; "
        "print([m for m in ('torch', 'torchvision', 'sklearn', 'scipy', 'pandas', 'cv2') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_progress_counts_up_to_all_images(tmp_path):
    seen = []
    build_cache(in_memory(30), CONFIG, 8, tmp_path, lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 90)
    assert seen[-1] == (90, 90)
    assert seen == sorted(seen)
    again = []
    build_cache(in_memory(30), CONFIG, 8, tmp_path, lambda done, total: again.append((done, total)))
    assert again == [(90, 90)]


def test_the_words_on_the_card_may_change_without_decoding_again(tmp_path):
    dataset = in_memory()
    first = built(dataset, tmp_path)
    described = replace(dataset, card=replace(dataset.card, description="Better words."), notes=("seen",))
    second = built(described, tmp_path)
    assert second.folder == first.folder
    assert open_cache(first.folder).card.description == "Better words."
    assert open_cache(first.folder).notes == ("seen",)


# the fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda d: with_bytes(d, {"000": encode(photo(1000))}),
        lambda d: changed(d, 0, label=1),
        lambda d: changed(d, 3, split="validation"),
        lambda d: changed(d, 1, group="group 0"),
        lambda d: replace(d, card=card(("a", "c"))),
        lambda d: replace(d, records=d.records[1:]),
    ],
    ids=["content", "label", "split", "group", "class name", "one image less"],
)
def test_the_fingerprint_changes_with(change, tmp_path):
    dataset = in_memory()
    before, after = built(dataset, tmp_path), built(change(dataset), tmp_path)
    assert before.fingerprint != after.fingerprint
    assert before.folder != after.folder


def test_the_fingerprint_changes_with_size_and_fit(tmp_path):
    cached = [
        built(in_memory(), tmp_path),
        built(in_memory(), tmp_path, 9),
        built(in_memory(), tmp_path, fit="pad"),
    ]
    assert len({each.fingerprint for each in cached}) == 3


def test_the_fingerprint_does_not_change_with_names_and_order_of_listing(tmp_path):
    dataset = in_memory()
    assert isinstance(dataset.source, MemorySource)
    renamed = Dataset(
        card(name="other"),
        tuple(
            Record(f"x{r.file}", r.label, r.split, f"patient of {r.group}") for r in reversed(dataset.records)
        ),
        MemorySource({f"x{file}": data for file, data in dataset.source.images.items()}),
    )
    assert built(renamed, tmp_path).fingerprint == built(dataset, tmp_path).fingerprint


def test_a_data_set_that_was_moved_has_the_same_fingerprint_and_cache(tmp_path):
    fill(tmp_path / "here" / "pets", {"a": 10, "b": 10})
    first = built(open_dataset(DataConfig(path=tmp_path / "here" / "pets")), tmp_path / "cache")
    shutil.move(tmp_path / "here", tmp_path / "there")
    second = built(open_dataset(DataConfig(path=tmp_path / "there" / "pets")), tmp_path / "cache")
    assert second.fingerprint == first.fingerprint
    assert second.folder == first.folder


# unreadable files

BAD = {"001": b"", "006": b"no image", "010": encode(photo(10), "PNG")[:60]}


def test_unreadable_files_stop_the_run_and_are_all_named(tmp_path):
    with pytest.raises(DataError) as error:
        built(with_bytes(in_memory(), BAD), tmp_path)
    text = str(error.value)
    assert "3 of 12 images cannot be read" in text
    assert "memory:001: empty file" in text
    assert "memory:006: not an image" in text
    assert "memory:010: image file is truncated" in text
    assert "--data.on_corrupt skip" in text


def test_skipped_files_are_recorded_and_the_rest_is_as_if_they_were_not_there(tmp_path):
    dataset = with_bytes(in_memory(), BAD)
    skipping = built(dataset, tmp_path, on_corrupt="skip")
    assert [each.file for each in skipping.skipped] == ["001", "006", "010"]
    assert skipping.skipped[0] == Skipped("001", "empty file")
    without = replace(dataset, records=tuple(r for r in dataset.records if r.file not in BAD))
    clean = built(without, tmp_path)
    assert skipping.fingerprint == clean.fingerprint
    for ours, theirs in (
        (skipping.split("train"), clean.split("train")),
        (skipping.split("validation"), clean.split("validation")),
        (skipping.open_test(), clean.open_test()),
    ):
        assert ours.files == theirs.files
        assert (ours.images[:] == theirs.images[:]).all()
        assert (ours.labels == theirs.labels).all()
    assert open_cache(skipping.folder).skipped == skipping.skipped


def test_after_a_stop_skipping_goes_on_from_what_is_decoded(tmp_path):
    dataset = with_bytes(in_memory(), BAD)
    with pytest.raises(DataError):
        built(dataset, tmp_path)
    seen = []
    build_cache(dataset, DataConfig(on_corrupt="skip"), 8, tmp_path, lambda done, _: seen.append(done))
    assert seen[0] == 9


def test_a_cache_made_by_skipping_still_stops_a_run_that_does_not_skip(tmp_path):
    dataset = with_bytes(in_memory(), BAD)
    built(dataset, tmp_path, on_corrupt="skip")
    with pytest.raises(DataError, match="3 of 12 images cannot be read"):
        built(dataset, tmp_path)


@dataclass(frozen=True)
class AwaySource(FolderSource):
    """A folder one of whose images cannot be read, as on a disk that is in trouble for a while."""

    away: str = ""

    def read(self, file: str) -> bytes:
        if file == self.away:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(file)


def test_what_could_not_be_read_is_tried_again_and_compared_with_the_others(tmp_path):
    root = fill(tmp_path / "data", {"a": 10, "b": 10})
    photo(77, 200, 160).save(root / "a" / "one.png")
    photo(77, 200, 160).save(root / "a" / "two.jpg", quality=90)
    dataset = open_dataset(DataConfig(path=root))
    assert dataset.published is not None
    away = replace(dataset.published, source=AwaySource(root, "a/two.jpg"))
    before = built(replace(dataset, published=away), tmp_path / "cache", 64, on_corrupt="skip")
    assert [each.file for each in before.skipped] == ["a/two.jpg"]
    after = built(dataset, tmp_path / "cache", 64, on_corrupt="skip")
    assert after.skipped == ()
    assert "1 image shows the same picture as another in the same split" in after.notes
    assert built(dataset, tmp_path / "cache", 64).folder == after.folder


def test_only_the_first_twenty_are_listed(tmp_path):
    dataset = in_memory(10)
    bad = {f"{number:03d}": b"broken %d" % number for number in range(25)}
    with pytest.raises(DataError) as error:
        built(with_bytes(dataset, bad), tmp_path)
    assert str(error.value).count("memory:") == 20
    assert "25 of 30 images" in str(error.value)
    assert "and 5 more" in str(error.value)


def test_a_class_that_loses_all_its_images_in_a_split_stops_even_when_skipping(tmp_path):
    with pytest.raises(DataError, match=r"no usable image of class a in train .*after 2 unreadable"):
        built(with_bytes(in_memory(), {"000": b"x", "002": b"y"}), tmp_path, on_corrupt="skip")


def test_an_image_of_too_many_pixels_is_unreadable(tmp_path):
    with pytest.raises(DataError, match="memory:003: more pixels than max_pixels = 1000"):
        built(with_bytes(in_memory(), {"003": encode(photo(3, 90, 80))}), tmp_path, max_pixels=1000)


def test_a_file_that_disappears_is_named(tmp_path):
    dataset = open_dataset(DataConfig(path=fill(tmp_path / "data", {"a": 10, "b": 10})))
    (tmp_path / "data" / "a" / "0003.png").unlink()
    with pytest.raises(DataError, match=r"0003\.png: cannot be read: No such file"):
        built(dataset, tmp_path / "cache")


def test_what_an_interrupted_build_left_is_removed_when_the_mended_data_set_is_built(tmp_path):
    dataset = in_memory()
    with pytest.raises(DataError):
        built(with_bytes(dataset, BAD), tmp_path)
    assert len(list(tmp_path.glob("*.partial"))) == 1
    built(dataset, tmp_path)
    assert list(tmp_path.glob("*.partial")) == []


def test_empty_files_are_unreadable_and_not_copies_of_each_other(tmp_path):
    cached = built(with_bytes(in_memory(), {"000": b"", "009": b""}), tmp_path, on_corrupt="skip")
    assert [each.file for each in cached.skipped] == ["000", "009"]


# what is not a cache


def test_an_unfinished_cache_is_never_taken_for_a_finished_one(tmp_path):
    with pytest.raises(DataError):
        built(with_bytes(in_memory(), BAD), tmp_path)
    (partial,) = tmp_path.glob("*.partial")
    with pytest.raises(DataError, match=r"meta\.json is missing"):
        open_cache(partial)


def test_an_image_whose_file_is_cut_off_or_gone_is_told_so(tmp_path):
    view = built(in_memory(), tmp_path).split("train")
    pixels = view.folder.parent.parent / "pixels.npy"
    whole = pixels.read_bytes()
    pixels.write_bytes(whole[: len(whole) // 50])
    with pytest.raises(ImagesGone, match="cut off"):
        view.images.read(len(view) - 1)
    pixels.unlink()
    with pytest.raises(ImagesGone, match="is gone"):
        view.images.read(0)


@pytest.mark.parametrize(
    "name", ["meta.json", "about.json", "train.json", "validation.json", "test.json", "splits.csv"]
)
def test_a_view_of_which_a_file_is_missing_is_written_again(tmp_path, name):
    first = built(in_memory(), tmp_path)
    (first.folder / name).unlink()
    again = built(in_memory(), tmp_path)
    assert (again.folder, again.fingerprint) == (first.folder, first.fingerprint)
    assert (again.folder / name).is_file()
    assert len(again.split("train")) > 0


@pytest.mark.parametrize("size", ["20k", "40k", "80k"])
def test_a_full_disk_is_told_as_one(tmp_path, size):
    """At whichever file it becomes full: the index of hashes, the decoded images, or what is written about them."""
    root = fill(tmp_path / "images", {"a": 40, "b": 40})
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with pytest.raises(DiskError) as caught:
            built(open_dataset(DataConfig(path=root)), disk / "cache")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    assert caught.value.resumable
    assert str(disk) in str(caught.value)
    assert "free" in str(caught.value)


def test_a_cache_of_another_version_is_refused(tmp_path):
    folder = built(in_memory(), tmp_path).folder
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, "format": 0}))
    with pytest.raises(DataError, match="format 0"):
        open_cache(folder)


def test_a_cache_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "runs").write_text("a file, not a folder")
    with pytest.raises(AugurError, match=r"runs/cache cannot be written or read .*--runs-dir"):
        built(in_memory(), tmp_path / "runs" / "cache")

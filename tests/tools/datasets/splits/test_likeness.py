"""The same picture is found though it was saved again, resized or laid otherwise; pictures that resemble are not."""

import csv
import io
import time
import tracemalloc
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from tests.tools.datasets.images import encode, photo
from tools.datasets.cache.decode import decode
from tools.datasets.splits.likeness import (
    LARGEST_RESIDUAL,
    LEAST_CORRELATION,
    Likeness,
    find_alike,
    has_structure,
)
from tools.datasets.splits.thumbnails import THUMB, fingerprints, thumbnail, transform

COUNT = 60
SIDE = 96
"""Side of the decoded pictures."""
TURN = Image.Transpose


def seen(encoded: bytes, size: int = SIDE) -> np.ndarray:
    return thumbnail(decode(encoded, size, "stretch", 10**8))


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    return [photo(seed, 120, 100) for seed in range(COUNT)]


@pytest.fixture(scope="module")
def originals(photos) -> list[np.ndarray]:
    return [seen(encode(each)) for each in photos]


def found(originals: list[np.ndarray], copies: list[np.ndarray]) -> dict[tuple[int, int], str]:
    return {(each.one, each.other): each.how for each in find_alike(np.stack([*originals, *copies]))}


def each_with_its_copy(how: str) -> dict[tuple[int, int], str]:
    return {(number, number + COUNT): how for number in range(COUNT)}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 50}),
        ("WEBP", {"quality": 80}),
        ("GIF", {}),
    ],
)
def test_a_picture_saved_again_is_found(photos, originals, kind, options):
    copies = [seen(encode(each, kind, **options)) for each in photos]
    assert found(originals, copies) == each_with_its_copy("same")


@pytest.mark.parametrize("scale", [0.5, 1.3])
def test_a_resized_picture_is_found(photos, originals, scale):
    copies = [seen(encode(each.resize((round(120 * scale), round(100 * scale))))) for each in photos]
    assert found(originals, copies) == each_with_its_copy("same")


@pytest.mark.parametrize(
    ("turn", "how"),
    [
        (TURN.FLIP_LEFT_RIGHT, "mirrored"),
        (TURN.FLIP_TOP_BOTTOM, "mirrored"),
        (TURN.TRANSPOSE, "mirrored"),
        (TURN.TRANSVERSE, "mirrored"),
        (TURN.ROTATE_90, "turned"),
        (TURN.ROTATE_180, "turned"),
        (TURN.ROTATE_270, "turned"),
    ],
)
def test_how_a_copy_lies_is_told(photos, originals, turn, how):
    copies = [seen(encode(each.transpose(turn), "JPEG", quality=75)) for each in photos]
    assert found(originals, copies) == each_with_its_copy(how)


def test_what_is_reported_lies_within_the_limits(photos, originals):
    copies = [seen(encode(each, "JPEG", quality=50)) for each in photos]
    for each in find_alike(np.stack([*originals, *copies])):
        assert each.one < each.other
        assert LEAST_CORRELATION <= each.correlation <= 1
        assert 0 <= each.residual <= LARGEST_RESIDUAL


def test_a_symmetrical_picture_saved_again_is_found_as_it_is():
    half = np.asarray(photo(3, 64, 128))
    symmetrical = Image.fromarray(np.concatenate([half, half[:, ::-1]], axis=1))
    thumbnails = np.stack([seen(encode(symmetrical)), seen(encode(symmetrical, "JPEG", quality=60))])
    assert [each.how for each in find_alike(thumbnails)] == ["same"]


def test_pictures_without_structure_are_alike_to_none():
    generator = np.random.default_rng(0)
    grey = np.full((5, 64, 64, 3), 90, dtype=np.uint8)
    grained = np.clip(grey + generator.normal(0, 4, grey.shape), 0, 255).astype(np.uint8)
    gradient = np.tile(np.linspace(60, 130, 64, dtype=np.uint8)[:, None, None], (5, 1, 64, 3))
    thumbnails = np.stack([thumbnail(each) for each in (*grey, *grained, *gradient)])
    assert not has_structure(transform(thumbnails)).any()
    assert find_alike(thumbnails) == []


def test_nothing_is_found_among_no_pictures_and_in_one():
    assert find_alike(np.empty((0, THUMB, THUMB), dtype=np.uint8)) == []
    assert find_alike(seen(encode(photo(1)))[None]) == []


@given(order=st.permutations(range(24)))
@settings(deadline=None, max_examples=30)
def test_the_order_of_the_pictures_does_not_matter(order):
    pictures = [photo(seed, 60, 60) for seed in range(10)]
    changed = [
        *(encode(each, "JPEG", quality=60) for each in pictures[:5]),
        *(encode(each.transpose(TURN.FLIP_LEFT_RIGHT), "WEBP", quality=70) for each in pictures[3:8]),
        *(encode(each.transpose(TURN.ROTATE_90)) for each in pictures[6:10]),
    ]
    thumbnails = np.stack([seen(each) for each in (*map(encode, pictures), *changed)])

    def named(likenesses: list[Likeness], names: list[int]) -> set[tuple[frozenset[int], str]]:
        return {(frozenset((names[each.one], names[each.other])), each.how) for each in likenesses}

    expected = named(find_alike(thumbnails), list(range(24)))
    assert len(expected) == 5 + 5 + 4 + 2 + 2
    assert named(find_alike(thumbnails[order]), order) == expected


def test_every_picture_of_a_still_film_is_connected_to_the_others():
    generator = np.random.default_rng(0)
    scene = seen(encode(photo(5))).astype(int)
    frames = np.clip(scene + generator.integers(-2, 3, (600, THUMB, THUMB)), 0, 255).astype(np.uint8)
    likenesses = find_alike(frames)
    # Not all 179,700 pairs need be listed.
    assert 599 <= len(likenesses) < 179_700
    reached, members = {0}, {(each.one, each.other) for each in likenesses}
    while more := {place for pair in members if reached & set(pair) for place in pair} - reached:
        reached |= more
    assert reached == set(range(600))


def laid(thumbnails: np.ndarray, way: int) -> np.ndarray:
    if way & 4:
        thumbnails = thumbnails.transpose(0, 2, 1)
    if way & 2:
        thumbnails = thumbnails[:, ::-1]
    return thumbnails[:, :, ::-1] if way & 1 else thumbnails


@pytest.mark.parametrize("way", range(8))
def test_hashes_are_those_of_imagehash(originals, way):
    thumbnails = np.stack(originals)
    expected = [str(imagehash.phash(Image.fromarray(each))) for each in laid(thumbnails, way)]
    assert [f"{each:016x}" for each in fingerprints(thumbnails)[:, way]] == expected


def test_twenty_thousand_pictures_are_compared_in_seconds_and_in_little_memory():
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (20_000, 8, 8), dtype=np.uint8)
    thumbnails = coarse.repeat(4, axis=1).repeat(4, axis=2)
    thumbnails[19_999] = laid(thumbnails[:1], 1)[0]
    find_alike(thumbnails[:10])
    tracemalloc.start()
    start = time.process_time()
    likenesses = find_alike(thumbnails)
    seconds = time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(each.one, each.other, each.how) for each in likenesses] == [(0, 19_999, "mirrored")]
    assert seconds < 30
    assert peak < 200 * 2**20


def test_progress_ends_when_all_is_compared(originals):
    steps: list[tuple[int, int]] = []
    find_alike(np.stack(originals), lambda done, total: steps.append((done, total)))
    assert steps[-1][0] == steps[-1][1] == len(steps)


def test_scans_of_digits_are_not_accused():
    scans = (load_digits(return_X_y=True)[0].reshape(-1, 8, 8) * 255 / 16).round().astype(np.uint8)
    for size in (32, 64, 224):
        assert find_alike(np.stack([seen(encode(Image.fromarray(each)), size) for each in scans])) == []


def read(folder: Path) -> tuple[list[bytes], list[str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    return [(folder / row["file"]).read_bytes() for row in rows], [row["group"] for row in rows]


@pytest.mark.parametrize("name", ["skin2", "bloodcells3", "antsbees2"])
def test_different_real_pictures_are_not_accused(shared_data, name):
    encoded, groups = read(shared_data / name)
    alike = find_alike(np.stack([seen(each, 64) for each in encoded]))
    assert [each for each in alike if groups[each.one] != groups[each.other]] == []


def test_frames_of_one_ultrasound_scan_are_found_and_other_scans_are_not_accused(shared_data):
    encoded, groups = read(shared_data / "busi3")
    alike = find_alike(np.stack([seen(each, 64) for each in encoded]))
    assert sum(groups[each.one] == groups[each.other] for each in alike) >= 100
    # The groups of the manifest are not complete: what else is found are further frames, and they lie alike.
    others = [each for each in alike if groups[each.one] != groups[each.other]]
    assert len(others) < 60
    assert {each.how for each in others} <= {"same"}
    assert min((each.correlation for each in others), default=1) > 0.93


def test_xrays_that_resemble_are_not_accused(shared_data):
    with np.load(shared_data / "pneumonia2" / "pneumoniamnist.npz") as arrays:
        scans = np.concatenate([arrays[f"{split}_images"] for split in ("train", "val", "test")])
    alike = find_alike(np.stack([thumbnail(np.repeat(each[:, :, None], 3, axis=2)) for each in scans]))
    # Only true copies, which the set is known for: equal but for a grey level.
    assert len(alike) >= 20
    differences = [np.abs(scans[each.one].astype(int) - scans[each.other]).max() for each in alike]
    assert max(differences) <= 2


def test_every_planted_copy_among_two_thousand_real_pictures_is_found(shared_data):
    encoded, _ = read(shared_data / "skin2")
    thumbnails = [seen(each, 128) for each in encoded]
    expected: dict[tuple[int, int], str] = {}
    for number in range(0, 2000, 10):
        image = Image.open(io.BytesIO(encoded[number])).convert("RGB")
        changes = {
            "same": [("PNG", {}), ("JPEG", {"quality": 50}), ("JPEG", {"quality": 95}), ("WEBP", {})],
            "mirrored": [("JPEG", {"quality": 75})],
        }
        for how, formats in changes.items():
            laid_so = image.transpose(TURN.FLIP_LEFT_RIGHT) if how == "mirrored" else image
            for kind, options in formats:
                expected[number, len(thumbnails)] = how
                thumbnails.append(seen(encode(laid_so, kind, **options), 128))
    alike = {(each.one, each.other): each.how for each in find_alike(np.stack(thumbnails))}
    assert {pair: alike.get(pair) for pair in expected} == expected

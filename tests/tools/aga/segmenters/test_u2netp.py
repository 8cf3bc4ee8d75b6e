"""U²-Netp: it finds subjects itself, in threads as alone, with the weights that were published and no others."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.mask_quality import truth_of
from tests.tools.aga.tiny_vision import disc_of, source, spot
from tools.aga.config import SegmenterConfig
from tools.aga.segmenters.make import make_segmenter
from tools.aga.segmenters.u2netp.network import DIGEST, WEIGHTS, U2Netp
from tools.aga.segmenters.u2netp.segmenter import U2NetpSegmenter, agreement
from tools.aga.types import Box, FindsSubjects
from tools.errors import ConfigurationError
from tools.files import sha256_of


@pytest.fixture(scope="module")
def segmenter() -> U2NetpSegmenter:
    return U2NetpSegmenter()


def overlap(mask: np.ndarray, wanted: np.ndarray) -> float:
    """Intersection over union."""
    return float((mask & wanted).sum() / max(1, (mask | wanted).sum()))


def test_it_is_the_default_and_finds_subjects_itself() -> None:
    assert isinstance(make_segmenter(SegmenterConfig()), U2NetpSegmenter)
    assert isinstance(make_segmenter(SegmenterConfig()), FindsSubjects)
    assert not isinstance(make_segmenter(SegmenterConfig(kind="grabcut")), FindsSubjects)


def test_it_finds_a_subject_that_is_not_in_the_middle(segmenter: U2NetpSegmenter) -> None:
    pixels = np.full((120, 160, 3), (60, 120, 60), np.uint8)
    cv2.circle(pixels, (40, 45), 22, (220, 190, 60), -1)
    wanted = np.zeros((120, 160), np.uint8)
    cv2.circle(wanted, (40, 45), 22, 1, -1)
    mask, box = segmenter.find(source(pixels))
    assert overlap(mask, wanted > 0) > 0.9
    assert box is not None
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((18, 23, 63, 68), abs=3)
    assert 0.8 <= box.score <= 1


def test_looks_agree_as_far_as_they_have_saliency_in_common() -> None:
    left, right = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)
    left[:, :2], right[:, 1:3] = 1.0, 0.5
    assert agreement([left, left]) == 1
    assert agreement([left, right]) == pytest.approx((2 * 0.5) / (4 * 1 + 2 * 0.5), abs=1e-4)
    assert agreement([left, left, right]) == agreement([left, right]), "one look that differs is enough"
    assert agreement([0 * left, 0 * right]) == 0


def test_separate_subjects_of_one_picture_are_cut_out_together(segmenter: U2NetpSegmenter) -> None:
    pixels = np.full((120, 200, 3), (60, 120, 60), np.uint8)
    for x in (50, 150):
        cv2.circle(pixels, (x, 60), 25, (220, 190, 60), -1)
    mask, box = segmenter.find(source(pixels))
    assert mask[60, 50] and mask[60, 150] and not mask[60, 100]  # noqa: PT018
    assert box is not None
    assert box.left < 50 < 150 < box.right


def test_it_finds_nothing_in_a_blank_picture(segmenter: U2NetpSegmenter) -> None:
    mask, box = segmenter.find(source(np.full((60, 80, 3), 127, np.uint8)))
    assert box is None
    assert not mask.any()


def test_a_box_chooses_among_subjects(segmenter: U2NetpSegmenter) -> None:
    pixels = np.hstack([spot(100, 100), spot(100, 100, seed=1)])
    left, right = segmenter.segment(source(pixels), [Box(10, 10, 90, 90, 1), Box(110, 10, 190, 90, 1)])
    assert (left[50, 50], left[50, 150]) == (True, False)
    assert (right[50, 50], right[50, 150]) == (False, True)


def test_threads_give_what_one_thread_gives(segmenter: U2NetpSegmenter) -> None:
    images = [source(spot(40 + 8 * number, 60, seed=number), number) for number in range(3)]
    alone = [segmenter.find(image) for image in images]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(segmenter.find, images))
    for (mask, box), (other_mask, other_box) in zip(alone, together, strict=True):
        assert np.array_equal(mask, other_mask)
        assert box == other_box


def test_a_look_that_takes_several_threads_says_the_same() -> None:
    pixels = spot(120, 160)
    assert np.array_equal(U2Netp(threads=3).saliency(pixels), U2Netp().saliency(pixels))


def test_it_writes_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    U2Netp().saliency(spot(60, 80))
    assert capfd.readouterr() == ("", "")


def test_a_large_picture_has_a_fine_outline(segmenter: U2NetpSegmenter) -> None:
    """A small subject in a picture of which the network's input has a fifth of the pixels a side."""
    side = 1600
    pixels = np.full((side, side, 3), (60, 120, 60), np.uint8)
    wanted = np.zeros((side, side), np.uint8)
    for image, colour in ((pixels, (220, 190, 60)), (wanted, (1,))):
        cv2.circle(image, (800, 800), 90, colour, -1)
        cv2.line(image, (800, 800), (1000, 900), colour, 24)
    mask, _ = segmenter.find(source(pixels))
    coarse = segmenter._network.saliency(pixels) > 0.5
    assert overlap(mask, wanted > 0) > max(0.9, overlap(coarse, wanted > 0))


def test_a_real_insect_that_stands_out_is_cut_out_whole(
    segmenter: U2NetpSegmenter, shared_data: Path
) -> None:
    """One of the hundred of `benchmarks/mask_quality.py`."""
    file = "train/ants/1095476100_3906d8afde.jpg"
    mask, _ = segmenter.find(source(np.asarray(Image.open(shared_data / "antsbees2" / file).convert("RGB"))))
    assert overlap(mask, truth_of(file)) > 0.85


def test_the_weights_are_those_that_were_published() -> None:
    assert sha256_of(WEIGHTS) == DIGEST
    assert (WEIGHTS.parent / "LICENSE").read_text().lstrip().startswith("Apache License")


def test_damaged_or_missing_weights_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    damaged = tmp_path / "u2netp.onnx"
    damaged.write_bytes(WEIGHTS.read_bytes()[:-1])
    for network in (U2Netp(damaged), U2Netp(tmp_path / "none.onnx")):
        with pytest.raises(ConfigurationError, match=r"u2netp.*install augur-vision again"):
            U2NetpSegmenter(network).load()


def test_a_disc_of_any_grey_is_found(segmenter: U2NetpSegmenter) -> None:
    mask, _ = segmenter.find(source(spot(60, 80, grey=True)))
    assert overlap(mask, disc_of(60, 80)) > 0.85

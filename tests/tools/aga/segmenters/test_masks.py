"""Masks as bytes, and as data sets bring them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.aga.tiny_vision import disc_of
from tools.aga.segmenters.masks import decode_mask, encode_mask, read_mask
from tools.errors import DataError


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 8), (224, 301)])
def test_masks_come_back_exactly(size: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random(size) < 0.5
    back = decode_mask(encode_mask(mask))
    assert back.dtype == np.bool_
    assert np.array_equal(back, mask)


def test_masks_are_far_smaller_than_the_array() -> None:
    assert len(encode_mask(disc_of(600, 800))) < 600 * 800 / 100


def test_masks_can_be_changed_after_decoding() -> None:
    mask = decode_mask(encode_mask(disc_of(6, 8)))
    mask[0, 0] = True


@pytest.mark.parametrize("wrong", [np.zeros((2, 3), dtype=np.uint8), np.zeros((2, 0), dtype=bool)])
def test_only_masks_are_encoded(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a mask is bool"):
        encode_mask(wrong)


@pytest.mark.parametrize(
    "damage", [lambda encoded: encoded[: len(encoded) // 2], lambda _: b"", lambda _: b"x"]
)
def test_damaged_masks_are_an_error_that_names_the_file(damage: Callable[[bytes], bytes]) -> None:
    encoded = encode_mask(np.random.default_rng(0).random((50, 50)) < 0.5)
    with pytest.raises(DataError, match=r"masks/a\.png cannot be read"):
        decode_mask(damage(encoded), "masks/a.png")


def test_a_picture_that_is_no_mask_of_ours_is_an_error(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "grey.png")
    with pytest.raises(DataError, match=r"grey\.png is no mask of Augur"):
        decode_mask((tmp_path / "grey.png").read_bytes(), "grey.png")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
def test_masks_of_data_sets_are_read_from_any_kind_of_picture(mode: str, tmp_path: Path) -> None:
    wanted = disc_of(6, 8)
    if mode == "I;16":
        Image.fromarray(wanted.astype(np.uint16) * 65535).save(tmp_path / "mask.png")
    elif mode == "P":
        indices = Image.fromarray(wanted.astype(np.uint8), "P")
        indices.putpalette([0, 0, 0, 10, 20, 30])
        indices.save(tmp_path / "mask.png")
    else:
        Image.fromarray(wanted).convert(mode).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), wanted)

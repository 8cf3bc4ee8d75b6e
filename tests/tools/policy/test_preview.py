"""What a person, or a model that cannot see, is shown of a policy."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tools.policy.pictures import picture
from tools.errors import ConfigurationError
from tools.policy.canonical import parse_one_line
from tools.policy.preview import contact_sheet, preview_statistics

FLIP = parse_one_line("horizontal_flip(p=1)")
LONG = parse_one_line(
    "affine(p=0.5, degrees=15, translate=0.1, scale=0.1, shear=5) > brightness(p=0.5, strength=0.2) > "
    "contrast(p=0.5, strength=0.2) > erasing(p=0.5, area=0.2) > gaussian_noise(p=0.5, sigma=0.05)"
)


def _images(count: int, side: int) -> np.ndarray:
    return np.stack([picture(side, seed) for seed in range(count)])


def _sheet(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def _holds(sheet: np.ndarray, tile: np.ndarray) -> bool:
    """Whether the tile lies somewhere on the sheet, pixel for pixel."""
    side = len(tile)
    rows, columns = np.nonzero((sheet[:, :, None] == tile[0, 0]).all(axis=-1).squeeze())
    return any(
        np.array_equal(sheet[y : y + side, x : x + side], tile) for y, x in zip(rows, columns, strict=True)
    )


def test_the_sheet_holds_originals_and_augmented_images_pixel_for_pixel(tmp_path):
    images = _images(3, 128)
    contact_sheet(images, ["a", "b", "a"], FLIP, tmp_path / "sheet.png", seed=0, rows=1)

    sheet = _sheet(tmp_path / "sheet.png")

    for image in images:
        assert _holds(sheet, image)
        assert _holds(sheet, image[:, ::-1])


@pytest.mark.parametrize(("side", "tile"), [(28, 140), (32, 128), (300, 224)])
def test_small_images_are_enlarged_by_whole_factors_and_large_ones_reduced(tmp_path, side, tile):
    contact_sheet(_images(2, side), ["a", "b"], FLIP, tmp_path / "one.png", seed=0, rows=1)
    contact_sheet(_images(3, side), ["a", "b", "a"], FLIP, tmp_path / "two.png", seed=0, rows=2)

    one, two = _sheet(tmp_path / "one.png"), _sheet(tmp_path / "two.png")

    assert 0 <= two.shape[1] - one.shape[1] - tile <= 16  # one column more is one tile and a gap
    assert 0 <= two.shape[0] - one.shape[0] - tile <= 32  # one row more is one tile, its caption and a gap
    if side == 32:
        assert _holds(one, picture(32).repeat(4, axis=0).repeat(4, axis=1))


def test_the_same_seed_draws_the_same_sheet_and_leaves_the_generator_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for name in ("one.png", "two.png"):
        contact_sheet(_images(2, 32), ["a", "b"], LONG, tmp_path / name, seed=7)

    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(_sheet(tmp_path / "one.png"), _sheet(tmp_path / "two.png"))


def test_mixed_rows_say_what_their_labels_hold(tmp_path):
    """Two lines of text per row make the sheet taller than without mixing."""
    images, labels = _images(4, 32), ["cat", "dog", "cat", "dog"]
    contact_sheet(images, labels, parse_one_line("mixup(p=1, alpha=2)"), tmp_path / "mix.png", seed=0, rows=2)
    contact_sheet(images, labels, FLIP, tmp_path / "flip.png", seed=0, rows=2)

    assert _sheet(tmp_path / "mix.png").shape[0] >= _sheet(tmp_path / "flip.png").shape[0] + 2 * 30


def test_labels_that_do_not_match_the_images_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"3 images.*not 1"):
        contact_sheet(_images(3, 32), ["a"], FLIP, tmp_path / "sheet.png", seed=0)


def test_statistics_of_no_augmentation_say_that_nothing_changed():
    text = preview_statistics(_images(4, 32), parse_one_line("no augmentation"), seed=0)

    assert "mean absolute change of a pixel: 0.0" in text
    assert "100% of the images unchanged" in text
    assert "correlation with the original: mean 1.00, lowest 1.00" in text


def test_statistics_see_inversion():
    images = _images(4, 32)
    text = preview_statistics(images, parse_one_line("invert(p=1)"), seed=0)

    before = "/".join(f"{value:.0f}" for value in images.mean(axis=(0, 1, 2)))
    after = "/".join(f"{value:.0f}" for value in 255 - images.mean(axis=(0, 1, 2)))
    assert f"mean of R, G, B: {before} -> {after}" in text
    assert "correlation with the original: mean -1.00" in text


def test_statistics_see_blur_and_noise():
    def sharpness(policy: str) -> tuple[float, float]:
        text = preview_statistics(_images(4, 64), parse_one_line(policy), seed=1)
        line = next(line for line in text.splitlines() if "sharpness" in line)
        before, after = line.split(": ")[1].split(" -> ")
        return float(before), float(after)

    assert sharpness("gaussian_noise(p=1, sigma=0.2)")[1] > 5 * sharpness("gaussian_noise(p=1, sigma=0.2)")[0]
    before, after = sharpness("gaussian_noise(p=1, sigma=0.2) > gaussian_blur(p=1, sigma=4)")
    assert after < sharpness("gaussian_noise(p=1, sigma=0.2)")[1] / 5
    assert before > 0


def test_statistics_say_where_the_batch_is_mixed():
    text = preview_statistics(_images(2, 32), parse_one_line("mixup(p=1, alpha=0.2)"), seed=0)

    assert text.endswith("mixes pairs of these images and their labels")
    assert "100% of the images unchanged" in text

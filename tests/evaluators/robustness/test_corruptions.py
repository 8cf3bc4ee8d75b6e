"""The corruptions: five severities each, a function of image and seed alone, and worse from step to step."""

import numpy as np
import pytest

from evaluators.robustness.corruptions import CORRUPTIONS, corrupt, corruptions_of
from tests.evaluators.small_classifier import photos


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("side", [32, 64])
def test_severity_grows_and_the_seed_decides(name: str, side: int):
    image = photos(1, side)[0] // 2 + 60  # neither black nor white, so that nothing is cut off
    made = [corrupt(image, name, severity, 3) for severity in range(1, 6)]
    assert all(each.shape == image.shape and each.dtype == np.uint8 for each in made)
    np.testing.assert_array_equal(made[2], corrupt(image, name, 3, 3))
    away = [np.abs(each.astype(int) - image).mean() for each in made]
    assert away[0] > 0
    if name == "saturate":  # the first two are paler, the others more colourful
        assert away[1] > away[0]
        assert away[4] > away[3] > away[2]
    elif name != "elastic transform":  # of which each severity distorts in another way
        assert away[4] > away[2] > away[0]


def test_noise_is_as_strong_as_published():
    grey = np.full((112, 112, 3), 128, np.uint8)
    found = corrupt(grey, "gaussian noise", 1, 0).astype(float) / 255
    assert found.std() == pytest.approx(0.08, rel=0.05)
    hit = corrupt(grey, "impulse noise", 5, 0)
    assert np.isin(hit, (0, 255)).mean() == pytest.approx(0.27, abs=0.02)
    assert corrupt(grey, "shot noise", 5, 0).std() / 255 == pytest.approx((0.502 / 3) ** 0.5, rel=0.2)


def test_lengths_follow_the_side_of_the_image():
    def width(side: int, name: str) -> float:
        """Of a point after the corruption, in shares of the side."""
        image = np.zeros((side, side, 3), np.uint8)
        image[side // 2 - 1 : side // 2 + 1, side // 2 - 1 : side // 2 + 1] = 255
        found = corrupt(image, name, 3, 0).astype(float).sum(axis=(0, 2))
        places = np.arange(side)
        centre = (places * found).sum() / found.sum()
        return float(np.sqrt(((places - centre) ** 2 * found).sum() / found.sum())) / side

    for name in ("gaussian blur", "defocus blur"):
        assert width(112, name) == pytest.approx(width(224, name), rel=0.15)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("severity", [1, 5])
def test_grey_images_stay_grey(name: str, severity: int):
    grey = np.repeat(photos(1, 32)[0][..., :1], 3, axis=2)
    found = corrupt(grey, name, severity, 0).astype(int)
    assert np.ptp(found, axis=2).max() <= 1
    changed = np.abs(found - grey).max() > 1
    assert changed == (name != "saturate")


def test_what_changes_colour_alone_is_left_out_where_there_is_none():
    images = photos(2, 32)
    assert corruptions_of(images) == list(CORRUPTIONS)
    grey = np.repeat(images[..., :1], 3, axis=3)
    assert corruptions_of(grey) == [name for name in CORRUPTIONS if name != "saturate"]


@pytest.mark.parametrize(("name", "severity"), [("rain", 1), ("fog", 0), ("fog", 6)])
def test_what_does_not_exist_is_refused(name: str, severity: int):
    with pytest.raises(ValueError, match="no corruption"):
        corrupt(photos(1)[0], name, severity, 0)

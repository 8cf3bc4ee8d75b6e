"""Mean corruption error, by hand."""

import numpy as np
import pytest

from evaluators.report.explained import by_chance
from evaluators.robustness.corruptions import corrupt
from evaluators.robustness.on_corruptions import measure_corruptions
from tests.evaluators.small_classifier import photos

IMAGES = photos(8)


def flawless(images: np.ndarray) -> np.ndarray:
    return np.ones(len(images), bool)


def wrong_about(count: int):
    return lambda images: np.arange(len(images)) >= count


def broken_by_noise(images: np.ndarray) -> np.ndarray:
    """Right about images that are smooth."""
    return np.abs(np.diff(images.astype(int), axis=1)).mean(axis=(1, 2, 3)) < 15


def test_errors_are_relative_to_the_reference():
    found = measure_corruptions({0: wrong_about(4)}, {0: wrong_about(1)}, IMAGES, corruptions=["fog", "jpeg"])
    assert [line.relative_error for line in found.lines] == [0.25, 0.25]
    assert found.mean_error == 0.25
    assert found.gain.mean == pytest.approx(3 / 8)
    assert (found.clean_reference, found.clean_winner) == (0.5, 0.875)


def test_what_is_right_by_chance_is_said():
    labels = np.array([1] * 5 + [0] * 3)
    of = {0: wrong_about(4)}
    found = measure_corruptions(of, of, IMAGES, corruptions=["fog"], labels=labels)
    assert "commonest class is right for 62.5%" in by_chance(found)
    assert by_chance(measure_corruptions(of, of, IMAGES, corruptions=["fog"])) == ""


def test_a_reference_without_errors_defines_no_relative_error():
    found = measure_corruptions({0: flawless}, {0: wrong_about(2)}, IMAGES, corruptions=["contrast"])
    assert found.lines[0].relative_error is None
    assert found.mean_error is None


def test_each_corruption_counts_by_itself():
    seeds = dict.fromkeys(range(3), wrong_about(2))
    found = measure_corruptions(
        seeds,
        dict.fromkeys(range(4), broken_by_noise),
        IMAGES,
        corruptions=["gaussian noise", "gaussian blur"],
    )
    noise, blur = found.lines
    assert found.seeds == 3
    assert noise.winner[-1] == 0
    assert blur.winner[-1] == 1
    first = [corrupt(image, "gaussian noise", 1, number) for number, image in enumerate(IMAGES)]
    assert noise.winner[0] == broken_by_noise(np.stack(first)).mean()
    # the reference is wrong about a quarter of the images, at each of five severities
    assert noise.relative_error == pytest.approx(sum(1 - each for each in noise.winner) / (5 * 0.25))
    assert blur.relative_error == pytest.approx(sum(1 - each for each in blur.winner) / (5 * 0.25))
    assert noise.relative_error is not None
    assert blur.relative_error is not None
    assert found.mean_error == pytest.approx((noise.relative_error + blur.relative_error) / 2)


def test_the_mean_error_of_grey_images_counts_no_corruption_that_leaves_them_as_they_are():
    grey = np.repeat(IMAGES[..., :1], 3, axis=3)
    found = measure_corruptions({0: wrong_about(4)}, {0: wrong_about(1)}, grey)
    assert len(found.lines) == 14
    assert "saturate" not in [line.name for line in found.lines]


def test_without_a_common_seed_nothing_is_compared():
    with pytest.raises(ValueError, match="one seed"):
        measure_corruptions({0: flawless}, {1: flawless}, IMAGES)

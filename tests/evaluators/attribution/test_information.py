"""AIC and SIC, held against PAIR's package saliency."""

from typing import cast

import numpy as np
import pytest
from torch import nn

from evaluators.attribution import information
from evaluators.attribution.information import (
    NO_LESS_INFORMATION,
    NO_WORSE_BLURRED,
    THRESHOLDS,
    UNSURE,
    Blurring,
    Skipped,
    area,
    information_curve,
    information_curves,
    interpolated,
    random_mask,
)
from evaluators.attribution.insertion import probabilities_of
from tests.evaluators.small_classifier import SIDE, photos, small_classifier


@pytest.fixture
def pair(monkeypatch):
    """PAIR's metrics, which ask for a function that NumPy 2 has under another name."""
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    from saliency.metrics import pic

    return pic


def scored(number: int):
    """An image, its mask, a map, and what a classifier says that takes the image for class 1 and its blur for 0."""
    image, mask = photos(number + 1)[number], random_mask(SIDE, SIDE, (7, number))
    classifier = small_classifier(classes=2)
    found = np.log(probabilities_of(classifier)(np.stack([image, interpolated(image, mask)])))
    margins = found[:, 1] - found[:, 0]
    head, sign = cast(nn.Linear, classifier.model.get_submodule("3")), float(np.sign(margins[0] - margins[1]))
    head.weight.data *= sign
    head.bias.data *= sign
    head.bias.data[1] -= sign * float(margins.mean())
    rng = np.random.default_rng(number)
    importance = rng.random((SIDE, SIDE))
    if number % 2:
        importance = np.repeat(np.repeat(importance[::8, ::8], 8, axis=0), 8, axis=1)  # with ties
    return image, mask, importance, probabilities_of(classifier), 1


@pytest.mark.parametrize("number", range(4))
def test_curves_and_images_are_those_of_pair(number: int, pair):
    image, mask, importance, say, label = scored(number)
    blurring = Blurring(image, mask)
    found, revealed = information_curves(blurring, importance, say, label, 0.0), blurring.reveal(importance)
    scores = {
        "sic": lambda images: say(images)[:, label].astype(np.float64),
        "aic": lambda images: (say(images).argmax(axis=1) == label).astype(np.float64),
    }
    for name, score in scores.items():
        mine = getattr(found, name)
        theirs = pair.compute_pic_metric(image, importance, mask, score, THRESHOLDS, min_pred_value=0.0)
        np.testing.assert_array_equal(revealed.images, theirs.blurred_images)
        np.testing.assert_allclose(mine, theirs.curve_y, atol=2e-5)  # a model rounds otherwise in batches
        assert area([mine]) == pytest.approx(theirs.auc, abs=2e-5)


def test_of_an_image_without_a_curve_nothing_is_revealed_and_the_classifier_sees_its_ends_only():
    image, mask, importance, say, label = scored(0)
    seen: list[int] = []

    def counted(images: np.ndarray) -> np.ndarray:
        seen.append(len(images))
        return say(images)

    found = information_curves(Blurring(image, mask), importance, counted, label, minimum=1.1)
    assert (found.aic, found.sic, seen) == (Skipped(UNSURE), Skipped(UNSURE), [2])


def test_steps_of_equal_pixels_are_equal_and_those_that_reveal_all_are_the_image():
    image, mask, *_ = scored(0)
    flat = np.zeros((SIDE, SIDE))
    flat[:2] = 1
    found = Blurring(image, mask).reveal(flat)
    assert len(found.images) == len(THRESHOLDS) + 2
    for step in (-2, -3):
        np.testing.assert_array_equal(found.images[step], image)
        assert found.information[step] == found.information[-1]


def test_several_curves_are_put_together_as_pair_does(pair):
    curves = [np.sort(np.random.default_rng(number).random(information.POINTS + 1)) for number in range(5)]
    x = np.append(np.linspace(0, 1, information.POINTS, endpoint=False), 1.0)
    theirs = pair.aggregate_individual_pic_results(
        [pair.PicMetricResult(x, each, [], [], [], 0.0) for each in curves]
    )
    assert area(curves) == pytest.approx(theirs.auc)
    assert area([]) is None


@pytest.mark.parametrize(
    ("scores", "bytes_", "reason"),
    [
        ([0.1, 0.5, 0.79], [10, 20, 30], UNSURE),
        ([0.1, 0.5, 0.9], [30, 20, 30], NO_LESS_INFORMATION),
        ([0.9, 0.5, 0.9], [10, 20, 30], NO_WORSE_BLURRED),
    ],
)
def test_an_image_without_a_curve_says_why(scores: list[float], bytes_: list[float], reason: str):
    assert information_curve(np.array(scores), np.array(bytes_)) == Skipped(reason)


def test_a_curve_rises_and_is_cut_to_what_is_possible():
    found = information_curve(np.array([0.1, 0.95, 0.3, 0.9]), np.array([10.0, 5.0, 20.0, 30.0]))
    assert isinstance(found, np.ndarray)
    assert found[0] == 0
    assert found[-1] == 1
    assert (np.diff(found) >= 0).all()


def test_known_pixels_stay_and_a_plane_is_filled_exactly():
    rows, columns = np.mgrid[:16, :16]
    plane = np.stack([4 * rows, 4 * columns, 2 * rows + 2 * columns], axis=-1).astype(np.uint8)
    known = random_mask(16, 16, (0,))
    np.testing.assert_array_equal(interpolated(plane, known), plane)


@pytest.mark.parametrize("wrong", [np.full((SIDE, SIDE), np.nan), np.zeros((8, 8))])
def test_a_map_that_is_not_of_the_image_is_refused(wrong: np.ndarray):
    with pytest.raises(ValueError, match="a map must be"):
        Blurring(photos(1)[0], random_mask(SIDE, SIDE, (0,))).reveal(wrong)

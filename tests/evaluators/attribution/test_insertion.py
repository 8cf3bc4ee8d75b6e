"""Insertion and deletion, held against RISE's published procedure, pixel by pixel."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from evaluators.attribution.insertion import area_under, deletion_curve, insertion_curve
from evaluators.attribution.scoring import as_input
from tests.evaluators.small_classifier import SIDE, photos, small_classifier


def published(
    classifier, image: torch.Tensor, importance: np.ndarray, label: int, insert: bool
) -> np.ndarray:
    """As the paper says it: one step after the other, one image at a time."""
    point = np.zeros((11, 11))
    point[5, 5] = 1
    kernel = torch.zeros(3, 3, 11, 11)
    for channel in range(3):
        kernel[channel, channel] = torch.from_numpy(gaussian_filter(point, 5))
    blurred = torch.nn.functional.conv2d(image[None], kernel, padding=5)
    now, then = (
        (blurred.clone(), image[None]) if insert else (image[None].clone(), torch.zeros_like(image[None]))
    )
    order = np.flip(np.argsort(importance.reshape(-1)))
    found = []
    for step in range(SIDE + 1):
        with torch.no_grad():
            found.append(float(classifier.model(now).softmax(dim=1)[0, label]))
        places = torch.from_numpy(order[step * SIDE : (step + 1) * SIDE].copy())
        now.view(3, -1)[:, places] = then.reshape(3, -1)[:, places]
    return np.array(found)


@pytest.mark.parametrize("insert", [True, False])
def test_curves_are_those_of_rise(insert: bool):
    classifier, image = small_classifier(), photos(3)[2]
    tensor, importance = as_input(classifier, image), np.random.default_rng(1).random((SIDE, SIDE))
    for label in range(3):
        measure = insertion_curve if insert else deletion_curve
        found = measure(classifier, tensor, importance, label, batch=7)
        expected = published(classifier, tensor, importance, label, insert)
        np.testing.assert_allclose(found, expected, atol=2e-5)
        theirs = (expected.sum() - expected[0] / 2 - expected[-1] / 2) / SIDE  # RISE's own area
        assert area_under(found) == pytest.approx(theirs, abs=1e-5)

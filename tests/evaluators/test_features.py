"""Last-layer features and the density of their clusters."""

from typing import cast

import numpy as np
import pytest
import torch

from evaluators import features
from evaluators.features import clusters_of, features_of, in_the_plane
from tests.evaluators.small_classifier import photos, small_classifier


def test_features_are_what_the_last_layer_sees():
    classifier, images = small_classifier(), photos(5)
    found = features_of(classifier, images, batch=2)
    head = cast(torch.nn.Linear, classifier.model.get_submodule("3"))
    logits = classifier.model(
        classifier.normalisation.apply(torch.from_numpy(images).permute(0, 3, 1, 2), "cpu")
    )
    np.testing.assert_allclose(found @ head.weight.detach().numpy().T + head.bias.detach().numpy(),
                               logits.detach().numpy(), atol=1e-4)  # fmt: skip


def test_spread_is_relative_to_the_distance_of_the_classes():
    points = np.array([[0.0, 1.0], [0.0, -1.0], [10.0, 1.0], [10.0, -1.0]])
    found = clusters_of(points, np.array([2, 2, 5, 5]))
    assert (found.apart, found.spread) == (10.0, pytest.approx(0.1))


def test_the_plane_keeps_clusters_apart_without_umap(monkeypatch):
    monkeypatch.setattr(features, "find_spec", lambda name: None)
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 15)
    places, method = in_the_plane(rng.normal(0, 1, (30, 8)) + 30 * labels[:, None])
    assert method == "t-SNE"
    assert places.shape == (30, 2)
    assert clusters_of(places, labels).spread < 0.5

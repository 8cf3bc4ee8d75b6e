"""The frozen backbone: the one that is installed, and logistic regression on what it sees."""

import numpy as np
import pytest
import torch

from evaluators import frozen
from evaluators.frozen import Backbone, find_backbone, fit_frozen, frozen_features, has_backbone
from tests.evaluators.small_classifier import photos
from tools.errors import AugurError
from tools.training.normalisation import IMAGENET


class MeanColour(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3))


MEAN = Backbone("mean colour", MeanColour(), IMAGENET)


def coloured(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images whose brightest channel is their class."""
    labels = np.arange(count) % 3
    images = np.random.default_rng(seed).integers(0, 150, (count, 8, 8, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 40
    return images, labels


def test_the_packaged_backbone_tells_pictures_apart():
    assert has_backbone()
    backbone = find_backbone()
    assert backbone is not None
    found = frozen_features(backbone, photos(3, 16))
    assert found.shape[0] == 3
    assert found.shape[1] >= 512
    assert np.isfinite(found).all()
    assert np.linalg.norm(found[0] - found[1]) > 1


def test_logistic_regression_learns_and_knows_all_classes():
    test, labels = coloured(30, 9)
    seen: list[tuple[int, int]] = []
    found = fit_frozen(MEAN, coloured(60, 0), coloured(15, 5), test, 4, progress=lambda *at: seen.append(at))
    assert found.probabilities.shape == (30, 4)
    assert (found.probabilities.argmax(axis=1) == labels).mean() > 0.9
    assert (found.probabilities[:, 3] == 0).all()  # a class without training images
    assert seen[-1] == (105, 105)


def test_one_class_alone_cannot_be_fitted():
    images, labels = coloured(6, 0)
    with pytest.raises(AugurError, match="one class"):
        fit_frozen(MEAN, (images, np.zeros_like(labels)), (images, labels), images, 3)


def test_without_weights_there_is_no_backbone(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(frozen, "find_spec", lambda name: None)
    assert not has_backbone()
    assert find_backbone() is None

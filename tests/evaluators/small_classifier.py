"""A classifier that is made, not trained, and images that it can tell apart: for what is measured on any classifier."""

import numpy as np
import torch
from torch import nn

from tests.tools.datasets.images import photo
from tools.training.evaluation import Classifier
from tools.training.normalisation import Normalisation

SIDE = 32
PLAIN = Normalisation((127.5, 127.5, 127.5), (64.0, 64.0, 64.0))


def small_classifier(classes: int = 3, seed: int = 0, normalisation: Normalisation = PLAIN) -> Classifier:
    """Two convolutions and a linear layer with random weights, sure of what it says."""
    torch.manual_seed(seed)
    body = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()
    )
    head = nn.Linear(16, classes)
    nn.init.normal_(head.weight, std=4.0)
    model = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    return Classifier(model.eval(), normalisation, "cpu")


def photos(count: int, side: int = SIDE) -> np.ndarray:
    """uint8 (count, side, side, 3): smooth colours with a fine grain, which a blur takes away."""
    made = []
    for number in range(count):
        grain = np.random.default_rng(number).integers(-60, 60, (side, side, 1))
        made.append(np.clip(np.asarray(photo(number, side, side), np.int64) // 2 + 64 + grain, 0, 255))
    return np.stack(made).astype(np.uint8)

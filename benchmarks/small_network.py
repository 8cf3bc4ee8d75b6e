"""The classifier of the table of `search_table.py`: small enough that a training takes about a second on one core."""

from torch import nn

CHANNELS = (12, 24, 48)


def network(classes: int) -> nn.Module:
    """Three convolutions with batch normalisation, each but the first at half the resolution, and a linear layer.

    Args:
        classes: outputs. Images are (N, 3, H, W), of any size from 8 pixels on.
    """
    layers: list[nn.Module] = []
    before = 3
    for place, channels in enumerate(CHANNELS):
        layers += [
            nn.Conv2d(before, channels, 3, stride=1 if place == 0 else 2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(9 * before, classes))

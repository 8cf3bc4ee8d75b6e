"""Sample-aware RandAugment, which asks the classifier that is trained how strong an image may be changed."""

from math import log
from typing import Any

import torch
from torchvision.transforms import v2


class SampleAware(v2.RandAugment):
    """RandAugment whose magnitude, 0 to 1, is one of the image's own (SRA: Xiao, Yu, Yu, IJCV 2025, arXiv:2508.08004).

    Training takes turns: in one batch every image has a random magnitude, which is what a call without one draws. In
    the next, the classifier first sees the images as they are, and the magnitude of each is its score
    (`sample_scores`): an image that is classified well is changed much, one that is not is left nearly as it is. The
    operations and their ranges are those of torchvision's RandAugment.
    """

    def __init__(self, num_ops: int, p: float = 1.0) -> None:
        super().__init__(num_ops=num_ops, num_magnitude_bins=1001)
        self.p = p

    def forward(self, image: Any, magnitude: float | None = None) -> Any:
        """The image with `num_ops` random operations of the same magnitude."""
        if float(torch.rand(())) >= self.p:
            return image
        share = float(torch.rand(())) if magnitude is None else magnitude
        self.magnitude = round(share * (self.num_magnitude_bins - 1))
        return super().forward(image)


def sample_scores(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """How well each image is classified, 0 to 1: the cosine between the predicted probabilities and the one-hot label,
    to the power of 2 / ln(classes), which spreads the scores of an undecided classifier over the range.

    Args:
        logits: float (N, C), C at least 2.
        labels: int64 (N,).

    Returns:
        float (N,).
    """
    probabilities = torch.softmax(logits.float(), dim=1)
    own = probabilities.gather(1, labels[:, None])[:, 0]
    return (own / probabilities.norm(dim=1)).clamp(0, 1) ** (2 / log(logits.shape[1]))

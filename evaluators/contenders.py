"""What competes for the recommendation, and what is known of each. Light: imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["none", "default", "baseline", "policy", "backgrounds"]
"""No augmentation, the default policy of the modality, another baseline, a proposed policy, a proposal with new
backgrounds: the simpler comes first."""

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, eq=False)
class ImageScores:
    """How one trial did on each of its validation images, in any order."""

    ids: "np.ndarray"
    """int (images,): names an image; the same image has the same id in every trial. Images that belong together (of
    one patient) may share an id: they then count as one case."""
    losses: "np.ndarray | None"
    """float (images,): log loss of each image; None where it was not kept."""
    correct: "np.ndarray"
    """bool (images,): whether the image was classified correctly."""
    values: "np.ndarray | None" = None
    """float (images,), whose mean is the study's metric: what each image adds to it (`influence.py`). None where the
    metric is the accuracy, of which `correct` says it, and where it is not known."""


@dataclass(frozen=True, eq=False)
class Answers:
    """Whether one trial answers by looking at the images at all (`learning.py`)."""

    agreement: "np.ndarray"
    """float (images,): agreement with the true class beyond chance, in the order of its `ImageScores`."""
    constant: float
    """Mean log loss of an answer that is the same for all these images."""


@dataclass(frozen=True, eq=False)
class Contender:
    """Something that may be recommended, with its validation results."""

    name: str
    kind: Kind
    scores: Mapping[int, float]
    """Seed → the study's metric (higher is better), over the finished trials."""
    losses: Mapping[int, float]
    """Seed → mean log loss. Where a finished trial of any contender has none, or an infinite one, the metric alone
    judges all of them."""
    images: Mapping[int, ImageScores] = field(default_factory=dict)
    """Seed → results by image, from which the luck of the sample of images is learnt. May be empty."""
    calibrated: Mapping[int, "np.ndarray"] = field(default_factory=dict)
    """Seed → float (images,): log loss of each image in `images` after temperature scaling. May be empty."""
    answers: Mapping[int, Answers] = field(default_factory=dict)
    """Seed → whether it answers by the images. May be empty."""

    @property
    def simplicity(self) -> int:
        """0 for no augmentation; the higher, the more a user has to take over."""
        return KINDS.index(self.kind)

"""What `agent explain` finds, as it is written to explain/explanation.json and shown in the report. Light: no torch.

Scores, errors and confidences are 0..1; gains are differences of them. An `Measured` without bounds rests on too few
values to have an interval.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from evaluators.statistics import Interval
from tools.files import write_json

_STRICT = ConfigDict(extra="forbid", frozen=True)

FOLDER = "explain"
"""In the folder of a study: the file below and the pictures."""
FILE = "explanation.json"

Metric = Literal["aic", "sic", "insertion", "deletion"]


class Measured(BaseModel):
    """A mean with its 95% interval."""

    model_config = _STRICT

    mean: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, interval: Interval) -> Self:
        """From an interval of `evaluators.statistics`."""
        return cls(mean=interval.mean, low=interval.low, high=interval.high)


class Bin(BaseModel):
    """Predictions of about the same confidence."""

    model_config = _STRICT

    low: float
    high: float
    """The bin is low < confidence ≤ high."""
    count: int
    confidence: float
    """Mean; 0 where the bin is empty, like the accuracy."""
    accuracy: float


class Calibration(BaseModel):
    """How far a classifier's confidence can be believed, on the test set; means over its seeds."""

    model_config = _STRICT

    name: str
    seeds: int
    expected_error: float
    """ECE: mean |confidence − accuracy| over the bins, weighted by their images."""
    brier: float
    """Mean squared distance of the probabilities from the truth, 0 (right and sure) to 2 (wrong and sure)."""
    log_loss: float
    """Mean cross-entropy in nats."""
    bins: list[Bin]
    """Of all seeds together."""


class ClassGain(BaseModel):
    """Recall of one class on the test set, mean over the seeds that both have."""

    model_config = _STRICT

    label: str
    images: int
    reference: float
    winner: float
    gain: Measured
    """Over seeds and images at once, for this class alone: of many classes some look better by chance."""


class AttributionScore(BaseModel):
    """How well one method's maps find what one classifier decides by."""

    model_config = _STRICT

    name: str
    """The candidate."""
    method: str
    """'integrated gradients', 'Grad-CAM' or 'XRAI'."""
    metric: Metric
    """For deletion lower is better, for the others higher."""
    score: float | None
    """Area under the curve (aic, sic: median curve; insertion, deletion: mean) on the images this classifier can be
    scored on; None where there is none."""
    images: int
    skipped: dict[str, int]
    """Reason → images that the metric leaves out."""
    on_shared: float | None
    """The same on the images that no classifier skips by this method and metric: what can be compared."""
    shared_images: int


class Attribution(BaseModel):
    """AIC, SIC, insertion and deletion of the reference's and the winner's classifiers."""

    model_config = _STRICT

    images: int
    """Test images that were tried."""
    explained: str
    """Which class the maps explain, in words."""
    scores: list[AttributionScore]
    missing: list[str] = []
    """Methods that were not computed, and why."""


class CorruptionLine(BaseModel):
    """One corruption at five severities."""

    model_config = _STRICT

    name: str
    reference: list[float]
    """Accuracy at severities 1 to 5, mean over seeds."""
    winner: list[float]
    relative_error: float | None
    """Errors of the winner per error of the reference, all severities together; None where the reference made none."""


class Corruptions(BaseModel):
    """Test images corrupted as in ImageNet-C."""

    model_config = _STRICT

    images: int
    seeds: int
    clean_reference: float
    clean_winner: float
    mean_error: float | None
    """Mean corruption error of the winner against the reference: mean of the relative errors; below 1 is better."""
    gain: Measured
    """Accuracy of the winner less the reference's on all corrupted images, over seeds and images at once."""
    lines: list[CorruptionLine]
    chance: float | None = None
    """Accuracy of always naming the commonest class of these images; None where it was not written down."""


class BackgroundLine(BaseModel):
    """Accuracy on one kind of changed test images, mean over seeds."""

    model_config = _STRICT

    name: str
    """'as they are', 'background of the same class', 'background of another class', 'subject alone',
    'background alone'."""
    reference: float
    winner: float


class Backgrounds(BaseModel):
    """How much the classifiers read from the background (after Xiao et al. 2021, Noise or Signal)."""

    model_config = _STRICT

    images: int
    """With a usable mask."""
    tried: int
    seeds: int
    lines: list[BackgroundLine]
    chance: float
    """Accuracy of always naming the commonest class of these images."""
    gap_reference: float
    """Accuracy lost where the background comes from another class instead of the same one."""
    gap_winner: float
    gap_change: Measured
    """Winner's gap less the reference's, over seeds and images at once: below 0, the winner reads less from it."""


class Features(BaseModel):
    """Last-layer features of real and synthetic images."""

    model_config = _STRICT

    method: Literal["UMAP", "t-SNE"]
    of: str
    """The candidate whose classifier they are of."""
    real: int
    synthetic: int
    spread_real: float
    """Mean distance of a real image to the centre of its class, per mean distance between centres."""
    spread_both: float | None
    """The same with the synthetic images; None where there are none. As low as before: the clusters stay dense."""
    apart_real: float
    """Mean distance between the centres of the classes, in units of the features."""
    apart_both: float | None


class Frozen(BaseModel):
    """A frozen pretrained backbone with logistic regression on the same split: what needs no search."""

    model_config = _STRICT

    backbone: str
    metric: str
    """Of the study, in words."""
    score: Measured
    """On the test set, over images."""
    winner: str
    winner_score: float
    """Mean over seeds."""
    gain: Measured
    """Of the winner over the frozen backbone, over test images."""
    seconds: float
    sentence: str
    """For a report: 'The winner, trained from scratch, is 2.1 points below a frozen …'."""


class Generated(BaseModel):
    """How close synthetic images come to real ones (`evaluators.generated`), beside how close other real ones come."""

    model_config = _STRICT

    backbone: str
    """In whose features."""
    images: int
    """Of each kind: synthetic, real, and the real ones that both are compared with."""
    frechet: float
    frechet_of_real: float
    density: float
    density_of_real: float
    coverage: float
    coverage_of_real: float
    copies: float
    copies_of_real: float


class Picture(BaseModel):
    """A PNG in the folder `explain`."""

    model_config = _STRICT

    file: str
    """Its name there."""
    title: str
    alt: str
    """What it shows, for who cannot see it."""


class Explanation(BaseModel):
    """Everything that `agent explain` finds about the winner of a study, against its reference."""

    model_config = _STRICT

    study: str
    reference: str
    """Name of no augmentation's candidate."""
    winner: str
    """What is recommended; where that is no augmentation, the best other candidate that was tested."""
    recommended: bool
    """Whether the winner is what the study recommends."""
    classes: list[str]
    test_images: int
    seconds: float
    notes: list[str] = []
    """What was left out, and why; one sentence each."""
    calibration: list[Calibration] = []
    confusion: dict[str, list[list[int]]] = {}
    """Candidate → images of each true class (rows) by predicted class (columns), all seeds together."""
    class_gains: list[ClassGain] = []
    attribution: Attribution | None = None
    corruptions: Corruptions | None = None
    backgrounds: Backgrounds | None = None
    features: Features | None = None
    frozen: Frozen | None = None
    generated: Generated | None = None
    pictures: list[Picture] = []

    def write(self, folder: Path) -> Path:
        """Write it as JSON into `folder`, which exists; the file."""
        write_json(folder / FILE, self.model_dump(mode="json"))
        return folder / FILE


def read_explanation(study: Path) -> Explanation | None:
    """The explanation in the folder of a study; None where it has none.

    Raises:
        ValueError: the file is damaged, or of another version.
    """
    file = study / FOLDER / FILE
    if not file.is_file():
        return None
    return Explanation.model_validate_json(file.read_text(encoding="utf-8"))

"""Parts of a report beside the comparison: the path of the search, classes, backgrounds, cost, pictures. Light."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evaluators.statistics import Interval


@dataclass(frozen=True)
class IterationLine:
    """One row of the table of the search."""

    name: str
    policy: str
    mean: float | None
    std: float | None
    over_default: float | None
    """Gain over the default policy."""
    interval_over_default: tuple[float, float] | None
    gain: float | None
    """Over no augmentation."""
    interval: tuple[float, float] | None
    verdict: str
    """How sure it is that the candidate is better than the default policy, in words."""
    hypothesis: str
    failures: tuple[str, ...] = ()
    number: int = 0
    """Of the iteration, from 1; 0 where it is not known."""
    expected: float | None = None
    """The gain over no augmentation that was forecast before the training (0..1); None where nothing was."""
    learned: str = ""
    """What the model wrote into its notebook when it had seen the result; empty where it wrote nothing."""
    sheet: str = ""
    """File of its contact sheet, in the study's folder; empty where there is none."""
    stopped: str = ""
    """Why it was not trained under all seeds, where others of its iteration were better; else empty."""
    generated: str = ""
    """What came of making its synthetic images; empty without backgrounds."""


@dataclass(frozen=True)
class SimpleLine:
    """No augmentation or a baseline, as the search knew it: mean and spread over the seeds of the search."""

    name: str
    role: Literal["reference", "baseline"]
    mean: float | None
    std: float | None
    policy: str = ""


@dataclass(frozen=True)
class ClassGain:
    """Recall of one class on the test set, means over fresh seeds; or the AUROC of a label, of which an image may have
    several."""

    name: str
    images: int
    before: float | None
    """By no augmentation."""
    after: float | None
    """By what is recommended."""
    difference: Interval | None
    """Paired by seed; None where the two have no seed in common."""
    precision_before: float | None = None
    """Average precision of a label by no augmentation; None of a class."""
    precision_after: float | None = None
    falls: bool = False
    """Whether it is much lower than by no augmentation, under every seed and beyond what the images explain."""


@dataclass(frozen=True)
class Confusion:
    """Test images by true (down) and predicted class (across), mean over fresh seeds."""

    title: str
    classes: Sequence[str]
    counts: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Backgrounds:
    """The synthetic images of the proposal that was tested."""

    name: str
    """Of the proposal."""
    prompts: Sequence[tuple[str, str]]
    """(part of the prompt set, its entries)."""
    made: str
    """How many images were made, and what the gates refused, in a sentence."""
    gates: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Gate → result → count."""
    captions: Sequence[str] = ()
    """Some of those that images were made from."""
    sheet: str = ""
    """File of the contact sheet, in the study's folder."""
    facts: Sequence[tuple[str, str]] = ()
    """More (name, text) lines: verdicts by setting, what the background alone says of the label."""
    edited: bool = False
    """Whether whole images were edited, and no subject was put on another background."""
    in_place: bool = False
    """Whether they are trained on in the place of real images, and not besides them."""


@dataclass(frozen=True)
class StartLine:
    """What a study on the same images came to on the test set, by what its model began with."""

    study: str
    model: str
    start: str
    """Such as 'from scratch'."""
    none: Interval
    """No augmentation, over fresh seeds."""
    recommended: str
    """What that study recommends."""
    best: Interval
    """Its score."""


@dataclass(frozen=True)
class Picture:
    """A picture in the study's folder."""

    file: str
    """Relative to the folder."""
    title: str
    alt: str
    """What a reader who cannot see it has to know."""


@dataclass(frozen=True)
class RunningTrial:
    """A training that is going on."""

    name: str
    """Candidate and seed."""
    epoch: int
    epochs: int | None
    score: float | None
    """Validation accuracy after the last epoch (0..1)."""


@dataclass(frozen=True)
class RaceSection:
    """A race of arms that this study is one of (`agent compare`)."""

    name: str
    sentence: str
    """What it came to, or that it has not ended."""
    report: str
    """File of its own report."""
    own: Sequence[str] = ()
    """The arms that are this study."""
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    """Every arm on the test set; none while the race goes on."""


def chance_words(probability: float) -> str:
    """A probability in percent, never 0 or 100, which no data can give."""
    return f"{min(99, max(1, round(100 * probability)))}%"

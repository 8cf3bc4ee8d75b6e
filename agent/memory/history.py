"""What an arm is told: rebuilt from MLflow before every proposal, so that a resumed study knows the same."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from agent.memory.curves import InTraining
from agent.memory.earlier import Earlier
from agent.memory.look_ups import Instruments, Notebook
from agent.memory.proposal import Proposal
from evaluators.noise import Noise, pooled_gain, pooled_noise
from evaluators.statistics import Interval, Limits, differences_of_metric
from tools.aga.chain_facts import ChainFacts
from tools.datasets.types import Card
from tools.policy.named import DEFAULT
from tools.training.metrics import Metric
from tools.training.types import Fit

Backgrounds = Literal["off", "optional", "always"]


@dataclass(frozen=True)
class TrialRecord:
    """One trained classifier. `score` is the metric of the study on validation: 0..1, kappa -1..1."""

    seed: int
    status: Literal["finished", "failed", "stopped"]
    """Stopped: it has no result, since a limit or an interruption ended it, or since it still trains."""
    score: float | None
    per_class_recall: tuple[float | None, ...] = ()
    train_loss: float | None = None
    """Of the last epoch; with `validation_loss`, it shows over- or under-fitting."""
    validation_loss: float | None = None
    reason: str = ""
    """Why it failed."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """Validation images; rows: true class, columns: predicted."""
    fit: Fit | None = None
    """On clean training images, at the end; None in results of earlier versions."""
    validation_losses: tuple[float, ...] = ()
    """After each epoch."""
    loss: float | None = None
    """Log loss on validation of the epoch that `score` is of."""


@dataclass(frozen=True)
class IterationRecord:
    """One proposal and its results. Scores and differences are in the study's metric (0..1), paired by seed."""

    number: int
    """From 1; references and baselines have 0."""
    arm: str
    name: str
    """'iteration 3', or the baseline's name."""
    proposal: Proposal
    trials: tuple[TrialRecord, ...]
    mean: float | None
    """Mean score on validation over the finished seeds."""
    std: float | None
    gain: float | None
    """Mean paired difference to no augmentation."""
    gain_interval: tuple[float, float] | None
    """95% interval of the gain by the noise of all candidates so far; None where they are too few to know it."""
    within_noise: bool | None
    """Whether the gain may be chance: its interval contains zero, or there is none."""
    generated: str = ""
    """Result of making its synthetic images: how many, and how many each gate refused; empty without backgrounds."""
    sheet: Path | None = None
    """Contact sheet of its synthetic images."""
    gain_over_default: float | None = None
    """Mean paired difference to the default policy; None for that policy itself, and where it was not trained."""
    interval_over_default: tuple[float, float] | None = None
    """As `gain_interval`."""
    cheap_gain: float | None = None
    """Gain over the default policy by the cheap measure (docs/search.md), where it was measured so."""
    stopped: str = ""
    """Why it was not trained under all seeds, where others of its iteration were found better; else empty."""
    epochs: int | None = None
    """Of its trainings, where that is not the study's length; see `Candidate.epochs`."""

    @property
    def scores(self) -> dict[int, float]:
        """Seed → the study's metric on validation, over the finished trials."""
        return {trial.seed: trial.score for trial in self.trials if trial.score is not None}


@dataclass(frozen=True)
class Rejection:
    """A proposal that vet refused in the current iteration, as text (it may not even be a proposal), and why."""

    answer: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """Everything that an arm may base its proposal on."""

    card: Card
    class_counts: dict[str, int]
    """Training images of each class, or with each label."""
    image_size: int
    model: str
    """Name and weights of the classifier, as text."""
    recipe: str
    """The training recipe in one line."""
    minimum_operations: int
    maximum_operations: int
    iteration: int
    """The current one, from 1."""
    iterations: int
    seed: int
    """The study's."""
    reference: IterationRecord | None
    """No augmentation."""
    noise: float | None
    """Standard deviation of a trial's score over seeds, pooled over all candidates; None with a single seed."""
    baselines: tuple[IterationRecord, ...]
    past: tuple[IterationRecord, ...]
    """Earlier iterations, oldest first."""
    cache: Path
    """Folder of the decoded data set, for tools that show training images."""
    rejections: tuple[Rejection, ...] = ()
    """Of the current iteration, oldest first."""
    budget_left: str = ""
    """One line of text."""
    backgrounds: Backgrounds = "off"
    """Whether a proposal may, or must, have background prompts."""
    incumbent: IterationRecord | None = None
    """The best iteration so far by the least noisy measure (`ranking.py`); never a baseline."""
    advice: bool = True
    """Whether a model is told our advice."""
    whole_policies: bool = True
    """Whether a proposal may have RandAugment and other whole policies."""
    seeds: int = 1
    """Trials of each proposal."""
    steps: int | None = None
    """Of the optimiser in one trial without synthetic images; None if unknown."""
    fold_count: int | None = None
    """Folds that seeds are validated on in turn (`tools.training.views.shown_view` says what may be shown)."""
    images: int | None = None
    """Training images; None: the sum of `class_counts`, which it is unless an image may have several labels."""
    grey: bool = False
    """Whether red, green and blue are equal in all training images: operations on colour do nothing."""
    original_size: tuple[int, int] | None = None
    """Median (width, height) in pixels of the training images as they are stored; None if unknown."""
    longer: bool = False
    """Whether a proposal may ask for a longer training: where the budget counts training images."""
    chain: ChainFacts | None = None
    """What makes synthetic images; None where proposals have no backgrounds."""
    metric: Metric = "accuracy"
    """What decides, on validation."""
    notebook: Notebook = field(default_factory=Notebook)
    on_tool: Callable[[str, Any, str, int], None] | None = None
    """Told of every call of a tool: name, arguments, answer, and when it began, in nanoseconds since the epoch."""
    reviewer_notes: tuple[str, ...] = ()
    """What people wrote on the study in MLflow (`agent.memory.reviews`)."""
    """What the model wrote down and looked up before, in this iteration and earlier ones."""
    instruments: Instruments | None = None
    """What may be found out besides; None where nothing may."""
    candidates: int = 1
    """Proposals that are asked for at once."""
    pending: tuple[Proposal, ...] = ()
    """Those that were drawn before in this iteration, by an arm that draws one after another."""
    tuning: str = ""
    """What a model is told of the optimiser that tunes the numbers of its proposals; empty where there is none."""
    looks: tuple[int, ...] = ()
    """Epochs after which a training stops and a model may change its policy; empty where it does not."""
    epochs: int = 0
    """Of the training that stops there."""
    in_training: InTraining | None = None
    """The training that waits for its policy; None where a new one begins."""
    earlier: tuple[Earlier, ...] = ()
    """What earlier studies found, the best of each first."""
    cheap_first: bool = False
    """Whether the proposals of an iteration are measured cheaply first, and the best alone is trained in full."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Class → what stands in place of its name, where a model must not know it; empty where it may."""

    @property
    def training_images(self) -> int:
        """How many there are."""
        return sum(self.class_counts.values()) if self.images is None else self.images

    @property
    def own_iteration(self) -> int:
        """The current iteration, from 1, among those whose proposals are the arm's own.

        Those that try what earlier studies found do not count.
        """
        marks = tuple(each.mark for each in self.earlier)
        taken_over = {each.number for each in self.past if each.proposal.hypothesis.startswith(marks)}
        return self.iteration - len(taken_over)


def noise_of(records: Iterable[IterationRecord]) -> float | None:
    """Standard deviation of a trial's score (0..1) over seeds, pooled over all candidates; None with one seed."""
    noise = pooled_noise({record.name: record.scores for record in records})
    return None if noise is None else noise.between_seeds


def with_pooled_gains(
    records: Sequence[IterationRecord], metric: Metric = "accuracy"
) -> list[IterationRecord]:
    """The records with their gains and intervals, in `metric`, by the noise of all of them.

    What was written when a candidate was judged knew only the candidates before it. Records without a gain over no
    augmentation stay as they are, and so do all where the reference is not among them.
    """
    reference = next((record for record in records if record.arm == "reference"), None)
    if reference is None:
        return list(records)
    default = next((record for record in records if record.number == 0 and record.name == DEFAULT), None)
    noise = pooled_noise({record.name: record.scores for record in records})
    limits = differences_of_metric(metric)
    return [_pooled(record, reference, default, noise, limits) for record in records]


def _pooled(
    record: IterationRecord,
    reference: IterationRecord,
    default: IterationRecord | None,
    noise: Noise | None,
    limits: Limits,
) -> IterationRecord:
    if record is not reference and record.gain is not None:
        gain = pooled_gain(record.scores, reference.scores, noise, limits)
        if gain is not None:
            record = replace(record, gain_interval=_bounds(gain), within_noise=not gain.excludes_zero)
    if default is not None and record.name != default.name and record.mean is not None:
        over = pooled_gain(record.scores, default.scores, noise, limits)
        if over is not None:
            record = replace(record, gain_over_default=over.mean, interval_over_default=_bounds(over))
    return record


def _bounds(interval: Interval) -> tuple[float, float] | None:
    low, high = interval.low, interval.high
    return None if low is None or high is None else (low, high)

"""What an arm is told: rebuilt from MLflow before every proposal, so that a resumed study knows the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from agent.memory.proposal import Proposal
from evaluators.noise import pooled_gain, pooled_noise
from tools.aga.chain_facts import ChainFacts
from tools.datasets.types import Card

Backgrounds = Literal["off", "optional", "always"]


@dataclass(frozen=True)
class TrialRecord:
    """One trained classifier. Scores are 0..1; `accuracy` is the validation accuracy it is judged by."""

    seed: int
    status: Literal["finished", "failed"]
    accuracy: float | None
    per_class_recall: tuple[float | None, ...] = ()
    train_loss: float | None = None
    """Of the last epoch; with `validation_loss`, it shows over- or under-fitting."""
    validation_loss: float | None = None
    reason: str = ""
    """Why it failed."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """Validation images; rows: true class, columns: predicted."""


@dataclass(frozen=True)
class IterationRecord:
    """One proposal and its results. Differences are in accuracy (0..1), paired by seed with the reference."""

    number: int
    """From 1; references and baselines have 0."""
    arm: str
    name: str
    """'iteration 3', or the baseline's name."""
    proposal: Proposal
    trials: tuple[TrialRecord, ...]
    mean: float | None
    """Mean validation accuracy over the finished seeds."""
    std: float | None
    gain: float | None
    """Mean paired difference to the reference."""
    gain_interval: tuple[float, float] | None
    """95% interval of the gain by the noise of all candidates so far; None where they are too few to know it."""
    within_noise: bool | None
    """Whether the gain may be chance: its interval contains zero, or there is none."""
    generated: str = ""
    """Result of making its synthetic images: how many, and how many each gate refused; empty without backgrounds."""
    sheet: Path | None = None
    """Contact sheet of its synthetic images."""

    @property
    def accuracies(self) -> dict[int, float]:
        """Seed → validation accuracy, over the finished trials."""
        return {trial.seed: trial.accuracy for trial in self.trials if trial.accuracy is not None}


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
    """Training images of each class."""
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
    """Standard deviation of a trial's accuracy over seeds, pooled over all candidates; None with a single seed."""
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
    """The best iteration so far by mean validation accuracy; never a baseline."""
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
    grey: bool = False
    """Whether red, green and blue are equal in all training images: operations on colour do nothing."""
    original_size: tuple[int, int] | None = None
    """Median (width, height) in pixels of the training images as they are stored; None if unknown."""
    longer: bool = False
    """Whether a proposal may ask for a longer training: where the budget counts training images."""
    chain: ChainFacts | None = None
    """What makes synthetic images; None where proposals have no backgrounds."""


def best_iteration(records: Sequence[IterationRecord]) -> IterationRecord | None:
    """The iteration with the highest mean validation accuracy, the earlier one where they tie; None where none has."""
    judged = [(r.mean, -r.number, r) for r in records if r.number > 0 and r.mean is not None]
    return max(judged, key=lambda ranked: ranked[:2])[2] if judged else None


def noise_of(records: Iterable[IterationRecord]) -> float | None:
    """Standard deviation of a trial's accuracy (0..1) over seeds, pooled over all candidates; None with one seed."""
    noise = pooled_noise({record.name: record.accuracies for record in records})
    return None if noise is None else noise.between_seeds


def with_pooled_gains(records: Sequence[IterationRecord]) -> list[IterationRecord]:
    """The records with their intervals by the noise of all of them, and with what follows from these.

    What was written when a candidate was judged knew only the candidates before it. Records without a gain stay as they
    are, and so do all where the reference is not among them.
    """
    reference = next((record for record in records if record.arm == "reference"), None)
    if reference is None:
        return list(records)
    noise = pooled_noise({record.name: record.accuracies for record in records})
    found = []
    for record in records:
        gain = pooled_gain(record.accuracies, reference.accuracies, noise)
        if record is reference or record.gain is None or gain is None:
            found.append(record)
            continue
        known = gain.low is not None and gain.high is not None
        interval = (gain.low, gain.high) if known else None
        found.append(replace(record, gain_interval=interval, within_noise=not gain.excludes_zero))
    return found

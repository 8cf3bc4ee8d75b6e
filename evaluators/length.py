"""How long to train: what no augmentation and the default policy score at several lengths, and what follows from it.

Lengths are compared by the validation log loss after temperature scaling (Guo et al. 2017, arXiv 1706.04599): it is
less noisy than the metric, and a classifier that is merely too sure of itself does not count as over-trained. Two
lengths are compared image by image and seed by seed; a difference counts where it exceeds its own standard error. With
one seed, that is the noise of the validation images alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

_BEYOND_DOUBT = 0.1
_HOTTEST = np.log(20.0)
"""Temperatures between 1/20 and 20 are tried."""
_FINEST = 1e-4
_SMALLEST = 1e-7
"""Probabilities below it count as this."""


def scaled_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log loss in nats of each image, float64 (N,), after the temperature that fits these images best.

    Args:
        probabilities: (N, C), rows sum to 1.
        labels: int (N,), the true classes; or 0 and 1 (N, C) where images may have several labels, whose mean it then
            is.
    """
    several = labels.ndim == 2
    logits = np.log(np.clip(probabilities.astype(np.float64), _SMALLEST, 1.0))
    if several:
        logits = logits - np.log(np.clip(1 - probabilities.astype(np.float64), _SMALLEST, 1.0))
    rows, signs = np.arange(len(labels)), np.where(labels, -1.0, 1.0)

    def losses(log_temperature: float) -> np.ndarray:
        scaled = logits / np.exp(log_temperature)
        if several:
            return np.logaddexp(0.0, signs * scaled).mean(axis=1)
        top = scaled.max(axis=1, keepdims=True)
        return (top[:, 0] + np.log(np.exp(scaled - top).sum(axis=1))) - scaled[rows, labels]

    # The mean is convex in 1/T, and so has one minimum in log T: golden-section search.
    ratio = (np.sqrt(5) - 1) / 2
    low, high = -_HOTTEST, _HOTTEST
    while high - low > _FINEST:
        first, second = high - ratio * (high - low), low + ratio * (high - low)
        if losses(first).mean() < losses(second).mean():
            high = second
        else:
            low = first
    return losses((low + high) / 2)


@dataclass(frozen=True)
class Point:
    """What one arm came to at one length."""

    epochs: int
    score: float
    """The study's metric on validation, mean over seeds."""
    loss: float
    """Validation log loss after temperature scaling, mean over images and seeds."""
    losses: Mapping[int, np.ndarray]
    """Seed → loss of each validation image, (N,)."""
    agreements: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Seed → agreement of each validation image beyond chance (`learning.agreement`), (N,); empty where not known."""


@dataclass(frozen=True)
class Change:
    """A difference of validation losses between two lengths of one arm."""

    fall: float
    """How much lower the loss of the longer training is; negative where it is higher."""
    noise: float
    """Its standard error."""

    @property
    def improves(self) -> bool:
        """Whether the longer training is better by more than the noise."""
        return self.fall > self.noise

    @property
    def is_shown(self) -> bool:
        """Whether the difference is more than twice the noise: enough to say so, rather than to try further."""
        return abs(self.fall) > 2 * self.noise

    @property
    def worsens(self) -> bool:
        """Whether the longer training is shown to be worse."""
        return self.fall < 0 and self.is_shown


Groups = Mapping[int, Sequence[str]]
"""Seed → group of each image that it validates on, (N,)."""


def change(shorter: Point, longer: Point, groups: Groups | None, shared: bool = True) -> Change:
    """The change of the validation loss from one length to another, over the seeds that both have.

    Where they have none in common, because trials failed, nothing is known of it: the noise is infinite.

    Args:
        shorter: of an arm.
        longer: of the same arm.
        groups: images of one group are one draw, also of several seeds. None: each is its own, and where they are not
            `shared`, no two seeds have an image in common.
        shared: whether every seed validates on the same images, rather than on folds in turn.
    """
    seeds = [seed for seed in shorter.losses if seed in longer.losses]
    if not seeds:
        return Change(0.0, np.inf)
    differences = [shorter.losses[seed] - longer.losses[seed] for seed in seeds]
    by_seed = np.array([each.mean() for each in differences])
    by_image = np.mean(differences, axis=0) if shared else np.concatenate(differences)
    names = [] if groups is None else [groups[seed] for seed in (seeds[:1] if shared else seeds)]
    variance = _of_the_mean(by_image, [name for each in names for name in each])
    if len(by_seed) > 1:
        variance += by_seed.var(ddof=1) / len(by_seed)
    return Change(float(by_seed.mean()), float(np.sqrt(variance)))


def agrees(agreements: Mapping[int, np.ndarray], groups: Groups | None, shared: bool) -> bool:
    """Whether a mean agreement (`learning.agreement`) is above 0 by more than twice its standard error.

    Args:
        agreements: seed → agreement of each validation image, (N,).
        groups: as in `change`.
        shared: likewise.
    """
    if not agreements:
        return False
    nothing = {seed: np.zeros(len(each)) for seed, each in agreements.items()}
    found = change(Point(0, 0.0, 0.0, agreements), Point(0, 0.0, 0.0, nothing), groups, shared)
    return found.improves and found.is_shown


def one_has_learnt(
    losses: Mapping[int, float],
    constant: Mapping[int, float],
    agreements: Mapping[int, np.ndarray],
    groups: Groups | None,
) -> bool:
    """Whether a single training alone is beyond doubt, though a mean over seeds that differ much is not.

    It has to agree with the true classes, and to take a tenth of the log loss away that a constant answer has
    (McFadden's R²), which a network that was never trained does not.

    Args:
        losses: seed → mean validation log loss after temperature scaling.
        constant: seed → that of an answer that is the same for all images.
        agreements: seed → as in `agrees`.
        groups: as in `change`.
    """
    return any(
        losses[seed] <= (1 - _BEYOND_DOUBT) * constant[seed] and agrees({seed: each}, groups, True)
        for seed, each in agreements.items()
        if seed in losses and seed in constant
    )


def _of_the_mean(values: np.ndarray, groups: Sequence[str]) -> float:
    """The variance of the mean of `values` (N,) over draws of images, or of whole groups where there are any.

    Of a single draw, nothing is known of it: it is infinite.
    """
    centred = values - values.mean()
    if groups:
        _, place = np.unique(np.asarray(groups), return_inverse=True)
        centred = np.bincount(place, centred)
    count = len(centred)
    if count < 2:
        return np.inf
    return float((centred**2).sum() / len(values) ** 2 * count / (count - 1))


@dataclass(frozen=True)
class Curve:
    """One arm at growing lengths."""

    arm: str
    points: tuple[Point, ...]
    """Shortest first."""
    groups: Groups | None = None
    shared: bool = True
    """As in `change`."""
    constant: Point | None = None
    """What an answer would get that is the same for all images (`learning.constant_losses`); None where that is not
    known."""

    def change(self, shorter: Point, longer: Point) -> Change:
        """See `change`."""
        return change(shorter, longer, self.groups, self.shared)

    @property
    def best(self) -> Point:
        """The shortest length whose loss is, within noise, as low as the lowest."""
        lowest = min(self.points, key=lambda point: point.loss)
        return next(
            point for point in self.points if point is lowest or not self.change(point, lowest).improves
        )

    @property
    def over_trains(self) -> bool:
        """Whether a longer training than the best is shown to be worse."""
        return any(
            self.change(self.best, point).worsens for point in self.points if point.epochs > self.best.epochs
        )

    @property
    def unfinished(self) -> bool:
        """Whether the longest training that was tried is better than the one before it, by more than the noise."""
        return len(self.points) > 1 and self.change(*self.points[-2:]).improves

    @property
    def learnt(self) -> bool:
        """Whether any length is shown to be better than a constant answer, by its loss or by its agreement."""
        if self.constant is None:
            return True
        changes = [self.change(self.constant, point) for point in self.points]
        if any(each.improves and each.is_shown for each in changes):
            return True
        constant = {seed: float(each.mean()) for seed, each in self.constant.losses.items()}
        for point in self.points:
            losses = {seed: float(each.mean()) for seed, each in point.losses.items()}
            if agrees(point.agreements, self.groups, self.shared):
                return True
            if one_has_learnt(losses, constant, point.agreements, self.groups):
                return True
        return False

    @property
    def ended(self) -> bool:
        """Whether the last doubling was of no use. It says nothing while nothing at all was learnt."""
        return len(self.points) > 1 and not self.unfinished and self.learnt


def is_done(none: Curve, default: Curve) -> bool:
    """Whether no further length is needed: the last doubling was of no use, neither to the default nor, where it was
    tried as well, to no augmentation, which is learnt sooner than anything augmented."""
    if not default.points:
        return True
    return default.ended and (not none.points or none.ended)


def study_length(none: Curve, default: Curve) -> int:
    """Epochs of the study: the default's best length.

    Or no augmentation's, where that is longer and the default is not shown to be worse there, since stronger policies
    need more training than either; or the longest that was tried, where the default has learnt nothing. The best
    length of a curve on which nothing was learnt is chance.
    """
    if not default.learnt:
        return default.points[-1].epochs
    best = default.best
    if none.points and none.learnt:
        for point in default.points:
            if point.epochs == none.best.epochs > best.epochs:
                return best.epochs if default.change(best, point).worsens else point.epochs
    return best.epochs


def reference_length(none: Curve, study_epochs: int) -> int:
    """Epochs of no augmentation: its own best length, or the study's where it has learnt nothing at any."""
    return none.best.epochs if none.points and none.learnt else study_epochs


def sentence(none: Curve, default: Curve, study_epochs: int, reference_epochs: int) -> str:
    """What the two curves say, and what the study does about it; scores in percent."""
    return " ".join(
        (
            f"{_about(none, 'No augmentation')}; {_about(default, 'the default')}.",
            f"The study trains {times(study_epochs)}"
            + (
                f"; no augmentation keeps its {reference_epochs}."
                if reference_epochs != study_epochs
                else ", and so does no augmentation."
            ),
        )
    )


def _about(curve: Curve, name: str) -> str:
    best = curve.best
    if not curve.learnt:
        return f"{name} has learnt nothing in up to {times(curve.points[-1].epochs)} ({100 * best.score:.1f})"
    reached = f"{times(best.epochs)} ({100 * best.score:.1f})"
    if len(curve.points) == 1:
        return f"{name} was tried at {reached} only"
    last = curve.points[-1]
    if curve.over_trains:
        return f"{name} is best after {reached} and over-trains after that"
    if best is last:
        return f"{name} goes on to {reached} and is not done there"
    if best is curve.points[0]:
        return f"{name} is as good after {reached} as after {last.epochs}"
    return f"{name} goes on to {reached} and gains nothing more by {last.epochs}"


def too_short(none: Curve, default: Curve) -> str:
    """Whether a length that was given is too short for augmentation, in a sentence; both have it and its double."""
    given, double = default.points
    reference = [point for point in none.points if point.epochs in (given.epochs, double.epochs)]
    better = default.change(given, double)
    scores = f"{100 * given.score:.1f} after {given.epochs}, {100 * double.score:.1f} after {double.epochs}"
    if not default.learnt:
        return (
            f"The default policy has learnt nothing in up to {times(double.epochs)}, so that this says nothing "
            "of how long to train: try more epochs, a higher learning rate or a smaller batch."
        )
    if not (better.improves and better.is_shown):
        return (
            f"Nothing speaks for more than {times(given.epochs)}: twice as many do not clearly lower the validation "
            f"loss of the default policy (scores {scores})."
        )
    text = f"{times(given.epochs)} are too short for augmentation: the default policy goes on improving ({scores})"
    if len(reference) == 2:
        text += f", no augmentation {_instead(none.change(*reference))} ({100 * reference[0].score:.1f}, "
        text += f"{100 * reference[1].score:.1f})"
    return (
        f"{text}. What this study finds holds for {given.epochs} epochs; "
        "--training.epochs auto finds the length."
    )


def _instead(change: Change) -> str:
    return "improves too" if change.improves else "over-trains" if change.worsens else "does not"


def times(count: int) -> str:
    """A number of epochs in words."""
    return f"{count} epoch" if count == 1 else f"{count} epochs"

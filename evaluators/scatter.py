"""How far results of trials scatter by chance, for several measures at once.

Two chances are separate: another seed would have trained other weights, and other validation images would have given
other results. The first shows in the spread over seeds, the second only from image to image, because every candidate
and every seed may have seen the same images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.contenders import Contender, ImageScores

Rows = Mapping[int, np.ndarray]
"""Seed → float (measures,), of one candidate."""


@dataclass(frozen=True)
class Scatter:
    """Sums of squares and products, (measures, measures), of candidates × seeds."""

    within: np.ndarray
    """About the mean of each candidate."""
    within_freedom: int
    left: np.ndarray
    """Of that, what the effects of the seeds on all candidates leave."""
    freedom: int


def scatter_of(candidates: Sequence[Rows]) -> Scatter | None:
    """Two-way analysis of variance without interaction, for any pattern of missing trials.

    Args:
        candidates: at least one seed each; those with a single one say nothing.

    Returns:
        None where none has two seeds.
    """
    several = [rows for rows in candidates if len(rows) > 1]
    if not several:
        return None
    seeds = {seed: at for at, seed in enumerate(sorted({seed for rows in several for seed in rows}))}
    measures = len(next(iter(several[0].values())))
    within = np.zeros((measures, measures))
    deviations, sides = np.zeros((len(seeds), measures)), np.zeros((len(seeds), len(seeds)))
    trials = 0
    for rows in several:
        at = [seeds[seed] for seed in rows]
        values = np.array(list(rows.values()), dtype=np.float64)
        centred = values - values.mean(0)
        within += centred.T @ centred
        deviations[at] += centred
        sides[np.ix_(at, at)] += np.eye(len(at)) - 1 / len(at)
        trials += len(at)
    effects, _, rank, _ = np.linalg.lstsq(sides, deviations, rcond=None)
    free = trials - len(several)
    return Scatter(within, free, within - deviations.T @ effects, free - int(rank))


@dataclass(frozen=True)
class ImageScatter:
    """Covariances of a candidate's mean gain over the anchor in (share correct, −log loss), due to the images.

    Means over the candidates; (2, 2), or (1, 1) where the losses by image are not known.
    """

    shared: np.ndarray
    """What any two seeds share because they saw the same images, so that more seeds do not lessen it. About zero where
    each seed has images of its own."""
    alone: np.ndarray
    """Of the gain under a single seed."""
    counted: bool
    """Whether several seeds could be compared, so that `shared` is known."""


def image_scatter(anchor: Contender, others: Sequence[Contender]) -> ImageScatter | None:
    """What the sample of validation images adds to the noise; None where no pair of trials has results by image."""
    cases = _Cases()
    with_losses = all(
        scores.losses is not None for each in (anchor, *others) for scores in each.images.values()
    )
    shared, alone = [], []
    for other in others:
        gains = [
            cases.gain(other.images[seed], anchor.images[seed], with_losses)
            for seed in sorted(anchor.images.keys() & other.images.keys())
        ]
        gains = [(names, values) for names, values in gains if len(names) > 1]
        if not gains:
            continue
        own = sum(values.T @ values for _, values in gains)
        alone.append(own / len(gains))
        if len(gains) > 1:
            total = _add_up(gains)
            shared.append((total.T @ total - own) / (len(gains) * (len(gains) - 1)))
    if not alone:
        return None
    mean_alone = np.mean(alone, 0)
    return ImageScatter(np.mean(shared, 0) if shared else np.zeros_like(mean_alone), mean_alone, bool(shared))


class _Cases:
    """Results by case (an image, or several with one id); which those are is found once for each array of ids."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def gain(
        self, treatment: ImageScores, control: ImageScores, with_losses: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Names (cases,) and each case's part of the mean gain, less its share of that mean: (cases, measures)."""
        names, sums, counts = self._sums(treatment, with_losses)
        others, other_sums, other_counts = self._sums(control, with_losses)
        if names is not others:
            names, ours, theirs = np.intersect1d(names, others, assume_unique=True, return_indices=True)
            sums, counts, other_sums, other_counts = (
                sums[ours],
                counts[ours],
                other_sums[theirs],
                other_counts[theirs],
            )
        if not len(names):
            return names, np.zeros((0, sums.shape[1]))
        if not np.array_equal(counts, other_counts):
            raise ValueError("two trials of one seed have different numbers of images of one id")
        gains, images = sums - other_sums, counts.sum()
        return names, (gains - counts[:, None] * gains.sum(0) / images) / images

    def _sums(self, scores: ImageScores, with_losses: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        key = id(scores.ids)
        if key not in self._found:
            self._found[key] = np.unique(scores.ids, return_inverse=True, return_counts=True)
        names, place, counts = self._found[key]
        kept = [scores.correct.astype(np.float64)]
        if with_losses and scores.losses is not None:
            kept.append(-scores.losses.astype(np.float64))
        return names, np.stack([np.bincount(place, row, len(names)) for row in kept], 1), counts


def _add_up(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Sum over the seeds by case, (cases, measures)."""
    if all(names is parts[0][0] for names, _ in parts):
        return np.sum([values for _, values in parts], 0)
    cases = np.unique(np.concatenate([names for names, _ in parts]))
    total = np.zeros((len(cases), parts[0][1].shape[1]))
    for names, values in parts:
        total[np.searchsorted(cases, names)] += values
    return total

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

    Returns:
        None where no candidate has two seeds.
    """
    several = [rows for rows in candidates if len(rows) > 1]
    if not several:
        return None
    seeds = sorted({seed for rows in several for seed in rows})
    there = np.array([[seed in rows for seed in seeds] for rows in several], dtype=np.float64)
    nothing = np.zeros_like(next(iter(several[0].values())), dtype=np.float64)
    values = np.array([[rows.get(seed, nothing) for seed in seeds] for rows in several])
    counts = there.sum(1)
    centred = (values - (values.sum(1) / counts[:, None])[:, None]) * there[:, :, None]
    within = np.einsum("csi,csj->ij", centred, centred)
    deviations, sides = centred.sum(0), np.diag(there.sum(0)) - (there / counts[:, None]).T @ there
    effects, _, rank, _ = np.linalg.lstsq(sides, deviations, rcond=None)
    free = int(counts.sum()) - len(several)
    return Scatter(within, free, within - deviations.T @ effects, free - int(rank))


@dataclass(frozen=True)
class ImageScatter:
    """Covariances of a candidate's mean gain over the anchor in (metric, −log loss), due to the images.

    Means over the candidates; (2, 2), or (1, 1) where the losses by image are not all known and finite.
    """

    shared: np.ndarray
    """What any two seeds share because they saw the same images, so that more seeds do not lessen it. About zero where
    each seed has images of its own."""
    alone: np.ndarray
    """Of the gain under a single seed."""
    counted: bool
    """Whether several seeds could be compared, so that `shared` is known."""
    of_metric: bool = False
    """Whether the first measure is the study's metric; else it is the share that was classified correctly."""


def image_scatter(anchor: Contender, others: Sequence[Contender]) -> ImageScatter | None:
    """What the sample of validation images adds to the noise; None where no pair of trials has results by image.

    Raises:
        ValueError: if contenders were validated on different images under one seed.
    """
    known = [scores for each in (anchor, *others) for scores in each.images.values()]
    with_losses = all(_finite(scores.losses) for scores in known)
    with_values = all(_finite(scores.values) for scores in known)
    gains = {}
    for seed in sorted(anchor.images):
        places = [place for place, each in enumerate(others) if seed in each.images]
        if places:
            trials = [others[place].images[seed] for place in places]
            gains[seed] = (
                places,
                *_centred_gains(anchor.images[seed], trials, (with_values, with_losses), seed),
            )
    if not gains:
        return None
    measures = 2 if with_losses else 1  # the metric or the share correct, and −log loss
    names = [found[1] for found in gains.values()]
    cases = names[0] if all(np.array_equal(names[0], each) for each in names) else np.unique(np.hstack(names))
    total = np.zeros((len(others), len(cases), measures))
    alone, counts = np.zeros((len(others), measures, measures)), np.zeros(len(others))
    for places, named, parts in gains.values():
        at = slice(None) if named is cases or len(named) == len(cases) else np.searchsorted(cases, named)
        for place, part in zip(places, parts, strict=True):
            total[place, at] += part
        alone[places] += parts.transpose(0, 2, 1) @ parts
        counts[places] += 1
    several, any_seed = counts > 1, counts > 0
    mean_alone = (alone[any_seed] / counts[any_seed, None, None]).mean(0)
    if not several.any():
        return ImageScatter(np.zeros_like(mean_alone), mean_alone, False, with_values)
    pairs = (counts * (counts - 1))[several, None, None]
    shared = ((total.transpose(0, 2, 1) @ total - alone)[several] / pairs).mean(0)
    return ImageScatter(shared, mean_alone, True, with_values)


def _finite(values: np.ndarray | None) -> bool:
    return values is not None and bool(np.isfinite(values).all())


def _centred_gains(
    control: ImageScores, treatments: Sequence[ImageScores], known: tuple[bool, bool], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Names (cases,), and each case's part of the mean gains less its share of it: (treatments, cases, measures).

    A case is an image, or several with one id. `known`: whether the values of the metric, and the losses, are.
    """
    if all(each.ids is control.ids or np.array_equal(each.ids, control.ids) for each in treatments):
        names, sums, counts = _by_case([control, *treatments], known)
    else:
        found = [_by_case([each], known) for each in (control, *treatments)]
        names, _, counts = found[0]
        for other_names, _, other_counts in found[1:]:
            if not (np.array_equal(names, other_names) and np.array_equal(counts, other_counts)):
                raise ValueError(f"contenders were validated on different images under seed {seed}")
        sums = np.concatenate([each for _, each, _ in found])
    gains, images = sums[1:] - sums[0], counts.sum()
    return names, (gains - counts[:, None] * gains.sum(1, keepdims=True) / images) / images


def _by_case(
    trials: Sequence[ImageScores], known: tuple[bool, bool]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of trials with the same ids: names (cases,), sums (trials, cases, measures), and images in each case (cases,)."""
    names, place, counts = np.unique(trials[0].ids, return_inverse=True, return_counts=True)
    with_values, with_losses = known
    measured = [np.array([each.values if with_values else each.correct for each in trials], dtype=np.float64)]
    if with_losses:
        measured.append(-np.array([each.losses for each in trials], dtype=np.float64))
    values = np.stack(measured, 2)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return names, np.add.reduceat(values[:, np.argsort(place, kind="stable")], starts, axis=1), counts

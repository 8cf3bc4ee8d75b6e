"""What trying lengths of training may cost, and what a budget leaves room for. Pure; images are training images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

LARGEST_SHARE = 0.2
"""Of a study's training images, that finding its length may add."""
SECOND_LENGTHS = 2
"""Leading contenders that may be tried at another length at the end."""


@dataclass(frozen=True)
class Costs:
    """What trainings cost, in training images that are shown to a model."""

    images: int
    """In one epoch of one trial."""
    trials: int
    """That the rest of the study is planned to take."""
    smallest: int
    """Trials without which it has no result: reference, baselines, one iteration, and a verdict."""
    allowance: float | None
    """Images that a limit in time leaves for the whole study; None without one."""

    def study(self, epochs: int) -> float:
        """Images of a study that trains `epochs` epochs."""
        planned = float(self.trials * epochs * self.images)
        return planned if self.allowance is None else min(planned, self.allowance)

    def fits(self, epochs: int, spent: float) -> bool:
        """Whether a study of that length has a result after `spent` images."""
        return self.allowance is None or self.smallest * epochs * self.images + spent <= self.allowance

    def longest(self) -> int | None:
        """Epochs of the longest trainings with which the smallest study fits (0: none do); None without a limit."""
        if self.allowance is None:
            return None
        return int(self.allowance // (self.smallest * self.images))

    def affordable(self, epochs: int) -> int:
        """How many of the planned trials of that length the limit leaves room for."""
        if self.allowance is None:
            return self.trials
        return min(self.trials, int(self.allowance // (epochs * self.images)))


def may_try(costs: Costs, spent: float, longer: int, trials: int, settled: int, reused: float) -> bool:
    """Whether another length is within the share, even if it turns out to be of no use.

    Args:
        costs: of trainings.
        spent: images for lengths so far.
        longer: the length to try, in epochs.
        trials: how many it takes: arms × seeds.
        settled: the study's length if this one is of no use.
        reused: images of the trials among those so far that the study then needs anyway.
    """
    total = spent + trials * longer * costs.images
    return total - reused <= LARGEST_SHARE * costs.study(settled) and costs.fits(longer, total)


def lengths_within(costs: Costs, shortest: int, seeds: int, longest: int) -> list[int]:
    """The lengths that are tried where each doubling is of use to both arms: epochs, shortest first.

    Args:
        costs: of trainings.
        shortest: epochs of the first.
        seeds: of each arm.
        longest: epochs, at most.

    Returns:
        One length, or none, where the study is too small for two.
    """
    found, spent = [shortest], 2.0 * seeds * shortest * costs.images
    while 2 * found[-1] <= longest:
        settled = found[-1]
        reused = 2 * seeds * settled * costs.images
        if not may_try(costs, spent, 2 * settled, 2 * seeds, settled, reused):
            break
        found.append(2 * settled)
        spent += 2 * seeds * found[-1] * costs.images
    return found


def seeds_for(trials: int, most: int) -> int:
    """How many seeds the lengths are tried under: as many as leave room for three lengths and one too many.

    The lengths L/4, L/2, L and 2L of two arms are 7.5 trials of length L, of which the study needs two anyway.
    """
    return max(1, min(most, int(LARGEST_SHARE * trials / 5.5)))


def second_lengths(
    leading: Sequence[tuple[str, str, int]], room: Callable[[str, int], bool] = lambda name, epochs: True
) -> list[tuple[str, int]]:
    """At which other length the leading contenders are tried as well: (name, epochs), in the order of `leading`.

    Twice the length for one that has not finished learning, half of it for one that over-trains; at most two.

    Args:
        leading: (name, state, epochs), best first; state as in `evaluators.fit`: 'unfinished', 'over-trained', ….
        room: whether the budget leaves room for the trials of one contender (its name) at so many epochs.
    """
    found = []
    for name, state, epochs in leading[:SECOND_LENGTHS]:
        wanted = {"unfinished": 2 * epochs, "over-trained": epochs // 2}.get(state, 0)
        if wanted and room(name, wanted):
            found.append((name, wanted))
    return found

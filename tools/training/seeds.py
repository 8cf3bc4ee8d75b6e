"""Where every random number of a trial comes from: the trial's seed and the place where it is used, nothing else.

No generator state is carried from one step to the next, so that a resumed trial, a trial with loader processes and a
trial of another policy all draw the same numbers at the same place.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a seed is for; streams of one trial are independent."""

    WEIGHTS = 0
    ORDER = 1
    AUGMENTATION = 2
    STEP = 3
    SHARED = 4


def derived_seed(seed: int, stream: Stream, *place: int) -> int:
    """A seed (0..2**63-1) for `stream` at `place` (epoch, batch), by NumPy's `SeedSequence` hash.

    Args:
        seed: the trial's, at least 0.
        stream: what it is for.
        place: counts, each at least 0.
    """
    state = np.random.SeedSequence((seed, int(stream), *place)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


SHARING_SEEDS = 100
"""Seeds of a block, which share their draws where the recipe says so."""


def draws_of(seed: int) -> tuple[int, int]:
    """(block, place in it) of a trial's seed: trials of one block share the draws of their augmentation.

    The seeds of a search lie in other blocks than the fresh ones of its test.
    """
    return divmod(seed, SHARING_SEEDS)

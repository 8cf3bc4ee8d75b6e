"""Combinations of instruction, setting and time, drawn without repetition."""

import itertools
import random
from collections.abc import Iterator, Sequence

from tools.errors import ConfigurationError

Combination = tuple[str, str, str]
"""Instruction, setting, time."""


def combinations(
    instructions: Sequence[str], settings: Sequence[str], times: Sequence[str], count: int, seed: int
) -> list[Combination]:
    """`count` combinations, no two alike before all have come once; then a second round begins, and so on.

    A smaller count gives the beginning of what a larger one gives, so that a pool that grows keeps what it has.
    Entries that a set has twice count once.

    Raises:
        ConfigurationError: a set is empty, or has a blank entry.
    """
    sets = {"instructions": instructions, "settings": settings, "times": times}
    every: list[Combination] = list(itertools.product(*(_distinct(*named) for named in sets.items())))  # type: ignore[arg-type]
    rounds = (_shuffled(every, f"{seed}/{number}") for number in itertools.count())
    return list(itertools.islice(itertools.chain.from_iterable(rounds), count))


def _distinct(name: str, given: Sequence[str]) -> list[str]:
    entries = list(dict.fromkeys(entry.strip() for entry in given))
    if not entries:
        raise ConfigurationError(f"the set of {name} is empty: give at least one entry")
    if "" in entries:
        raise ConfigurationError(f"the set of {name} has a blank entry: remove it, or fill it in")
    return entries


def _shuffled(items: Sequence[Combination], seed: str) -> Iterator[Combination]:
    """A random permutation, by Fisher and Yates from the front.

    `random.shuffle` draws from the back: another order, so every set would have other captions and another key.
    """
    draw, order = random.Random(seed), list(items)
    for place in range(len(order)):
        other = draw.randrange(place, len(order))
        order[place], order[other] = order[other], order[place]
        yield order[place]

"""Combinations of instruction, setting and time, drawn without repetition from products of any size."""

import random
from collections.abc import Iterator, Sequence

from tools.errors import ConfigurationError


def combinations(
    instructions: Sequence[str], settings: Sequence[str], times: Sequence[str], count: int, seed: int
) -> list[tuple[str, str, str]]:
    """`count` combinations, no two alike before all have come once; then a second round begins, and so on.

    The product is never built: time and memory are of the order of `count`. A smaller count gives the beginning of
    what a larger one gives, so that a pool that grows keeps what it has. Entries that a set has twice count once.

    Raises:
        ConfigurationError: a set is empty, or has a blank entry.
    """
    if count < 0:
        raise ValueError(f"count is {count}: it cannot be negative")
    sets = _distinct(instructions, settings, times)
    size = _size(sets)
    return [
        _at(sets, index)
        for start in range(0, count, size)
        for index in _permuted(size, min(size, count - start), f"{seed}/{start // size}")
    ]


def repetition_warning(
    instructions: Sequence[str], settings: Sequence[str], times: Sequence[str], count: int
) -> str:
    """That `count` combinations cannot all differ; empty where they can.

    Raises:
        ConfigurationError: as `combinations`.
    """
    sets = _distinct(instructions, settings, times)
    size = _size(sets)
    if count <= size:
        return ""
    shape = " × ".join(
        f"{len(entries)} {name}"
        for entries, name in zip(sets, ("instructions", "settings", "times"), strict=True)
    )
    return (
        f"{count} backgrounds are to be made, but there are only {size} combinations ({shape}): each is used up to "
        f"{-(-count // size)} times, with other seeds. Add entries to the sets for more variety."
    )


def _distinct(
    instructions: Sequence[str], settings: Sequence[str], times: Sequence[str]
) -> tuple[list[str], list[str], list[str]]:
    return _entries("instructions", instructions), _entries("settings", settings), _entries("times", times)


def _entries(name: str, given: Sequence[str]) -> list[str]:
    entries = list(dict.fromkeys(entry.strip() for entry in given))
    if not entries:
        raise ConfigurationError(f"the set of {name} is empty: give at least one entry")
    if "" in entries:
        raise ConfigurationError(f"the set of {name} has a blank entry: remove it, or fill it in")
    return entries


def _size(sets: tuple[list[str], list[str], list[str]]) -> int:
    instructions, settings, times = sets
    return len(instructions) * len(settings) * len(times)


def _at(sets: tuple[list[str], list[str], list[str]], index: int) -> tuple[str, str, str]:
    instructions, settings, times = sets
    index, time = divmod(index, len(times))
    instruction, setting = divmod(index, len(settings))
    return instructions[instruction], settings[setting], times[time]


def _permuted(size: int, count: int, seed: str) -> Iterator[int]:
    """The first `count` of a random permutation of 0 … size-1.

    A Fisher-Yates shuffle that keeps only the places that were swapped. `random.sample` would do, were the beginning
    of a longer sample the shorter one.
    """
    draw = random.Random(seed)
    moved: dict[int, int] = {}
    for place in range(count):
        other = draw.randrange(place, size)
        yield moved.get(other, other)
        moved[other] = moved.get(place, place)

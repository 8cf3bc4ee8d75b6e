"""Which candidates reach the finish, and which of them is chosen: on validation accuracy alone, nothing else.

Pure functions of candidate → seed → accuracy. What is chosen here was lucky in these seeds; that is why the
test uses others.
"""

from collections.abc import Iterable, Mapping
from math import fsum

Accuracies = Mapping[str, Mapping[int, float]]
"""Candidate → seed → validation accuracy (0..1), over the finished trials; candidates in the order of proposal."""


def finalists(accuracies: Accuracies, count: int) -> list[str]:
    """The `count` candidates with the highest mean accuracy, best first; the earlier one where they tie.

    A candidate that finished fewer than half as many seeds as others is left out: a mean of one lucky trial, where
    the other trainings failed, says nothing.
    """
    eligible = _finished_enough(accuracies)
    return sorted(eligible, key=lambda name: _mean(accuracies[name].values()), reverse=True)[:count]


def best(accuracies: Accuracies) -> str | None:
    """The candidate with the highest mean accuracy over the seeds that all finished; None where none finished any.

    The earlier one wins a tie. As in `finalists`, one that finished fewer than half as many seeds as others is left
    out.
    """
    eligible = _finished_enough(accuracies)
    if not eligible:
        return None
    common = set.intersection(*(set(accuracies[name]) for name in eligible))

    def mean(name: str) -> float:
        found = accuracies[name]
        return _mean(found[seed] for seed in common or found)

    return max(eligible, key=mean)


def _finished_enough(accuracies: Accuracies) -> list[str]:
    most = max((len(by_seed) for by_seed in accuracies.values()), default=0)
    return [name for name, by_seed in accuracies.items() if by_seed and 2 * len(by_seed) >= most]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fsum(found) / len(found)

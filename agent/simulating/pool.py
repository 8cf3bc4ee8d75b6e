"""The entries of a table as points: which of them is nearest to a policy that an arm proposes.

An arm proposes whatever it likes, and only the entries of the table were trained: the nearest entry stands in for the
proposal, and the arm is told of *that* policy and its results, so that it never learns anything untrue. How far two
policies are apart is the share of images that they treat differently, added up over the operations: an operation that
only one of them has counts with its probability; one that both have, with the difference of the probabilities, and with
the mean difference of its numbers (as shares of the prior of `tools/policy/priors.py`) on the images that both change.
The order of the operations does not count.
"""

from collections.abc import Collection, Sequence

import numpy as np

from tools.policy.catalogue import CATALOGUE
from tools.policy.policy import Policy
from tools.policy.priors import share_of

_PLACES = {name: place for place, name in enumerate(CATALOGUE)}
_MOST = max(len(spec.parameters) for spec in CATALOGUE.values())


class Pool:
    """Policies, of which each is taken once."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        points = [_point(policy) for policy in policies]
        self._chances = np.stack([chances for chances, _ in points])
        self._shares = np.stack([shares for _, shares in points])

    def nearest(self, policy: Policy, without: Collection[int]) -> tuple[int, float]:
        """The entry that is nearest to `policy`, and its distance; the earlier one of a tie.

        Args:
            policy: what is looked for.
            without: entries that are not meant; not all of them.
        """
        chances, shares = _point(policy)
        numbers = np.nan_to_num(np.abs(self._shares - shares))
        counts = np.maximum(1, np.isfinite(self._shares - shares).sum(axis=2))
        far = np.abs(self._chances - chances) + np.minimum(self._chances, chances) * numbers.sum(2) / counts
        distances = far.sum(axis=1)
        distances[list(without)] = np.inf
        at = int(distances.argmin())
        return at, float(distances[at])


def _point(policy: Policy) -> tuple[np.ndarray, np.ndarray]:
    """Probability of each operation of the catalogue, (operations,), 0 without it; and shares of its numbers,
    (operations, numbers), NaN where there is none."""
    chances, shares = np.zeros(len(_PLACES)), np.full((len(_PLACES), _MOST), np.nan)
    for operation in policy.operations:
        place, values = _PLACES[operation.name], {p.name: p.value for p in operation.parameters}
        chances[place] = 1 - (1 - chances[place]) * (1 - operation.probability)
        for number, spec in enumerate(CATALOGUE[operation.name].parameters):
            share = share_of(values[spec.name], spec)
            shares[place, number] = 0.5 if share is None else share
    return chances, shares

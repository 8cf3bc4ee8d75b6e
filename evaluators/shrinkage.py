"""What is believed of true gains after noisy ones were seen: empirical Bayes.

The true gains of the candidates are taken as normal, with mean and spread learnt from the candidates themselves (the
random-effects model of meta-analysis; James and Stein 1961, Efron and Morris 1973). A gain is then pulled towards their
mean by as much as chance explains of their spread.
"""

from dataclasses import dataclass

import numpy as np

_FEWEST = 3
"""Candidates below which the spread of their true gains is not estimated, and nothing is pulled."""


@dataclass(frozen=True)
class Beliefs:
    """In the order of the candidates, (candidates,)."""

    means: np.ndarray
    """The gains to expect."""
    deviations: np.ndarray
    """Standard deviation of the belief in each, the anchor's own noise included."""


def believe(gains: np.ndarray, own: np.ndarray, anchor: float) -> Beliefs:
    """What to believe of the true gains over an anchor.

    Args:
        gains: (candidates,), mean gains over the anchor.
        own: (candidates,), variance of the noise of each candidate itself.
        anchor: variance of the noise of the anchor, which all the gains have in common.
    """
    if len(gains) < _FEWEST:
        return Beliefs(gains, np.sqrt(own + anchor))
    spread = max(0.0, float(gains.var(ddof=1) - own.mean()))
    of_middle = (spread + float(own.mean())) / len(gains)
    middle = _middle(float(gains.mean()), of_middle + anchor)
    total = spread + own
    kept = np.divide(spread, total, out=np.ones_like(own), where=total > 0)
    means = middle + kept * (gains - middle)
    return Beliefs(means, np.sqrt(kept * own + (1 - kept) ** 2 * of_middle + anchor))


def _middle(mean: float, variance: float) -> float:
    """The candidates' mean gain; where it is above zero, pulled back to it by as much as chance explains.

    That candidates are on average better than the anchor is as easily the anchor's bad luck (the positive part of
    James and Stein's estimate).
    """
    return mean * max(0.0, 1 - variance / mean**2) if mean > 0 else mean

"""What is believed of true gains after noisy ones were seen: empirical Bayes for several measures at once.

The true gains of the candidates are taken as normal, with mean and covariance learnt from the candidates themselves
(the random-effects model of meta-analysis; James and Stein 1961, Efron and Morris 1973). A gain is then pulled towards
their mean by as much as chance explains of their spread, and the less noisy measure tells about the noisier one by as
much as the two go together over the candidates.
"""

from dataclasses import dataclass

import numpy as np

_FEWEST = 3
"""Candidates below which the spread of their true gains is not estimated, and nothing is pulled."""
_RIDGE = 1e-12


@dataclass(frozen=True)
class Beliefs:
    """Of the first measure, in the order of the candidates."""

    means: np.ndarray
    """(candidates,): the gains to expect."""
    deviations: np.ndarray
    """(candidates,): standard deviation of the belief in each, the anchor's own noise included."""


def believe(gains: np.ndarray, own: np.ndarray, anchor: np.ndarray) -> Beliefs:
    """What to believe of the true gains over an anchor.

    Args:
        gains: (candidates, measures), mean gains over the anchor, higher is better in each.
        own: (candidates, measures, measures), covariance of the noise of each candidate itself.
        anchor: (measures, measures), covariance of the noise of the anchor, which all the gains have in common.
    """
    count = len(gains)
    if count < _FEWEST:
        return Beliefs(gains[:, 0], np.sqrt(own[:, 0, 0] + anchor[0, 0]))
    noise = own.mean(0)
    spread = true_spread(gains, noise)
    middle = _middle(gains, (spread + noise) / count + anchor)
    ridge = _RIDGE * np.eye(gains.shape[1])
    kept = np.stack([np.linalg.solve(spread + each + ridge, spread).T for each in own])
    means = middle + np.einsum("cij,cj->ci", kept, gains - middle)
    left = np.eye(gains.shape[1]) - kept
    variances = (
        np.einsum("cij,cjk->cik", kept, own)[:, 0, 0]
        + anchor[0, 0]
        + np.einsum("ci,ij,cj->c", left[:, 0], (spread + noise) / count, left[:, 0])
    )
    return Beliefs(means[:, 0], np.sqrt(np.maximum(variances, 0.0)))


def true_spread(gains: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Covariance (measures, measures) of the true gains behind noisy ones: what noise does not explain.

    The maximum likelihood of a covariance that cannot be negative: directions that spread less than the noise does are
    taken as not spread at all.
    """
    found = np.cov(gains, rowvar=False).reshape(noise.shape)
    values, vectors = np.linalg.eigh(noise + _RIDGE * np.eye(len(noise)))
    root = vectors * np.sqrt(np.maximum(values, _RIDGE))
    inverse = np.linalg.inv(root)
    ratios, directions = np.linalg.eigh(inverse @ found @ inverse.T)
    back = root @ directions
    return (back * np.maximum(ratios - 1, 0.0)) @ back.T


def _middle(gains: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The candidates' mean gain; where it is above the anchor, pulled back to it by as much as chance explains.

    That candidates are on average better than the anchor is as easily the anchor's bad luck (the positive part of
    James and Stein's estimate, measure by measure).
    """
    mean = gains.mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = np.maximum(0.0, 1 - np.diag(covariance) / mean**2)
    return np.where(mean > 0, mean * np.nan_to_num(kept), mean)

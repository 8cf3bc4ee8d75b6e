"""The least noisy measure of a contender: the study's metric, and what log loss says of it.

An accuracy is coarse: an image counts or does not, and trainings that differ little flip a few of them by chance. Log
loss is much less noisy, but it is not what the user asked for, and may mislead (a policy can change how sure a model
is and not what it gets right). So it is asked how metric and log loss go together over the study's own contenders,
and how far contenders are off that line; the two are then weighted so that the error is least.
"""

from dataclasses import dataclass

import numpy as np

RELATED = 0.1
"""Level at which metric and log loss must be shown to go together over the contenders (one-sided test of Pearson's
correlation of their means), else the metric alone is believed."""
FEWEST_RELATED = 5
"""Contenders that this test needs."""
_EQUAL = 1e-9


@dataclass(frozen=True)
class Index:
    """Metric and −log loss as one number, in units of the metric."""

    weight: float
    """Of the metric (0..1); the rest is the metric as log loss predicts it."""
    slope: float
    """Metric per unit of −log loss; 0 where log loss is not used."""
    misfit: float
    """Variance of a contender's index about its true metric that no seed and no image can show: how far contenders are
    off the line."""

    def of(self, values: np.ndarray) -> np.ndarray:
        """(…, 2) metric and −log loss, or their differences → (…)."""
        return values @ self._factors

    def variance(self, covariance: np.ndarray) -> float:
        """Of the index, from that of (metric, −log loss): (2, 2)."""
        return max(0.0, float(self._factors @ covariance @ self._factors))

    @property
    def _factors(self) -> np.ndarray:
        return np.array([self.weight, (1 - self.weight) * self.slope])


METRIC_ALONE = Index(1.0, 0.0, 0.0)


def find_index(means: np.ndarray, noise: np.ndarray) -> Index:
    """The weights with the least error, or the metric alone where log loss is not shown to go with it.

    The slope is that of the true means: noise in log loss would flatten it (regression with errors in variables, by
    moments; Fuller 1987). It is at most that of the regression the other way round, of log loss on the metric, which
    noise in the metric makes too steep. The misfit is what the noise does not explain of the distances to the line.

    Args:
        means: (contenders, 2), mean metric and mean −log loss.
        noise: (2, 2), covariance of the noise in one contender's means, averaged over the contenders.
    """
    if not go_together(means):
        return METRIC_ALONE
    count = len(means)
    seen = np.cov(means, rowvar=False)
    true = seen - noise
    if true[1, 1] <= 0 or true[0, 1] <= 0:
        return METRIC_ALONE
    slope = float(min(true[0, 1] / true[1, 1], seen[0, 0] / seen[0, 1]))
    across = np.array([1.0, -slope])
    distance = float(across @ seen @ across) * (count - 1) / (count - 2)
    explained = float(across @ noise @ across)
    misfit = _more_than(explained, distance, count - 2)
    of_metric, of_loss, of_both = noise[0, 0], slope**2 * noise[1, 1] + misfit, slope * noise[0, 1]
    weights = of_metric + of_loss - 2 * of_both
    weight = float(np.clip((of_loss - of_both) / weights, 0.0, 1.0)) if weights > 0 else 1.0
    return Index(weight, slope, (1 - weight) ** 2 * misfit)


def _more_than(noise: float, found: float, freedom: int) -> float:
    """What to expect of a variance beside `noise`, given that both together were found to be `found`.

    It cannot be negative, and is never certain to be zero: the mean of its posterior under Jeffreys' prior for the sum,
    an inverse gamma distribution cut off at `noise`.
    """
    from scipy.special import gammainc

    shape, scale = freedom / 2, freedom * found / 2
    if noise <= 0:
        return found
    below = float(gammainc(shape, scale / noise))
    if below < _EQUAL:
        return 0.0
    return max(0.0, scale / (shape - 1) * float(gammainc(shape - 1, scale / noise)) / below - noise)


def go_together(means: np.ndarray) -> bool:
    """Whether it is shown that contenders of lower log loss score higher.

    Args:
        means: (contenders, 2), mean metric and mean −log loss, constant where it is not known.
    """
    if len(means) < FEWEST_RELATED or not np.isfinite(means).all() or means.std(0).min() < _EQUAL:
        return False
    from scipy.special import stdtr

    freedom = len(means) - 2
    correlation = float(np.corrcoef(means, rowvar=False)[0, 1])
    statistic = correlation * np.sqrt(freedom / max(1 - correlation**2, _EQUAL))
    return bool(stdtr(freedom, statistic) > 1 - RELATED)

"""How well an arm forecasts: the gain that each proposal was expected to bring, against what came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 3
"""Forecasts that a rank correlation and a slope need."""


@dataclass(frozen=True)
class Forecast:
    """One proposal. Gains are over no augmentation on validation (-1..1)."""

    expected: float
    came: float


@dataclass(frozen=True)
class ForecastScore:
    """The forecasts of one arm."""

    arm: str
    count: int
    expected: float
    """Mean of what was expected."""
    came: float
    """Mean of what came."""
    error: float
    """Mean absolute difference."""
    right_sign: float
    """Share of forecasts that said rightly whether it would help."""
    rank: float | None
    """Kendall's τ between expected and came; None with fewer than three, or where all are equal."""
    slope: float | None
    """Of what came on what was expected: 1 where the forecasts are calibrated; None as above."""

    @property
    def bias(self) -> float:
        """How much too much was expected."""
        return self.expected - self.came


def score(arm: str, forecasts: Sequence[Forecast]) -> ForecastScore | None:
    """What the forecasts of an arm are worth; None where it made none."""
    from scipy import stats

    if not forecasts:
        return None
    expected, came = (np.array([getattr(each, name) for each in forecasts]) for name in ("expected", "came"))
    enough = len(forecasts) >= FEWEST and np.ptp(expected) > 0 and np.ptp(came) > 0
    return ForecastScore(
        arm=arm,
        count=len(forecasts),
        expected=float(expected.mean()),
        came=float(came.mean()),
        error=float(np.abs(expected - came).mean()),
        right_sign=float((np.sign(expected) == np.sign(came)).mean()),
        rank=float(stats.kendalltau(expected, came)[0]) if enough else None,  # type: ignore[arg-type]
        slope=float(stats.linregress(expected, came)[0]) if enough else None,  # type: ignore[arg-type]
    )

"""Where a search that knows nothing yet should look: near the strengths that people use, seldom at the extremes.

The ranges of the catalogue reach what hardly anybody uses (a rotation by 180 degrees, say), since for some images that
is right. A draw that is uniform over them is mostly too strong. Here each number has a Beta distribution over its
range (on a logarithmic scale where the catalogue says so), whose mode is the default. A number is described by the
share of that distribution below it, so that an optimiser that draws shares uniformly draws from the prior.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

from tools.policy.catalogue import ParameterSpec

CONCENTRATION = 12.0
"""How closely the draws lie around the default; 0 is uniform. At 12, nine of ten rotations are within 45 degrees."""
PROBABILITY = ParameterSpec(
    "probability", 0.1, 1.0, 0.5, "of applying an operation; below 0.1 it has hardly any effect"
)

_concentration = ContextVar("concentration", default=CONCENTRATION)


@contextmanager
def uniform() -> Iterator[None]:
    """Within it, numbers are uniform over their ranges: a search that does not know what is usual, to compare with."""
    before = _concentration.set(0.0)
    try:
        yield
    finally:
        _concentration.reset(before)


def value_at(share: float, spec: ParameterSpec) -> float:
    """The value with `share` (0..1) of the prior below it; within the range, and whole where the values are."""
    from scipy.stats import beta

    place = float(beta.ppf(share, *_shape(spec, _concentration.get())))
    low, high = _scaled(spec.low, spec), _scaled(spec.high, spec)
    value = low + place * (high - low)
    value = math.exp(value) if spec.log else value
    value = round(value) if spec.integer else value
    return float(min(max(value, spec.low), spec.high))


def share_of(value: float, spec: ParameterSpec) -> float | None:
    """The share of the prior below `value`: the inverse of `value_at`. None outside the range."""
    return _share_of(value, spec, _concentration.get()) if spec.low <= value <= spec.high else None


@lru_cache(maxsize=10_000)
def _share_of(value: float, spec: ParameterSpec, concentration: float) -> float:
    """Kept, since an arm asks for those of all that was tried, at every proposal."""
    from scipy.stats import beta

    return float(beta.cdf(_place(value, spec), *_shape(spec, concentration)))


def _shape(spec: ParameterSpec, concentration: float) -> tuple[float, float]:
    """The parameters of the Beta distribution with its mode at the default."""
    mode = _place(spec.default, spec)
    return 1 + concentration * mode, 1 + concentration * (1 - mode)


def _place(value: float, spec: ParameterSpec) -> float:
    """Where `value` lies in the range, 0 at its low end and 1 at its high end."""
    low, high = _scaled(spec.low, spec), _scaled(spec.high, spec)
    return (_scaled(value, spec) - low) / (high - low)


def _scaled(value: float, spec: ParameterSpec) -> float:
    return math.log(value) if spec.log else value
